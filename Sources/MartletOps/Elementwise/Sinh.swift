import MartletIR
import MartletLoops

/// The hyperbolic sine of each element, (eˣ − e⁻ˣ) / 2.
///
/// Gradient: `dx = dy · cosh x`. Domain: all reals. Within 6 units in the last place.
package struct Sinh: ComposedElementwise {
  package init() {}
  package static let name = "sinh"
  // By expm1, which loses no digits near 0; large ones by the root of eˣ, which does not overflow early.
  package static let expression: ScalarExpr = {
    let size = ScalarExpr.of(.abs, .x)
    let (t, root) = (ScalarExpr.of(.expm1, size), ScalarExpr.of(.exp, size * 0.5))
    return .of(.sign, .x) * .if_(size, .gt, 20, (0.5 * root) * root, 0.5 * (t + t / (t + 1.0)))
  }()
  package static let samples = OpSample.unary(Sinh(), -5...5, ulp: 6)
  package func scalar(_ x: Double) -> Double { LibM.sinh(x) }
  package var gradient: Gradient { .rule { v in [v.dy * cosh(v.x)] } }
}

/// The hyperbolic sine of each element, (eˣ − e⁻ˣ) / 2.
///
/// Shape and dtype of the result: those of `x`, which must be floating point; NaN outside of the
/// domain (all reals). Within 6 units in the last place. Gradient: `dy · cosh x`.
public func sinh(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Sinh(), x, at: here(x, file, line))
}
