// Layers: value types with callAsFunction.

import MartletExecution
import MartletIR
import MartletOps

/// A part of a model: a function of a tensor with parameters of its own.
public protocol Layer: Sendable {
  /// The layer applied to its input; called while tracing.
  func callAsFunction(_ x: Tensor) -> Tensor
}

extension Layer {
  /// The trainable and other parameters, in order of declaration, named after their place.
  public var parameters: [Parameter] { Naming.parameters(of: self) }
}

extension Trace {
  /// Runs `body` inside a scope, which stands in messages and in the emitted C.
  package func scoped<R>(_ name: String, _ body: () -> R) -> R {
    scopes.append(name)
    defer { scopes.removeLast() }
    let result = body()
    if notesLayers, let tensor = result as? Tensor {
      let outer = scopes.dropLast().joined(separator: "/")
      layerResults.append((scopes.joined(separator: "/"), outer, tensor))
    }
    return result
  }
}

/// The layer path of a parameter: `hidden.weight` → `hidden`.
func scopeName(_ parameter: Parameter, _ fallback: String) -> String {
  let path = parameter.path
  guard let dot = path.lastIndex(of: ".") else { return fallback }
  return String(path[..<dot])
}

/// A dense layer, `y = x · W + b`, `[…, in] → […, out]`.
///
/// `weight` is [in, out], `bias` [out]. Default initial weights: PyTorch's uniform on ±√(1/in).
public struct Linear: Layer {
  /// [in, out]
  public let weight: Parameter
  /// [out], or nil without bias.
  public let bias: Parameter?

  /// A dense layer from its sizes.
  public init(
    _ inputs: Int, _ outputs: Int, bias: Bool = true, initializer: Initializer = .torchUniform
  ) {
    weight = Parameter([inputs, outputs], initializer: initializer)
    let bound = 1 / Double(max(1, inputs)).squareRoot()
    self.bias = bias ? Parameter([outputs], initializer: .uniform(-bound, bound)) : nil
  }

  /// `x · W + b`
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.trace.scoped(scopeName(weight, "Linear")) {
      if let last = x.shape.dimensions.last, last != weight.shape[0] { return refused(x, last) }
      let y = matmul(x, weight.tensor(in: x.trace))
      guard let bias else { return y }
      return y + bias.tensor(in: x.trace)
    }
  }

  /// The general message of `dot` would not know which layer fits.
  private func refused(_ x: Tensor, _ last: Int) -> Tensor {
    let (inputs, outputs) = (weight.shape[0], weight.shape[1])
    if x.value != nil {
      x.trace.report(
        TypeError(
          op: "dot", "inner sizes differ: \(x.type) · \(weight.type)   (\(last) ≠ \(inputs))",
          hint: "Linear(\(last), \(outputs)) takes this input"),
        [x.type, weight.type], at: x.trace.place)
    }
    return Tensor(
      trace: x.trace, value: nil,
      type: TensorType(x.dtype, Shape(x.shape.dimensions.dropLast() + [outputs])))
  }
}

/// Any function of a tensor as a layer.
public struct Activation: Layer {
  private let function: @Sendable (Tensor) -> Tensor
  /// A layer that applies `function`.
  public init(_ function: @escaping @Sendable (Tensor) -> Tensor) { self.function = function }
  /// The function's result.
  public func callAsFunction(_ x: Tensor) -> Tensor { function(x) }
}

/// Flattens all axes but the first, `[B, …] → [B, n]`.
public struct Flatten: Layer {
  /// The layer; it has nothing to configure.
  public init() {}
  /// The reshaped input.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    guard x.rank > 1 else { return x }
    return x.reshaped([x.shape[0], x.shape.dimensions.dropFirst().reduce(1, *)])
  }
}

/// Layers applied one after another.
///
///     let model = Sequential {
///       Linear(784, 128)
///       Activation { relu($0) }
///       Linear(128, 10)
///     }
public struct Sequential: Layer {
  /// The layers in order.
  public let layers: [any Layer]
  /// From a list.
  public init(_ layers: [any Layer]) { self.layers = layers }
  /// From a result builder.
  public init(@LayerBuilder _ layers: () -> [any Layer]) { self.layers = layers() }
  /// The last layer's result.
  public func callAsFunction(_ x: Tensor) -> Tensor { layers.reduce(x) { $1($0) } }
}

/// Collects the layers of a ``Sequential``.
@resultBuilder
public enum LayerBuilder {
  /// One layer.
  public static func buildExpression(_ layer: any Layer) -> [any Layer] { [layer] }
  /// A list of layers.
  public static func buildExpression(_ layers: [any Layer]) -> [any Layer] { layers }
  /// Layers in order.
  public static func buildBlock(_ parts: [any Layer]...) -> [any Layer] { parts.flatMap { $0 } }
  /// `if` without `else`.
  public static func buildOptional(_ part: [any Layer]?) -> [any Layer] { part ?? [] }
  /// `if`.
  public static func buildEither(first: [any Layer]) -> [any Layer] { first }
  /// `else`.
  public static func buildEither(second: [any Layer]) -> [any Layer] { second }
  /// `for`.
  public static func buildArray(_ parts: [[any Layer]]) -> [any Layer] { parts.flatMap { $0 } }
}
