import MartletIR
import MartletLoops

/// The negative of each element, `y = −x`. Integers wrap.
///
/// Gradient: `dx = −dy`.
package struct Negate: UnaryElementwise {
  package init() {}
  package static let name = "negate"
  package static let function = UnaryFunction.neg
  package static let samples =
    OpSample.unary(Negate(), -3...3, ulp: 0)
    + OpSample.unary(Negate(), -100...100, dtypes: [.int32, .int64, .uint8], ulp: 0)
  package func scalar(_ x: Double) -> Double { -x }
  package func integer(_ x: Int64, _ dtype: DType) -> Int64? { 0 &- x }
  package var gradient: Gradient { .rule { v in [-v.dy] } }
}

extension Tensor {
  /// The negative of each element, a number; integers wrap. Gradient: `−dy`.
  public static prefix func - (x: Tensor) -> Tensor { record(Negate(), x) }
}
