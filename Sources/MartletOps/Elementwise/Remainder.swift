import MartletIR
import MartletLoops

/// The remainder of each quotient, `z = x − y · trunc(x / y)`, with the sign of x. For integers
/// `x % 0` is x.
///
/// Gradient: `dx = dz`, `dy = −dz · trunc(x / y)`, almost everywhere.
package struct Remainder: BinaryElementwise {
  package init() {}
  package static let name = "remainder"
  package static let function = BinaryFunction.rem
  package static let samples =
    OpSample.binary(Remainder(), 1.1...1.4, 0.5...0.54, ulp: 0)
    + OpSample.binary(Remainder(), -9...9, 0.5...3, isSmooth: false, ulp: 0)
    + OpSample.binary(Remainder(), -100...100, -4...4, dtypes: [.int32, .int64, .uint8], ulp: 0)
  package func scalar(_ x: Double, _ y: Double) -> Double { LibM.fmod(x, y) }
  package func integer(_ x: Int64, _ y: Int64, _ dtype: DType) -> Int64? {
    if y == 0 { return x }
    if dtype == .uint64 {
      return Int64(bitPattern: UInt64(bitPattern: x) % UInt64(bitPattern: y))
    }
    return x.remainderReportingOverflow(dividingBy: y).partialValue
  }
  package var gradient: Gradient {
    .rule { v in
      // x − z is a whole multiple of y up to rounding, which `round` takes away.
      [v.dy, -(v.dy * round((v.inputs[0] - v.y) / v.inputs[1]))]
    }
  }
}

extension Tensor {
  /// Elementwise remainder of the truncated quotient, with NumPy broadcasting; equal dtypes, numbers.
  ///
  /// The sign is that of `x`, as in Swift and C; for integers `x % 0` is `x`.
  /// Gradient: `dx = dz`, `dy = −dz · trunc(x / y)`.
  public static func % (x: Tensor, y: Tensor) -> Tensor { recordBroadcast(Remainder(), x, y) }
  /// The remainder by a literal of the tensor's dtype.
  public static func % (x: Tensor, y: Double) -> Tensor { x % x.filled(y) }
}
