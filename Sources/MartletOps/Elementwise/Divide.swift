import MartletIR
import MartletLoops

/// The quotient of each pair of elements, `z = x / y`. Integers truncate towards zero; x / 0 is −1
/// (all bits set) and the least integer over −1 wraps to itself.
///
/// Gradient: `dx = dz / y`, `dy = −(dz / y) · z`; reuses the result.
package struct Divide: BinaryElementwise {
  package init() {}
  package static let name = "divide"
  package static let function = BinaryFunction.div
  package static let samples =
    OpSample.binary(Divide(), -3...3, 0.5...3, ulp: 0)
    + OpSample.binary(Divide(), -100...100, -4...4, dtypes: [.int32, .int64, .uint8], ulp: 0)
  package func scalar(_ x: Double, _ y: Double) -> Double { x / y }
  package func integer(_ x: Int64, _ y: Int64, _ dtype: DType) -> Int64? {
    if y == 0 { return -1 }
    if dtype == .uint64 {
      return Int64(bitPattern: UInt64(bitPattern: x) / UInt64(bitPattern: y))
    }
    return x.dividedReportingOverflow(by: y).partialValue
  }
  package var gradient: Gradient {
    .rule { v in
      let dx = v.dy / v.inputs[1]
      return [dx, -(dx * v.y)]
    }
  }
}

extension Tensor {
  /// Elementwise quotient with NumPy broadcasting; equal dtypes. Integers truncate; x / 0 is −1.
  ///
  /// Gradient: `dx = dz / y`, `dy = −dz · x / y²`.
  public static func / (x: Tensor, y: Tensor) -> Tensor { recordBroadcast(Divide(), x, y) }
  /// Divides by a literal of the tensor's dtype.
  public static func / (x: Tensor, y: Double) -> Tensor { x / x.filled(y) }
  /// Divides a literal of the tensor's dtype.
  public static func / (x: Double, y: Tensor) -> Tensor { y.filled(x) / y }
}

// MARK: - Compound assignment

extension Tensor {
  /// Adds in place of the variable.
  public static func += (x: inout Tensor, y: Tensor) { x = x + y }
  /// Subtracts in place of the variable.
  public static func -= (x: inout Tensor, y: Tensor) { x = x - y }
  /// Multiplies in place of the variable.
  public static func *= (x: inout Tensor, y: Tensor) { x = x * y }
  /// Divides in place of the variable.
  public static func /= (x: inout Tensor, y: Tensor) { x = x / y }
  /// Adds a literal in place of the variable.
  public static func += (x: inout Tensor, y: Double) { x = x + y }
  /// Subtracts a literal in place of the variable.
  public static func -= (x: inout Tensor, y: Double) { x = x - y }
  /// Multiplies by a literal in place of the variable.
  public static func *= (x: inout Tensor, y: Double) { x = x * y }
  /// Divides by a literal in place of the variable.
  public static func /= (x: inout Tensor, y: Double) { x = x / y }
}
