// Draws from distributions that logits describe, by Gumbel's trick: the largest of logits with Gumbel
// noise is a draw of their softmax, the k largest are k draws without replacement.
// Source: Kool, van Hoof and Welling, "Stochastic beams and where to find them", arXiv:1903.06059.

import MartletIR

/// Draws from the distributions `softmax(logits)` along an axis: logits `[…, C, …] → i32 […]`.
///
/// New at each step: a function of (seed, step) and of the call's place in the trace, whatever the
/// threads. A logit of −∞ is never drawn (beside a finite one). By the Gumbel-max trick:
/// `argmax(logits − ln(−ln u))`. No gradient. Refused unless the logits are floating point.
public func categorical(
  logits: Tensor, axis: Int = -1, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(logits, file, line) {
    guard logits.dtype.isFloatingPoint else {
      return refuse(
        "categorical", "needs floating-point logits", logits, at: logits.trace.place,
        hint: "convert them: logits.converted(to: .float32)")
    }
    return (stopGradient(logits) + logits.gumbelNoise).argmax(axis: axis)
  }
}

/// `count` different draws from `softmax(logits)` along an axis, one after the other without
/// replacement: logits `[…, C, …] → i32 […, count, …]`, in the order of drawing.
///
/// Reproducible as ``categorical(logits:axis:file:line:)``; by the Gumbel-top-k trick. No gradient.
/// Refused unless the logits are floating point and there are as many.
public func multinomial(
  logits: Tensor, count: Int, axis: Int = -1, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(logits, file, line) {
    guard logits.dtype.isFloatingPoint else {
      return refuse(
        "multinomial", "needs floating-point logits", logits, at: logits.trace.place,
        hint: "convert them: logits.converted(to: .float32)")
    }
    return (stopGradient(logits) + logits.gumbelNoise).topK(count, axis: axis).indices
  }
}

extension Tensor {
  /// Standard Gumbel draws of this tensor's type: `−ln(−ln(1 − u))`. A draw u of 0, which would be an
  /// infinite one, counts as half of the smallest other.
  fileprivate var gumbelNoise: Tensor {
    let wide = dtype == .float64
    let u = trace.randomUniform(shape, wide ? .float64 : .float32)
    let noise = -log(-log1p(-maximum(u, wide ? 0x1p-54 : 0x1p-25)))
    return noise.converted(to: dtype)
  }
}
