import MartletIR
import MartletLoops

/// The inverse hyperbolic tangent of each element, ½ ln((1 + x) / (1 − x)).
///
/// Gradient: `dx = dy / (1 − x²)`. Domain: −1…1. Within 6 units in the last place.
package struct Atanh: ComposedElementwise {
  package init() {}
  package static let name = "atanh"
  // By log1p, which loses no digits near 0.
  package static let expression: ScalarExpr = {
    let size = ScalarExpr.of(.abs, .x)
    return .of(.sign, .x) * (0.5 * .of(.log1p, (size + size) / (1.0 - size)))
  }()
  package static let samples = OpSample.unary(Atanh(), -0.9...0.9, ulp: 6)
  package func scalar(_ x: Double) -> Double { LibM.atanh(x) }
  package var gradient: Gradient { .rule { v in [v.dy / ((1 - v.x) * (1 + v.x))] } }
}

/// The inverse hyperbolic tangent of each element, ½ ln((1 + x) / (1 − x)).
///
/// Shape and dtype of the result: those of `x`, which must be floating point; NaN outside of the
/// domain (−1…1). Within 6 units in the last place. Gradient: `dy / (1 − x²)`.
public func atanh(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Atanh(), x, at: here(x, file, line))
}
