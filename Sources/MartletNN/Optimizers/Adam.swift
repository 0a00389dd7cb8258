// Adam and its relatives: a momentum and a scale for each element.

import MartletIR
import MartletOps

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
  /// True.
  public var updatesRows: Bool { true }
  /// The rule above; the bias corrections are two scalars a step.
  public func update(
    _ parameter: Tensor, _ gradient: Tensor, learningRate: Tensor, _ state: inout OptimizerState
  ) -> Tensor {
    let (first, second) = state.moments(gradient, beta1, beta2)
    let scale = learningRate / biasCorrection(beta1, state.step)
    let root = sqrt(biasCorrection(beta2, state.step))
    return parameter - scale * first / (sqrt(second) / root + epsilon)
  }
}

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019): `W ← (1 − ηλ)W`, then Adam's step.
///
/// The same as `Adam(…).weightDecay(λ)`; unlike there, the decay is on by default, as in PyTorch,
/// and as there it leaves vectors (bias and norm) alone.
public struct AdamW: Optimizer {
  /// Adam's coefficients.
  public var adam: Adam
  /// λ
  public var weightDecay: Double
  /// Which parameters decay.
  public var selection: ParameterSelection
  /// AdamW with its usual coefficients.
  public init(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0.01, of selection: ParameterSelection = .weights
  ) {
    adam = Adam(learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon)
    self.weightDecay = weightDecay
    self.selection = selection
  }
  /// η
  public var learningRate: Double { adam.learningRate }
  /// The moments.
  public var slots: [String] { adam.slots }
  /// True.
  public var countsSteps: Bool { true }
  /// True.
  public var updatesRows: Bool { true }
  /// The decay.
  public var policy: UpdatePolicy {
    var policy = UpdatePolicy()
    policy.decays.append(.init(.decoupled, weightDecay, selection))
    return policy
  }
  /// Adam's rule; the policy does the rest.
  public func update(
    _ parameter: Tensor, _ gradient: Tensor, learningRate: Tensor, _ state: inout OptimizerState
  ) -> Tensor {
    adam.update(parameter, gradient, learningRate: learningRate, &state)
  }
}

/// Adam with Nesterov's momentum (Dozat 2016), with the schedule of its momentum as in PyTorch:
/// `μ_t = β₁(1 − ½·0.96^{tψ})`,
/// `W ← W − η·((1−μ_t)/(1−Πμ)·g + μ_{t+1}/(1−μ_{t+1}Πμ)·m) / (√v̂ + ε)`.
public struct NAdam: Optimizer {
  /// η
  public var learningRate: Double
  /// β₁
  public var beta1: Double
  /// β₂
  public var beta2: Double
  /// ε, outside the root.
  public var epsilon: Double
  /// ψ
  public var momentumDecay: Double
  /// NAdam with its usual coefficients.
  public init(
    learningRate: Double = 2e-3, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    momentumDecay: Double = 4e-3
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.momentumDecay = momentumDecay
  }
  /// The moments.
  public var slots: [String] { ["first", "second"] }
  /// The product of the momenta so far.
  public var scalars: [(name: String, initial: Double)] { [("momentumProduct", 1)] }
  /// True.
  public var countsSteps: Bool { true }
  /// `Πμ ← Πμ·μ_t`
  public func advance(_ scalars: inout [String: Tensor], step: Tensor) {
    guard let product = scalars["momentumProduct"] else { return }
    scalars["momentumProduct"] = product * momentum(step)
  }
  private func momentum(_ step: Tensor) -> Tensor {
    (1 - pow(step.filled(0.96), step * momentumDecay) * 0.5) * beta1
  }
  /// The rule above.
  public func update(
    _ parameter: Tensor, _ gradient: Tensor, learningRate: Tensor, _ state: inout OptimizerState
  ) -> Tensor {
    let (first, second) = state.moments(gradient, beta1, beta2)
    let product = state.scalars["momentumProduct"] ?? state.step.filled(1)
    let (now, next) = (momentum(state.step), momentum(state.step + 1))
    let root = sqrt(biasCorrection(beta2, state.step))
    let own = learningRate * (1 - now) / (1 - product)
    let ahead = learningRate * next / (1 - next * product)
    return parameter - (own * gradient + ahead * first) / (sqrt(second) / root + epsilon)
  }
}

/// Lion (Chen et al. 2023): `W ← W − η·sign(β₁m + (1−β₁)g); m ← β₂m + (1−β₂)g`.
///
/// Its decay is decoupled: `Lion(…).weightDecay(λ)`.
public struct Lion: Optimizer {
  /// η
  public var learningRate: Double
  /// β₁
  public var beta1: Double
  /// β₂
  public var beta2: Double
  /// Lion with its usual coefficients.
  public init(learningRate: Double = 1e-4, beta1: Double = 0.9, beta2: Double = 0.99) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
  }
  /// The momentum.
  public var slots: [String] { ["momentum"] }
  /// The rule above.
  public func update(
    _ parameter: Tensor, _ gradient: Tensor, learningRate: Tensor, _ state: inout OptimizerState
  ) -> Tensor {
    let momentum = state.slot("momentum", like: parameter)
    state.slots["momentum"] = momentum * beta2 + gradient * (1 - beta2)
    return parameter - learningRate * sign(momentum * beta1 + gradient * (1 - beta1))
  }
}

extension OptimizerState {
  /// `m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²`
  fileprivate mutating func moments(
    _ gradient: Tensor, _ beta1: Double, _ beta2: Double
  ) -> (first: Tensor, second: Tensor) {
    let first = slot("first", like: gradient) * beta1 + gradient * (1 - beta1)
    let second = slot("second", like: gradient) * beta2 + gradient * gradient * (1 - beta2)
    slots["first"] = first
    slots["second"] = second
    return (first, second)
  }
}
