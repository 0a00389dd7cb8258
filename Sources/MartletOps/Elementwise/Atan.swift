import MartletIR
import MartletLoops

/// The angle in −π/2…π/2 whose tangent is the element.
///
/// Gradient: `dx = dy / (1 + x²)`. Domain: all reals. Within 4 units in the last place.
package struct Atan: ComposedElementwise {
  package init() {}
  package static let name = "atan"
  package static let expression: ScalarExpr = .binary(.atan2, .x, 1.0)
  package static let samples = OpSample.unary(Atan(), -10...10, ulp: 4)
  package func scalar(_ x: Double) -> Double { LibM.atan(x) }
  package var gradient: Gradient { .rule { v in [v.dy / (1 + v.x * v.x)] } }
}

/// The angle in −π/2…π/2 whose tangent is the element.
///
/// Shape and dtype of the result: those of `x`, which must be floating point; NaN outside of the
/// domain (all reals). Within 4 units in the last place. Gradient: `dy / (1 + x²)`.
public func atan(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Atan(), x, at: here(x, file, line))
}
