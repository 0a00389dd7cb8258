import MartletIR
import MartletLoops

/// The hyperbolic cosine of each element, (eˣ + e⁻ˣ) / 2.
///
/// Gradient: `dx = dy · sinh x`. Domain: all reals. Within 6 units in the last place.
package struct Cosh: ComposedElementwise {
  package init() {}
  package static let name = "cosh"
  // By the root of eˣ, which does not overflow before the result.
  package static let expression: ScalarExpr = {
    let root = ScalarExpr.of(.exp, .of(.abs, .x) * 0.5)
    return (0.5 * root) * root + 0.5 / root / root
  }()
  package static let samples = OpSample.unary(Cosh(), -5...5, ulp: 6)
  package func scalar(_ x: Double) -> Double { LibM.cosh(x) }
  package var gradient: Gradient { .rule { v in [v.dy * sinh(v.x)] } }
}

/// The hyperbolic cosine of each element, (eˣ + e⁻ˣ) / 2.
///
/// Shape and dtype of the result: those of `x`, which must be floating point; NaN outside of the
/// domain (all reals). Within 6 units in the last place. Gradient: `dy · sinh x`.
public func cosh(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Cosh(), x, at: here(x, file, line))
}
