// Gradient descent, and gradient descent with inertia.

import MartletIR
import MartletOps

/// Mini-batch stochastic gradient descent, `W ← W − η·g`.
public struct SGD: Optimizer {
  /// η
  public var learningRate: Double
  /// SGD with this learning rate.
  public init(learningRate: Double = 0.01) { self.learningRate = learningRate }
  /// True.
  public var updatesRows: Bool { true }
  /// `W − η·g`
  public func update(
    _ parameter: Tensor, _ gradient: Tensor, learningRate: Tensor, _ state: inout OptimizerState
  ) -> Tensor { parameter - learningRate * gradient }
}

/// Gradient descent with momentum (Polyak 1964).
public struct Momentum: Optimizer {
  /// The usual definitions. With a learning rate that never changes the first three take the same
  /// steps; with a schedule they differ in which rate an old gradient was multiplied by.
  public enum Form: Hashable, Sendable, CaseIterable {
    /// `v ← ρv + g; W ← W − ηv`: PyTorch's `SGD(momentum:)`.
    case scaledVelocity
    /// `v ← ρv − ηg; W ← W + v`
    case velocity
    /// `v ← ρv + ηg; W ← W − v`
    case accumulated
    /// `v ← ρv + (1−ρ)g; W ← W − η·v/(1−ρ^t)`
    case exponentialAverage
  }

  /// η
  public var learningRate: Double
  /// ρ
  public var momentum: Double
  /// Which definition.
  public var form: Form
  /// Momentum with its coefficient.
  public init(
    learningRate: Double = 0.01, momentum: Double = 0.9, form: Form = .scaledVelocity
  ) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.form = form
  }
  /// The velocity.
  public var slots: [String] { ["velocity"] }
  /// True for the exponential average.
  public var countsSteps: Bool { form == .exponentialAverage }
  /// The rule of its ``form``.
  public func update(
    _ parameter: Tensor, _ gradient: Tensor, learningRate: Tensor, _ state: inout OptimizerState
  ) -> Tensor {
    let kept = state.slot("velocity", like: parameter) * momentum
    switch form {
    case .scaledVelocity:
      let velocity = kept + gradient
      state.slots["velocity"] = velocity
      return parameter - learningRate * velocity
    case .velocity:
      let velocity = kept - learningRate * gradient
      state.slots["velocity"] = velocity
      return parameter + velocity
    case .accumulated:
      let velocity = kept + learningRate * gradient
      state.slots["velocity"] = velocity
      return parameter - velocity
    case .exponentialAverage:
      let velocity = kept + gradient * (1 - momentum)
      state.slots["velocity"] = velocity
      return parameter - learningRate / biasCorrection(momentum, state.step) * velocity
    }
  }
}

/// Nesterov's accelerated gradient (Nesterov 1983; Sutskever et al. 2013):
/// `v ← ρv − η∇f(W + ρv); W ← W + v`.
///
/// The parameters hold the point `θ = W + ρv` where the gradient is taken, so a step is one forward
/// and one backward pass: `v ← ρv − ηg(θ); θ ← θ + ρv − ηg(θ)`. While η is constant this is
/// PyTorch's `SGD(nesterov: true)` bit for rounding; with a schedule, PyTorch's multiplies old
/// gradients by the newest η, which `form: .scaledVelocity` does.
public struct Nesterov: Optimizer {
  /// η
  public var learningRate: Double
  /// ρ
  public var momentum: Double
  /// `.scaledVelocity` (`v ← ρv + g; θ ← θ − η(g + ρv)`) or any other for the textbooks'.
  public var form: Momentum.Form
  /// Nesterov momentum with its coefficient.
  public init(learningRate: Double = 0.01, momentum: Double = 0.9, form: Momentum.Form = .velocity)
  {
    self.learningRate = learningRate
    self.momentum = momentum
    self.form = form
  }
  /// The velocity.
  public var slots: [String] { ["velocity"] }
  /// The rule above.
  public func update(
    _ parameter: Tensor, _ gradient: Tensor, learningRate: Tensor, _ state: inout OptimizerState
  ) -> Tensor {
    let kept = state.slot("velocity", like: parameter) * momentum
    if form == .scaledVelocity {
      let velocity = kept + gradient
      state.slots["velocity"] = velocity
      return parameter - learningRate * (gradient + velocity * momentum)
    }
    let push = learningRate * gradient
    let velocity = kept - push
    state.slots["velocity"] = velocity
    return parameter + velocity * momentum - push
  }
}
