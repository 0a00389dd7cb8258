import MartletIR
import MartletLoops

/// The smallest element over axes. NaN propagates. Refused over no elements.
///
/// Gradient: the cotangent to the first smallest element of each group (first in row-major order of the
/// reduced axes), 0 to the others; its place is that of `argmin`, so no floats are compared again.
package struct ReduceMin: Reduction {
  package var axes: [Int]
  package init(axes: [Int]) { self.axes = axes }
  package static let name = "reduceMin"
  package static let function = ReduceFunction.min
  package static let needsElements = true
  package static let samples = OpSample.reduction(ReduceMin.self, -2...2, ulp: 0)

  package func combine(_ x: [Double]) -> Double {
    x.reduce(x.first ?? .nan) { $0.isNaN || $1.isNaN ? .nan : $1 < $0 ? $1 : $0 }
  }
  package func combine(_ x: [Int64], _ dtype: DType) -> Int64 {
    guard let first = x.first else { return 0 }
    if dtype == .uint64 {
      return x.reduce(first) { UInt64(bitPattern: $1) < UInt64(bitPattern: $0) ? $1 : $0 }
    }
    return x.reduce(first) { $1 < $0 ? $1 : $0 }
  }

  package var gradient: Gradient {
    .rule { v in
      [v.x.extremeGradient(axes, v.dy) { $0.argmin(axis: -1) }]
    }
  }
}

extension Tensor {
  /// The smallest element over `axes` (all of them if nil; negative ones count from the end).
  ///
  /// With `keepDims` the axes stay with extent 1. NaN propagates. Gradient: to the first smallest
  /// element. Refused for bool, and over no elements.
  public func min(
    axes: [Int]? = nil, keepDims: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let axes = normalized(axes)
    if axes.isEmpty { return self }
    let y = record(ReduceMin(axes: axes), self, at: here(self, file, line))
    return keepDims ? y.keepingDims(axes, of: shape) : y
  }
}
