// Softmax and its logarithms. The row's maximum is subtracted behind a stopGradient: it changes no
// value in exact arithmetic, so it must not take part in the derivative either.

import MartletIR

/// Softmax along an axis, `y_j = e^{x_j} / Σ_k e^{x_k}`.
///
/// Shape and dtype of the result: those of `x`. The largest element is subtracted first, so nothing
/// overflows. Gradient: `dx = y · (dy − Σ dy · y)`. Refused when the axis is out of range.
public func softmax(
  _ x: Tensor, axis: Int = -1, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard let axis = x.checkedAxis(axis, op: "softmax", at: x.trace.place) else {
      return x.poisoned
    }
    let e = exp(x - stopGradient(x.max(axes: [axis], keepDims: true)))
    return e / e.sum(axes: [axis], keepDims: true)
  }
}

/// Logarithm of the softmax along an axis, `y_j = x_j − ln Σ_k e^{x_k}`, without the cancellation
/// of taking the logarithm afterwards.
///
/// Gradient: `dx = dy − softmax(x) · Σ dy`. Refused when the axis is out of range.
public func logSoftmax(
  _ x: Tensor, axis: Int = -1, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard let axis = x.checkedAxis(axis, op: "logSoftmax", at: x.trace.place) else {
      return x.poisoned
    }
    let shifted = x - stopGradient(x.max(axes: [axis], keepDims: true))
    return shifted - log(exp(shifted).sum(axes: [axis], keepDims: true))
  }
}

/// `ln Σ e^x` over `axes` (all of them if nil; negative ones count from the end), without overflow.
///
/// With `keepDims` the axes stay with extent 1. Rows of −∞ give −∞. Gradient: `dy · softmax(x)`.
public func logSumExp(
  _ x: Tensor, axes: [Int]? = nil, keepDims: Bool = false, file: StaticString = #fileID,
  line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    let axes = x.normalized(axes)
    if axes.isEmpty { return x }
    let largest = stopGradient(x.max(axes: axes, keepDims: true))
    // ∞ − ∞ would be NaN: an infinite maximum is not subtracted.
    let shift = select(abs(largest) .< .infinity, largest, 0)
    let y = log(exp(x - shift).sum(axes: axes, keepDims: true)) + shift
    guard !keepDims else { return y }
    let kept = (0..<x.rank).filter { !axes.contains($0) }
    return y.reshaped(Shape(kept.map { x.shape[$0] }))
  }
}
