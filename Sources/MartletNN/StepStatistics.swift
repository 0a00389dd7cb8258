// What a training step tells of itself on request: norms of gradients, statistics of activations.

import MartletExecution
import MartletIR
import MartletOps

/// What a training step can tell of itself: see ``TrainingStep/run(_:learningRate:observing:)``.
public struct StepStatistics: OptionSet, Hashable, Sendable {
  /// One bit for each member.
  public let rawValue: Int
  /// From bits.
  public init(rawValue: Int) { self.rawValue = rawValue }
  /// The L2 norm of the gradients of each layer's parameters: ``StepResult/gradientNorms``.
  public static let gradientNorms = StepStatistics(rawValue: 1)
  /// Mean, spread, and shares of zeros and of saturated elements of what each layer gave:
  /// ``StepResult/activations``.
  public static let activations = StepStatistics(rawValue: 2)
}

/// What a layer gave in one step.
///
/// Of a layer that an elementwise function alone follows (`relu(hidden(x))`), these are the
/// function's results: the activations.
public struct ActivationStatistics: Hashable, Sendable {
  /// The mean of all elements.
  public let mean: Double
  /// The standard deviation of all elements, `√(Σ (x − mean)² / n)`.
  public let standardDeviation: Double
  /// The share of elements that are zero: after ReLU, of units that are off.
  public let zeros: Double
  /// The share of elements within 0.01 of a bound: of −1 and 1 after tanh, of 0 and 1 after the
  /// logistic function; nil after others.
  public let saturated: Double?

  package init(mean: Double, standardDeviation: Double, zeros: Double, saturated: Double?) {
    self.mean = mean
    self.standardDeviation = standardDeviation
    self.zeros = zeros
    self.saturated = saturated
  }

  init(_ values: [Double]) {
    mean = values[0]
    standardDeviation = values[1]
    zeros = values[2]
    saturated = values.count > 3 ? values[3] : nil
  }
}

// MARK: - In the trace

extension StepStatistics {
  private func prefix() -> String { self == .gradientNorms ? "gradientNorm/" : "activation/" }

  /// The layer that a result's name speaks of, if it is of this kind and was asked for.
  func layer(_ name: String, _ kind: StepStatistics) -> String? {
    let prefix = kind.prefix()
    return contains(kind) && name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : nil
  }

  /// One scalar for each layer.
  static func norms(
    of gradients: Gradients, _ parameters: [Parameter]
  ) -> [(name: String, tensor: Tensor)] {
    var layers: [(path: String, gradients: [Tensor])] = []
    for parameter in parameters {
      guard let gradient = gradients[parameter] else { continue }
      let path = scopeName(parameter, parameter.path)
      if let index = layers.firstIndex(where: { $0.path == path }) {
        layers[index].gradients.append(gradient)
      } else {
        layers.append((path, [gradient]))
      }
    }
    return layers.compactMap { layer in
      UpdatePolicy.globalNorm(layer.gradients).map {
        (name: StepStatistics.gradientNorms.prefix() + layer.path, tensor: $0)
      }
    }
  }

  /// A vector of ``ActivationStatistics`` for each layer result of the trace; a layer that is used
  /// several times has one for each use: `branch`, `branch#2`.
  static func activations(in trace: Trace) -> [(name: String, tensor: Tensor)] {
    let users = trace.graph.users()
    var uses: [String: Int] = [:]
    let noted = trace.layerResults
    return noted.compactMap { path, scope, tensor in
      guard let value = tensor.value, tensor.dtype.isFloatingPoint, tensor.count > 0 else {
        return nil
      }
      let use = (uses[path] ?? 0) + 1
      uses[path] = use
      let last = trace.graph.activation(of: value, in: scope, users: users)
      let activation = Tensor(trace: trace, value: last, type: trace.graph.type(last))
      return (
        name: StepStatistics.activations.prefix() + path + (use > 1 ? "#\(use)" : ""),
        tensor: trace.scoped("statistics") {
          statistics(activation, trace.graph.definition(last)?.op)
        }
      )
    }
  }

  private static func statistics(_ x: Tensor, _ op: (any Operation)?) -> Tensor {
    let x = x.dtype == .float64 ? x : x.converted(to: .float32)
    func share(_ condition: Tensor) -> Tensor { condition.converted(to: x.dtype).mean() }
    let mean = x.mean()
    let centred = x - mean
    var all = [mean, sqrt((centred * centred).mean()), share(x .== 0)]
    switch op {
    case is Tanh: all.append(share(abs(x) .> 0.99))
    case is Logistic: all.append(share(abs(x - 0.5) .> 0.49))
    default: break
    }
    return stack(all)
  }
}

extension Graph {
  /// The result of the elementwise operations that follow `value` in the scope around its layer and
  /// read nothing else but constants; `value` itself where they have no single result.
  func activation(of value: Value, in scope: String, users: [[Int]]) -> Value {
    func isConstant(_ value: Value) -> Bool {
      guard let node = definition(value) else { return false }
      if node.op is Constant { return true }
      return node.op is Broadcast && node.operands.allSatisfy { definition($0)?.op is Constant }
    }
    var inside: Set<Value> = [value]
    var absorbed: Set<Int> = []
    // Nodes to look at, ascending, so that operands come before their readers.
    var pending = users[value.id]
    while let index = pending.first, absorbed.count < 64 {
      pending.removeFirst()
      let node = nodes[index]
      guard let op = node.op as? any Op, case .elementwise = op.lowering,
        node.location.scope == scope,
        node.operands.allSatisfy({ inside.contains($0) || isConstant($0) })
      else { continue }
      inside.insert(node.result)
      absorbed.insert(index)
      for user in users[node.result.id] where !pending.contains(user) { pending.append(user) }
      pending.sort()
    }
    let exits = inside.filter { inner in
      users[inner.id].contains { !absorbed.contains($0) }
    }
    guard exits.count == 1, let exit = exits.first, type(exit) == type(value) else { return value }
    return exit
  }
}
