// What an optimizer is: a graph function (parameter, gradient, state) → (parameter, state).

import MartletExecution
import MartletIR
import MartletOps
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// State of one optimizer for one parameter, as tensors of the trace.
public struct OptimizerState {
  /// Arrays of the parameter's type, by name: `velocity`, `first`, `second`.
  public var slots: [String: Tensor]
  /// Scalars that all parameters share, by name, as ``Optimizer/advance(_:step:)`` left them.
  public let scalars: [String: Tensor]
  /// The number of this update, counted from 1, as a scalar of the parameter's dtype.
  public let step: Tensor

  /// A slot's array; zeros of the parameter's type where there is none.
  public func slot(_ name: String, like parameter: Tensor) -> Tensor {
    slots[name] ?? zerosLike(parameter)
  }
}

/// A rule for updating a parameter from its gradient. Traced into the training step, where it
/// fuses into one kernel over all parameters.
///
/// What is done to gradients and weights around the rule (decay, clipping, groups, averages) is its
/// ``policy``, set by modifiers: `Adam(learningRate: 1e-3).clipping(globalNorm: 1)`.
public protocol Optimizer: Sendable {
  /// The learning rate used when a call gives none.
  var learningRate: Double { get }
  /// Names of the arrays kept for each parameter, zero at first.
  var slots: [String] { get }
  /// Scalars kept for all parameters together, with their first values.
  var scalars: [(name: String, initial: Double)] { get }
  /// True when the rule uses `state.step`.
  var countsSteps: Bool { get }
  /// True when the rule goes element by element, so that it may be applied to some rows of a table
  /// and leave the others for later: see ``Embedding``.
  var updatesRows: Bool { get }
  /// What is done around the rule.
  var policy: UpdatePolicy { get }
  /// The scalars of this update, from those of the last; once a step, before any `update`.
  func advance(_ scalars: inout [String: Tensor], step: Tensor)
  /// The updated parameter; updates `state.slots` in place.
  func update(
    _ parameter: Tensor, _ gradient: Tensor, learningRate: Tensor, _ state: inout OptimizerState
  ) -> Tensor
}

extension Optimizer {
  /// None.
  public var slots: [String] { [] }
  /// None.
  public var scalars: [(name: String, initial: Double)] { [] }
  /// False.
  public var countsSteps: Bool { false }
  /// False.
  public var updatesRows: Bool { false }
  /// Nothing.
  public var policy: UpdatePolicy { UpdatePolicy() }
  /// Leaves them as they are.
  public func advance(_ scalars: inout [String: Tensor], step: Tensor) {}
}

/// Where a small ε keeps a root away from zero.
public enum EpsilonPlace: Hashable, Sendable {
  /// `√(s + ε)`: the textbooks'.
  case insideRoot
  /// `√s + ε`: PyTorch's.
  case outsideRoot

  func root(_ s: Tensor, _ epsilon: Double) -> Tensor {
    switch self {
    case .insideRoot: sqrt(s + epsilon)
    case .outsideRoot: sqrt(s) + epsilon
    }
  }
}

/// `1 − base^step`, what divides an exponential average to take its bias away; 0 ≤ base < 1.
///
/// As `−expm1(step·ln base)`: in float32 `1 − 0.999^1` has lost five digits.
func biasCorrection(_ base: Double, _ step: Tensor) -> Tensor {
  base > 0 ? -expm1(step * logarithm(base)) : step.filled(1)
}

private func logarithm(_ x: Double) -> Double { log(x) }
