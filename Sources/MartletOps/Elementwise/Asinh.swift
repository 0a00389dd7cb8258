import MartletIR
import MartletLoops

/// The inverse hyperbolic sine of each element, ln(x + √(x² + 1)).
///
/// Gradient: `dx = dy / √(x² + 1)`. Domain: all reals. Within 6 units in the last place.
package struct Asinh: ComposedElementwise {
  package init() {}
  package static let name = "asinh"
  // By log1p, which loses no digits near 0; beyond 10⁹ it is ln 2x, where x² might overflow.
  package static let expression: ScalarExpr = {
    let size = ScalarExpr.of(.abs, .x)
    let square = size * size
    let near = ScalarExpr.of(.log1p, size + square / (1.0 + .of(.sqrt, square + 1.0)))
    return .of(.sign, .x) * .if_(size, .gt, 1e9, .of(.log, size) + 0.6931471805599453, near)
  }()
  package static let samples = OpSample.unary(Asinh(), -5...5, ulp: 6)
  package func scalar(_ x: Double) -> Double { LibM.asinh(x) }
  package var gradient: Gradient { .rule { v in [v.dy * rsqrt(v.x * v.x + 1)] } }
}

/// The inverse hyperbolic sine of each element, ln(x + √(x² + 1)).
///
/// Shape and dtype of the result: those of `x`, which must be floating point; NaN outside of the
/// domain (all reals). Within 6 units in the last place. Gradient: `dy / √(x² + 1)`.
public func asinh(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Asinh(), x, at: here(x, file, line))
}
