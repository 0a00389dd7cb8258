import MartletIR
import MartletLoops

/// The angle in 0…π whose cosine is the element.
///
/// Gradient: `dx = −dy / √(1 − x²)`. Domain: −1…1. Within 4 units in the last place.
package struct Acos: ComposedElementwise {
  package init() {}
  package static let name = "acos"
  package static let expression: ScalarExpr = .binary(
    .atan2, .of(.sqrt, (1.0 - .x) * (1.0 + .x)), .x)
  package static let samples = OpSample.unary(Acos(), -0.95...0.95, ulp: 4)
  package func scalar(_ x: Double) -> Double { LibM.acos(x) }
  package var gradient: Gradient { .rule { v in [-(v.dy * rsqrt((1 - v.x) * (1 + v.x)))] } }
}

/// The angle in 0…π whose cosine is the element.
///
/// Shape and dtype of the result: those of `x`, which must be floating point; NaN outside of the
/// domain (−1…1). Within 4 units in the last place. Gradient: `−dy / √(1 − x²)`.
public func acos(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Acos(), x, at: here(x, file, line))
}
