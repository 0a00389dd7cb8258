// Optimizers: graph functions (parameter, gradient, state) → (parameter, state).

import MartletExecution
import MartletIR
import MartletOps

/// State of one optimizer for one parameter, as tensors of the trace.
public struct OptimizerState {
  /// Arrays of the parameter's type, by name: `velocity`, `first`, `second`.
  public var slots: [String: Tensor]
  /// The number of this update, counted from 1, as a scalar of the parameter's dtype.
  public let step: Tensor
}

/// A rule for updating a parameter from its gradient. Traced into the training step, where it
/// fuses into one kernel over all parameters.
public protocol Optimizer: Sendable {
  /// The learning rate used when a call gives none.
  var learningRate: Double { get }
  /// Names of the arrays kept for each parameter, zero at first.
  var slots: [String] { get }
  /// True when the rule uses `state.step`.
  var countsSteps: Bool { get }
  /// The updated parameter; updates `state.slots` in place.
  func update(
    _ parameter: Tensor, _ gradient: Tensor, learningRate: Tensor, _ state: inout OptimizerState
  ) -> Tensor
}

/// Mini-batch stochastic gradient descent, `W ← W − η·g`.
public struct SGD: Optimizer {
  /// η
  public var learningRate: Double
  /// SGD with this learning rate.
  public init(learningRate: Double = 0.01) { self.learningRate = learningRate }
  /// None.
  public var slots: [String] { [] }
  /// False.
  public var countsSteps: Bool { false }
  /// `W − η·g`
  public func update(
    _ parameter: Tensor, _ gradient: Tensor, learningRate: Tensor, _ state: inout OptimizerState
  ) -> Tensor { parameter - learningRate * gradient }
}

/// Momentum (accumulated), `v ← ρv + g; W ← W − ηv`: PyTorch's SGD with momentum.
public struct Momentum: Optimizer {
  /// η
  public var learningRate: Double
  /// ρ
  public var momentum: Double
  /// Momentum with its coefficient.
  public init(learningRate: Double = 0.01, momentum: Double = 0.9) {
    self.learningRate = learningRate
    self.momentum = momentum
  }
  /// The velocity.
  public var slots: [String] { ["velocity"] }
  /// False.
  public var countsSteps: Bool { false }
  /// `v ← ρv + g; W − ηv`
  public func update(
    _ parameter: Tensor, _ gradient: Tensor, learningRate: Tensor, _ state: inout OptimizerState
  ) -> Tensor {
    let velocity = (state.slots["velocity"] ?? zerosLike(parameter)) * momentum + gradient
    state.slots["velocity"] = velocity
    return parameter - learningRate * velocity
  }
}

/// Adam (Kingma and Ba 2015): `m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²;
/// W ← W − η·m̂ / (√v̂ + ε)` with `m̂ = m/(1−β₁^t)`, `v̂ = v/(1−β₂^t)`.
public struct Adam: Optimizer {
  /// η
  public var learningRate: Double
  /// β₁
  public var beta1: Double
  /// β₂
  public var beta2: Double
  /// ε, outside the root.
  public var epsilon: Double
  /// Adam with its usual coefficients.
  public init(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
  }
  /// The moments.
  public var slots: [String] { ["first", "second"] }
  /// True.
  public var countsSteps: Bool { true }
  /// The rule above; the bias corrections are two scalars a step.
  public func update(
    _ parameter: Tensor, _ gradient: Tensor, learningRate: Tensor, _ state: inout OptimizerState
  ) -> Tensor {
    let zero = zerosLike(parameter)
    let first = (state.slots["first"] ?? zero) * beta1 + gradient * (1 - beta1)
    let second = (state.slots["second"] ?? zero) * beta2 + gradient * gradient * (1 - beta2)
    state.slots["first"] = first
    state.slots["second"] = second
    let t = state.step
    let scale = learningRate / (1 - pow(t.filled(beta1), t))
    let root = sqrt(1 - pow(t.filled(beta2), t))
    return parameter - scale * first / (sqrt(second) / root + epsilon)
  }
}
