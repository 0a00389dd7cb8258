import MartletIR
import MartletLoops

/// Gaussian error linear unit of each element, `y = x Φ(x) = x/2 · (1 + erf(x/√2))`.
///
/// Gradient: `dx = dy · (Φ(x) + x φ(x))`, the operation ``GeluSlope``: one factor, where the derivatives
/// of the parts would keep three arrays. Domain: all reals.
package struct Gelu: ComposedElementwise {
  package init() {}
  package static let name = "gelu"
  package static let expression: ScalarExpr =
    .x * 0.5 * (1.0 + .of(.erf, .x * 0.7071067811865476))
  package static let samples = OpSample.unary(Gelu(), -1...4, ulp: 16)
  package func scalar(_ x: Double) -> Double { x * 0.5 * (1 + LibM.erf(x * 0.7071067811865476)) }
  package var gradient: Gradient { .rule { v in [v.dy * record(GeluSlope(), v.x)] } }
}
