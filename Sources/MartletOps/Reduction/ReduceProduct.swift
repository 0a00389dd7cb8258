import MartletIR
import MartletLoops

/// The product over axes; 1 over no elements. Integers wrap.
///
/// Gradient: to each element the cotangent times the product of the others, taken as (product of
/// those before) · (product of those after), never as y / x: exact whatever the number of zeros, and
/// differentiable again. Costs 2 log₂ n multiplications of the whole operand.
package struct ReduceProduct: Reduction {
  package var axes: [Int]
  package init(axes: [Int]) { self.axes = axes }
  package static let name = "reduceProduct"
  package static let function = ReduceFunction.prod
  package static let samples = OpSample.reduction(ReduceProduct.self, -1.5...1.5, ulp: 200)
  package func combine(_ x: [Double]) -> Double { x.reduce(1, *) }
  package func combine(_ x: [Int64], _ dtype: DType) -> Int64 { x.reduce(1, &*) }

  package var gradient: Gradient {
    .rule { v in
      if axes.isEmpty { return [v.dy] }
      let rows = v.x.movingToLastAxis(axes)
      let others = rows.productOfOthers(fromStart: true) * rows.productOfOthers(fromStart: false)
      let dx = others * v.dy.restoring([rows.rank - 1], of: rows.shape)
      return [dx.movingFromLastAxis(axes, of: v.x.shape)]
    }
  }
}

extension Tensor {
  /// The product over `axes` (all of them if nil; negative ones count from the end).
  ///
  /// With `keepDims` the axes stay with extent 1. Gradient: the product of the other elements, exact
  /// where some are 0. Refused for bool.
  public func product(
    axes: [Int]? = nil, keepDims: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let axes = normalized(axes)
    if axes.isEmpty { return self }
    let y = record(ReduceProduct(axes: axes), self, at: here(self, file, line))
    return keepDims ? y.keepingDims(axes, of: shape) : y
  }

  /// Along the last axis, the product of all elements before each (or after each): a scan in
  /// log₂ n steps, each multiplying with itself moved by 1, 2, 4, ….
  fileprivate func productOfOthers(fromStart: Bool) -> Tensor {
    let last = rank - 1
    func moved(_ x: Tensor, by distance: Int) -> Tensor {
      var (low, high) = ([Int](repeating: 0, count: rank), [Int](repeating: 0, count: rank))
      low[last] = fromStart ? distance : -distance
      high[last] = -low[last]
      return x.padded(low: low, high: high, with: 1)
    }
    if shape[last] == 0 { return self }
    var result = moved(self, by: 1)
    var distance = 1
    while distance < shape[last] - 1 {
      result = result * moved(result, by: distance)
      distance *= 2
    }
    return result
  }
}
