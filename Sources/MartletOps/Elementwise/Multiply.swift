import MartletIR
import MartletLoops

/// The product of each pair of elements, `z = x · y`. Integers wrap.
///
/// Gradient: `dx = dz · y`, `dy = dz · x`.
package struct Multiply: BinaryElementwise {
  package init() {}
  package static let name = "multiply"
  package static let function = BinaryFunction.mul
  package static let samples =
    OpSample.binary(Multiply(), -3...3, -3...3, ulp: 0)
    + OpSample.binary(Multiply(), -100...100, -100...100, dtypes: [.int32, .int64, .uint8], ulp: 0)
  package func scalar(_ x: Double, _ y: Double) -> Double { x * y }
  package func integer(_ x: Int64, _ y: Int64, _ dtype: DType) -> Int64? { x &* y }
  package var gradient: Gradient {
    .rule { v in [v.dy * v.inputs[1], v.dy * v.inputs[0]] }
  }
}

extension Tensor {
  /// Elementwise product with NumPy broadcasting; equal dtypes.
  public static func * (x: Tensor, y: Tensor) -> Tensor { recordBroadcast(Multiply(), x, y) }
  /// Multiplies by a literal of the tensor's dtype.
  public static func * (x: Tensor, y: Double) -> Tensor { x * x.filled(y) }
  /// Multiplies by a literal of the tensor's dtype.
  public static func * (x: Double, y: Tensor) -> Tensor { y.filled(x) * y }
}
