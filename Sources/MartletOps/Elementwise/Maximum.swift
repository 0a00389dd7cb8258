import MartletIR
import MartletLoops

/// The larger of each pair of elements. NaN propagates; −0 and +0 are equal.
///
/// Gradient: `dz` to x where x > y, else to y: a tie goes to y, so that the derivative of
/// `maximum(x, 0)` at 0 is 0.
package struct Maximum: BinaryElementwise {
  package init() {}
  package static let name = "maximum"
  package static let function = BinaryFunction.max
  package static let samples =
    OpSample.binary(Maximum(), -3...0, 0.5...3, ulp: 0)
    + OpSample.binary(Maximum(), -3...3, -3...3, isSmooth: false, ulp: 0)
    + OpSample.binary(Maximum(), -9...9, -9...9, dtypes: [.int32, .int64, .uint8], ulp: 0)
  package func scalar(_ x: Double, _ y: Double) -> Double {
    x.isNaN || y.isNaN ? .nan : x > y ? x : y
  }
  package func integer(_ x: Int64, _ y: Int64, _ dtype: DType) -> Int64? {
    if dtype == .uint64 { return UInt64(bitPattern: x) > UInt64(bitPattern: y) ? x : y }
    return x > y ? x : y
  }
  package var gradient: Gradient {
    .rule { v in
      // By the result: equal to comparing x and y, and x need not be kept for the way back.
      let first = v.y .> v.inputs[1]
      let zero = v.dy.filled(0)
      return [select(first, v.dy, zero), select(first, zero, v.dy)]
    }
  }
}

/// The larger of each pair of elements, with NumPy broadcasting; equal dtypes, numbers.
///
/// NaN propagates. Gradient: to `x` where `x > y`, else to `y` (ties go to `y`).
public func maximum(
  _ x: Tensor, _ y: Tensor, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  recordBroadcast(Maximum(), x, y, at: here(x, file, line))
}

/// The larger of each element and a literal of the tensor's dtype.
///
/// NaN propagates. Gradient: `dy` where `x > y`, else 0.
public func maximum(
  _ x: Tensor, _ y: Double, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  record(Maximum(), x, x.filled(y), at: here(x, file, line))
}
