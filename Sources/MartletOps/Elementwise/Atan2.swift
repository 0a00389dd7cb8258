import MartletIR
import MartletLoops

/// The angle in −π…π of the point (x, y) seen from the origin: operand 0 is y, operand 1 is x.
///
/// Gradient: `dy = dz · x / (x² + y²)`, `dx = −dz · y / (x² + y²)`, both 0 at the origin. Signed zeros and
/// infinities as C's `atan2`.
package struct Atan2: BinaryElementwise {
  package init() {}
  package static let name = "atan2"
  package static let function = BinaryFunction.atan2
  package static let samples =
    OpSample.binary(Atan2(), -3...3, 0.5...3)
    + OpSample.binary(Atan2(), 0.5...3, -3...3)
  package func scalar(_ y: Double, _ x: Double) -> Double { LibM.atan2(y, x) }
  package func integer(_ x: Int64, _ y: Int64, _ dtype: DType) -> Int64? { nil }
  // Both shares of the tangent have one denominator: transposition finds it.
  package var forward: ForwardRule { .transposed }
  package var gradient: Gradient {
    .rule { v in
      let (y, x) = (v.inputs[0], v.inputs[1])
      let square = x * x + y * y
      let isOrigin = square .== 0
      let scaled = select(isOrigin, 0, v.dy) / select(isOrigin, 1, square)
      return [scaled * x, -(scaled * y)]
    }
  }
}

/// The angle in −π…π of the point (x, y) seen from the origin, with NumPy broadcasting; equal
/// floating-point dtypes.
///
/// Signed zeros and infinities as C's `atan2`. Within 2 units in the last place. Gradient:
/// `dy = dz · x / (x² + y²)`, `dx = −dz · y / (x² + y²)`, 0 at the origin.
public func atan2(
  _ y: Tensor, _ x: Tensor, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  recordBroadcast(Atan2(), y, x, at: here(y, file, line))
}
