import MartletIR
import MartletLoops

/// The angle in −π/2…π/2 whose sine is the element.
///
/// Gradient: `dx = dy / √(1 − x²)`. Domain: −1…1. Within 4 units in the last place.
package struct Asin: ComposedElementwise {
  package init() {}
  package static let name = "asin"
  package static let expression: ScalarExpr = .binary(
    .atan2, .x, .of(.sqrt, (1.0 - .x) * (1.0 + .x)))
  package static let samples = OpSample.unary(Asin(), -0.95...0.95, ulp: 4)
  package func scalar(_ x: Double) -> Double { LibM.asin(x) }
  package var gradient: Gradient { .rule { v in [v.dy * rsqrt((1 - v.x) * (1 + v.x))] } }
}

/// The angle in −π/2…π/2 whose sine is the element.
///
/// Shape and dtype of the result: those of `x`, which must be floating point; NaN outside of the
/// domain (−1…1). Within 4 units in the last place. Gradient: `dy / √(1 − x²)`.
public func asin(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Asin(), x, at: here(x, file, line))
}
