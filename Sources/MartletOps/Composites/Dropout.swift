// Dropout: a new mask for every step, reproducible from (seed, step).

import MartletIR

/// Where dropout makes up for the elements that it drops.
public enum DropoutScaling: Hashable, Sendable {
  /// While training, what is kept is divided by the probability of keeping; inference does nothing.
  case inverted
  /// While training nothing is scaled; inference multiplies by the probability of keeping (the
  /// weight-scaling rule).
  case atInference
}

/// Dropout: while training, each element is 0 with probability `rate`, independently and anew at
/// each step.
///
/// What happens at inference says `scaling`. The mask is a function of (seed, step) and of the
/// call's place in the trace: reproducible whatever the threads. Gradient: `dy` under the same mask
/// and scale. Srivastava et al., JMLR 15 (2014). Refused unless `0 ≤ rate ≤ 1`.
public func dropout(
  _ x: Tensor, rate: Double, scaling: DropoutScaling = .inverted, file: StaticString = #fileID,
  line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard (0...1).contains(rate), x.dtype.isFloatingPoint else {
      return refuse(
        "dropout", "needs a rate in 0...1 and floating-point elements, got a rate of \(rate)", x,
        at: x.trace.place, hint: "the rate is the probability of dropping, not of keeping")
    }
    if rate == 0 { return x }
    let keep = 1 - rate
    guard x.trace.isTraining else { return scaling == .atInference ? x * keep : x }
    if keep == 0 { return zerosLike(x) }
    x.trace.scopes.append("dropout")
    defer { x.trace.scopes.removeLast() }
    let mask = x.bernoulliLike(probability: keep)
    return select(mask, scaling == .inverted ? x * (1 / keep) : x, 0)
  }
}
