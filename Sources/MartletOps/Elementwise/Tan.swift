import MartletIR
import MartletLoops

/// The tangent of each element, in radians.
///
/// Gradient: `dx = dy · (1 + y²)`. Domain: the finite reals. Within 4 units in the last place.
package struct Tan: ComposedElementwise {
  package init() {}
  package static let name = "tan"
  package static let expression: ScalarExpr = .of(.sin, .x) / .of(.cos, .x)
  package static let samples = OpSample.unary(Tan(), -1.4...1.4, ulp: 4)
  package func scalar(_ x: Double) -> Double { LibM.tan(x) }
  package var gradient: Gradient { .rule { v in [v.dy * (1 + v.y * v.y)] } }
}

/// The tangent of each element, in radians.
///
/// Shape and dtype of the result: those of `x`, which must be floating point; NaN outside of the
/// domain (the finite reals). Within 4 units in the last place. Gradient: `dy · (1 + y²)`.
public func tan(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Tan(), x, at: here(x, file, line))
}
