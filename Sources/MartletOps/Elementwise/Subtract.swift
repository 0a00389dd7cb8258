import MartletIR
import MartletLoops

/// The difference of each pair of elements, `z = x − y`. Integers wrap.
///
/// Gradient: `dx = dz`, `dy = −dz`.
package struct Subtract: BinaryElementwise {
  package init() {}
  package static let name = "subtract"
  package static let function = BinaryFunction.sub
  package static let samples =
    OpSample.binary(Subtract(), -3...3, -3...3, ulp: 0)
    + OpSample.binary(Subtract(), -100...100, -100...100, dtypes: [.int32, .int64, .uint8], ulp: 0)
  package func scalar(_ x: Double, _ y: Double) -> Double { x - y }
  package func integer(_ x: Int64, _ y: Int64, _ dtype: DType) -> Int64? { x &- y }
  package var gradient: Gradient { .rule { v in [v.dy, -v.dy] } }
}

extension Tensor {
  /// Elementwise difference with NumPy broadcasting; equal dtypes.
  public static func - (x: Tensor, y: Tensor) -> Tensor { recordBroadcast(Subtract(), x, y) }
  /// Subtracts a literal of the tensor's dtype.
  public static func - (x: Tensor, y: Double) -> Tensor { x - x.filled(y) }
  /// Subtracts from a literal of the tensor's dtype.
  public static func - (x: Double, y: Tensor) -> Tensor { y.filled(x) - y }
}
