import MartletIR
import MartletLoops

/// The largest element over axes. NaN propagates. Refused over no elements.
///
/// Gradient: the cotangent to the first largest element of each group (first in row-major order of the
/// reduced axes), 0 to the others; its place is that of `argmax`, so no floats are compared again.
package struct ReduceMax: Reduction {
  package var axes: [Int]
  package init(axes: [Int]) { self.axes = axes }
  package static let name = "reduceMax"
  package static let function = ReduceFunction.max
  package static let needsElements = true
  package static let samples = OpSample.reduction(ReduceMax.self, -2...2, ulp: 0)

  package func combine(_ x: [Double]) -> Double {
    x.reduce(x.first ?? .nan) { $0.isNaN || $1.isNaN ? .nan : $1 > $0 ? $1 : $0 }
  }
  package func combine(_ x: [Int64], _ dtype: DType) -> Int64 {
    guard let first = x.first else { return 0 }
    if dtype == .uint64 {
      return x.reduce(first) { UInt64(bitPattern: $1) > UInt64(bitPattern: $0) ? $1 : $0 }
    }
    return x.reduce(first) { $1 > $0 ? $1 : $0 }
  }

  package var gradient: Gradient {
    .rule { v in
      [v.x.extremeGradient(axes, v.dy) { $0.argmax(axis: -1) }]
    }
  }
}

extension Tensor {
  /// The largest element over `axes` (all of them if nil; negative ones count from the end).
  ///
  /// With `keepDims` the axes stay with extent 1. NaN propagates. Gradient: to the first largest
  /// element. Refused for bool, and over no elements.
  public func max(
    axes: [Int]? = nil, keepDims: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let axes = normalized(axes)
    if axes.isEmpty { return self }
    let y = record(ReduceMax(axes: axes), self, at: here(self, file, line))
    return keepDims ? y.keepingDims(axes, of: shape) : y
  }
}

extension Tensor {
  /// The gradient of a max or min: `dy` at the chosen place of each group, 0 elsewhere.
  package func extremeGradient(
    _ axes: [Int], _ dy: Tensor, _ choose: (Tensor) -> Tensor
  ) -> Tensor {
    if axes.isEmpty { return dy }
    let rows = movingToLastAxis(axes)
    let last = rows.rank - 1
    let chosen = choose(rows).restoring([last], of: rows.shape)
    let place = trace.iota(TensorType(.int32, rows.shape), axis: last)
    let dx = select(place .== chosen, dy.restoring([last], of: rows.shape), 0)
    return dx.movingFromLastAxis(axes, of: shape)
  }

  /// The kept axes first, then all of `axes` (ascending) flattened into one.
  package func movingToLastAxis(_ axes: [Int]) -> Tensor {
    let kept = (0..<rank).filter { !axes.contains($0) }
    let order = kept + axes.sorted()
    let moved = order == Array(0..<rank) ? self : transposed(order)
    return moved.reshaped(Shape(kept.map { shape[$0] } + [axes.reduce(1) { $0 * shape[$1] }]))
  }

  /// Undoes `movingToLastAxis` on a tensor of `shape`.
  package func movingFromLastAxis(_ axes: [Int], of shape: Shape) -> Tensor {
    let order = (0..<shape.rank).filter { !axes.contains($0) } + axes.sorted()
    return reshaped(Shape(order.map { shape[$0] })).arranged(order)
  }
}
