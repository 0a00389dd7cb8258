// Rules with a learning rate for each element, from the squares of its gradients.

import MartletIR
import MartletOps

/// AdaGrad (Duchi, Hazan and Singer 2011): `s ← s + g²; W ← W − η·g/√(s+ε)`.
public struct AdaGrad: Optimizer {
  /// η
  public var learningRate: Double
  /// ε
  public var epsilon: Double
  /// Inside of the root, or outside (PyTorch's form, with ε = 1e-10).
  public var epsilonPlace: EpsilonPlace
  /// AdaGrad with its usual coefficients.
  public init(
    learningRate: Double = 0.01, epsilon: Double = 1e-10, epsilonPlace: EpsilonPlace = .insideRoot
  ) {
    self.learningRate = learningRate
    self.epsilon = epsilon
    self.epsilonPlace = epsilonPlace
  }
  /// The sum of squares.
  public var slots: [String] { ["squares"] }
  /// True.
  public var updatesRows: Bool { true }
  /// The rule above.
  public func update(
    _ parameter: Tensor, _ gradient: Tensor, learningRate: Tensor, _ state: inout OptimizerState
  ) -> Tensor {
    let squares = state.slot("squares", like: parameter) + gradient * gradient
    state.slots["squares"] = squares
    return parameter - learningRate * gradient / epsilonPlace.root(squares, epsilon)
  }
}

/// RMSProp (Tieleman and Hinton 2012): `s ← γs + (1−γ)g²; W ← W − η·g/√(s+ε)`.
///
/// With `correctsBias` s is divided by `1−γ^t`. With `momentum` ρ: `v ← ρv + g/√(s+ε); W ← W − ηv`.
/// `centered` subtracts the square of the gradient's average from s, an estimate of the variance.
public struct RMSProp: Optimizer {
  /// η
  public var learningRate: Double
  /// γ
  public var decay: Double
  /// ρ; 0 for none.
  public var momentum: Double
  /// ε
  public var epsilon: Double
  /// Inside of the root, or outside (PyTorch's form).
  public var epsilonPlace: EpsilonPlace
  /// Whether s is divided by `1−γ^t`.
  public var correctsBias: Bool
  /// Whether the variance takes the place of the mean square.
  public var centered: Bool
  /// RMSProp with its usual coefficients.
  public init(
    learningRate: Double = 0.01, decay: Double = 0.99, momentum: Double = 0, epsilon: Double = 1e-8,
    epsilonPlace: EpsilonPlace = .insideRoot, correctsBias: Bool = false, centered: Bool = false
  ) {
    self.learningRate = learningRate
    self.decay = decay
    self.momentum = momentum
    self.epsilon = epsilon
    self.epsilonPlace = epsilonPlace
    self.correctsBias = correctsBias
    self.centered = centered
  }
  /// The mean square, and where they are used the mean and the velocity.
  public var slots: [String] {
    ["squares"] + (centered ? ["mean"] : []) + (momentum != 0 ? ["velocity"] : [])
  }
  /// True when the bias is corrected.
  public var countsSteps: Bool { correctsBias }
  /// The rule above.
  public func update(
    _ parameter: Tensor, _ gradient: Tensor, learningRate: Tensor, _ state: inout OptimizerState
  ) -> Tensor {
    let squares =
      state.slot("squares", like: parameter) * decay + gradient * gradient * (1 - decay)
    state.slots["squares"] = squares
    var spread = squares
    if correctsBias { spread = spread / biasCorrection(decay, state.step) }
    if centered {
      let mean = state.slot("mean", like: parameter) * decay + gradient * (1 - decay)
      state.slots["mean"] = mean
      // Rounding may leave a variance just below zero.
      spread = maximum(spread - mean * mean, 0)
    }
    let scaled = gradient / epsilonPlace.root(spread, epsilon)
    guard momentum != 0 else { return parameter - learningRate * scaled }
    let velocity = state.slot("velocity", like: parameter) * momentum + scaled
    state.slots["velocity"] = velocity
    return parameter - learningRate * velocity
  }
}

/// Adadelta (Zeiler 2012): `s ← ρs + (1−ρ)g²; g′ = √((Δ+ε)/(s+ε))·g; Δ ← ρΔ + (1−ρ)g′²; W ← W − ηg′`,
/// with η = 1 in the paper.
public struct Adadelta: Optimizer {
  /// η
  public var learningRate: Double
  /// ρ
  public var decay: Double
  /// ε
  public var epsilon: Double
  /// Adadelta with its usual coefficients.
  public init(learningRate: Double = 1, decay: Double = 0.9, epsilon: Double = 1e-6) {
    self.learningRate = learningRate
    self.decay = decay
    self.epsilon = epsilon
  }
  /// The mean squares of gradients and of updates.
  public var slots: [String] { ["squares", "updates"] }
  /// The rule above.
  public func update(
    _ parameter: Tensor, _ gradient: Tensor, learningRate: Tensor, _ state: inout OptimizerState
  ) -> Tensor {
    let squares =
      state.slot("squares", like: parameter) * decay + gradient * gradient * (1 - decay)
    let updates = state.slot("updates", like: parameter)
    let change = sqrt(updates + epsilon) / sqrt(squares + epsilon) * gradient
    state.slots["squares"] = squares
    state.slots["updates"] = updates * decay + change * change * (1 - decay)
    return parameter - learningRate * change
  }
}
