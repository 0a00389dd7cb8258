// Parameters and other state of layers: final class cells inside value-type layers.

import MartletExecution
import MartletIR
import MartletOps

/// A trainable array of a layer.
///
/// A cell: copies of a layer share its parameters. Inside a traced closure the parameter stands for
/// its value there; outside, `value` reads and writes the state block.
public final class Parameter: Sendable {
  package let variable: StateVariable

  /// A parameter with an initial value that depends on (seed, path) alone. Inside of
  /// ``withWeights(storedAs:_:)`` a trainable float32 array of two axes or more is stored as said
  /// there.
  public init(
    _ shape: Shape, _ dtype: DType = .float32, initializer: Initializer, trainable: Bool = true
  ) {
    let isWeight = trainable && dtype == .float32 && shape.rank >= 2
    let type = TensorType(isWeight ? WeightStorage.current.dtype : dtype, shape)
    variable = StateVariable(type, isTrainable: trainable) { bytes, seed, path in
      initializer.write(to: bytes, type, seed: seed, path: path)
    }
  }

  package init(_ variable: StateVariable) { self.variable = variable }

  /// dtype and shape, as the parameter is stored.
  public var type: TensorType { variable.type }
  /// The extents.
  public var shape: Shape { variable.type.shape }
  /// The place in the model, such as `hidden.weight`; empty before it is known.
  public var path: String { variable.path }
  /// False for running statistics and counters.
  public var isTrainable: Bool { variable.isTrainable }

  /// The current value. Throws when a session is writing it.
  public func value() throws -> NDArray {
    try StateBlock.allocate([variable], seed: 0)
    guard let array = try variable.read() else {
      throw RunError(.mismatch, "the parameter has no value yet", at: path)
    }
    return array
  }

  /// Replaces the value. Throws on another type, or when a session uses the state.
  public func set(_ array: NDArray) throws { try variable.write(array) }

  /// The parameter in the trace of another tensor, as float32 where it is stored as halves.
  package func tensor(in trace: Trace) -> Tensor { trace.readWide(variable) }

  /// The parameter's value in the trace that is running. Outside of a trace there is none: the
  /// result is nil. Of a parameter that is stored as halves it is float32.
  public var tensor: Tensor? { Trace.current.map { $0.readWide(variable) } }

  /// Assigns a new value inside a trace; the program writes it back when it runs.
  package func assign(_ value: Tensor) {
    let isHalf = type.computed != type && value.dtype == .float32
    value.trace.assign(variable, isHalf ? value.converted(to: type.dtype) : value)
  }
}

/// Names the parameters of a model after their place in it, reading its fields once.
package enum Naming {
  /// All parameters of a value, with their paths, in order of declaration; each named.
  package static func parameters(of model: Any) -> [Parameter] {
    paths(of: model).map(\.parameter)
  }

  /// The same with each parameter's place in this model, which may be a part of a larger one: the
  /// parameter's own path stays what it was named first.
  package static func paths(of model: Any) -> [(parameter: Parameter, path: String)] {
    var found: [(parameter: Parameter, path: String)] = []
    var seen: Set<ObjectIdentifier> = []
    visit(model, path: "", depth: 0, &found, &seen)
    return found
  }

  /// The batch norms inside a value, each once.
  package static func batchNorms(of model: Any) -> [BatchNorm] {
    var found: [BatchNorm] = []
    func search(_ value: Any, _ depth: Int) {
      guard depth < 32, !(value is Parameter) else { return }
      if let norm = value as? BatchNorm {
        if !found.contains(where: { $0.runningMean === norm.runningMean }) { found.append(norm) }
        return
      }
      for child in Mirror(reflecting: value).children { search(child.value, depth + 1) }
    }
    search(model, 0)
    return found
  }

  /// What layers have many of and holds no parameter.
  private static let leaves: Set<ObjectIdentifier> = [
    ObjectIdentifier(Int.self), ObjectIdentifier(Bool.self), ObjectIdentifier(Double.self),
    ObjectIdentifier(Float.self), ObjectIdentifier(String.self), ObjectIdentifier([Int].self),
    ObjectIdentifier(Shape.self),
  ]

  private static func visit(
    _ value: Any, path: String, depth: Int,
    _ found: inout [(parameter: Parameter, path: String)],
    _ seen: inout Set<ObjectIdentifier>
  ) {
    // Deep enough for any real model; a cycle of classes ends here.
    guard depth < 32 else { return }
    // Types are compared, which is far cheaper than a cast or a look inside.
    let kind: Any.Type = type(of: value)
    if leaves.contains(ObjectIdentifier(kind)) { return }
    if kind == Parameter.self, let parameter = value as? Parameter {
      guard seen.insert(ObjectIdentifier(parameter)).inserted else { return }
      parameter.variable.name(path)
      found.append((parameter, path))
      return
    }
    let mirror = Mirror(reflecting: value)
    let isSequential = kind == Sequential.self
    switch mirror.displayStyle {
    case .struct, .class, .tuple, .collection, .optional, .enum, .dictionary:
      for (index, child) in mirror.children.enumerated() {
        var label = child.label ?? "\(index)"
        // The list inside a Sequential has no name of its own: `body.0.weight`.
        if mirror.displayStyle == .optional || isSequential { label = "" }
        if label.hasPrefix("_") { label.removeFirst() }
        let next = path.isEmpty ? label : (label.isEmpty ? path : "\(path).\(label)")
        visit(child.value, path: next, depth: depth + 1, &found, &seen)
      }
    default: return
    }
  }
}
