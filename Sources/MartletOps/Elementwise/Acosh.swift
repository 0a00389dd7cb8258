import MartletIR
import MartletLoops

/// The inverse hyperbolic cosine of each element, ln(x + √(x² − 1)).
///
/// Gradient: `dx = dy / √(x² − 1)`. Domain: 1 and above. Within 6 units in the last place.
package struct Acosh: ComposedElementwise {
  package init() {}
  package static let name = "acosh"
  // By log1p, which loses no digits near 1; two roots, so that nothing below 1 has one. Beyond 10⁹ it is
  // ln 2x.
  package static let expression: ScalarExpr = {
    let t = ScalarExpr.x - 1.0
    let near = ScalarExpr.of(.log1p, t + .of(.sqrt, t) * .of(.sqrt, t + 2.0))
    return .if_(.x, .gt, 1e9, .of(.log, .x) + 0.6931471805599453, near)
  }()
  package static let samples = OpSample.unary(Acosh(), 1.2...6, ulp: 6)
  package func scalar(_ x: Double) -> Double { LibM.acosh(x) }
  package var gradient: Gradient { .rule { v in [v.dy * rsqrt((v.x - 1) * (v.x + 1))] } }
}

/// The inverse hyperbolic cosine of each element, ln(x + √(x² − 1)).
///
/// Shape and dtype of the result: those of `x`, which must be floating point; NaN outside of the
/// domain (1 and above). Within 6 units in the last place. Gradient: `dy / √(x² − 1)`.
public func acosh(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Acosh(), x, at: here(x, file, line))
}
