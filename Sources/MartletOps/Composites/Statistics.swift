// Means and variances.

import MartletIR

extension Tensor {
  /// The arithmetic mean over `axes` (all of them if nil; negative ones count from the end).
  ///
  /// With `keepDims` the axes stay with extent 1. Gradient: `dy / n`, repeated. Refused for
  /// integers and over no elements.
  public func mean(
    axes: [Int]? = nil, keepDims: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    composite(self, file, line) {
      guard let count = statisticsCount(axes, "mean") else {
        return Tensor(trace: trace, value: nil, type: TensorType(dtype, []))
      }
      return sum(axes: axes, keepDims: keepDims) / Double(count)
    }
  }

  /// The variance over `axes`, `Σ (x − mean)² / (n − correction)`.
  ///
  /// `correction` 0 is the population's variance (NumPy, batch norm), 1 the unbiased estimate
  /// (PyTorch's default). Gradient: `2 · (x − mean) · dy / (n − correction)`. Refused for integers
  /// and over no elements.
  public func variance(
    axes: [Int]? = nil, correction: Int = 0, keepDims: Bool = false,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    composite(self, file, line) {
      guard let count = statisticsCount(axes, "variance") else {
        return Tensor(trace: trace, value: nil, type: TensorType(dtype, []))
      }
      let centred = self - mean(axes: axes, keepDims: true)
      return (centred * centred).sum(axes: axes, keepDims: keepDims)
        / (Double(count) - Double(correction))
    }
  }

  /// The square root of ``variance(axes:correction:keepDims:file:line:)``.
  ///
  /// Gradient: `(x − mean) · dy / ((n − correction) · y)`; not finite where all elements are equal.
  public func standardDeviation(
    axes: [Int]? = nil, correction: Int = 0, keepDims: Bool = false,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    composite(self, file, line) {
      sqrt(variance(axes: axes, correction: correction, keepDims: keepDims))
    }
  }

  // How many elements each result combines; nil after reporting why there is no mean.
  private func statisticsCount(_ axes: [Int]?, _ op: String) -> Int? {
    let axes = normalized(axes)
    var message: String?
    if !dtype.isFloatingPoint {
      message = "takes floating-point elements, got \(type)"
    } else if !axes.allSatisfy({ (0..<rank).contains($0) }) || Set(axes).count != axes.count {
      message = "the axes \(axes) do not fit rank \(rank)"
    } else if axes.contains(where: { shape[$0] == 0 }) {
      message = "there are no elements in \(type)"
    }
    if let message {
      if value != nil { trace.report(TypeError(op: op, message), [type], at: trace.place) }
      return nil
    }
    return axes.reduce(1) { $0 * shape[$1] }
  }
}
