import MartletIR
import MartletLoops

/// The derivative of the Gaussian error linear unit, `Φ(x) + x φ(x)`, φ the density of N(0, 1) and
/// Φ its integral.
///
/// Gradient: `dx = dy · φ(x) (2 − x²)`. Domain: all reals.
package struct GeluSlope: ComposedElementwise {
  package init() {}
  package static let name = "geluSlope"
  package static let expression: ScalarExpr =
    (1.0 + .of(.erf, .x * 0.7071067811865476)) * 0.5
    + .x * (.of(.exp, .x * .x * -0.5) * 0.3989422804014327)
  package static let samples = OpSample.unary(GeluSlope(), -0.5...4, ulp: 16)
  package func scalar(_ x: Double) -> Double {
    (1 + LibM.erf(x * 0.7071067811865476)) * 0.5
      + x * (LibM.exp(x * x * -0.5) * 0.3989422804014327)
  }
  package var gradient: Gradient {
    .rule { v in
      let square = v.x * v.x
      return [v.dy * (exp(square * -0.5) * 0.3989422804014327 * (2 - square))]
    }
  }
}
