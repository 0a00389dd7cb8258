import MartletIR
import MartletLoops

/// The sine of each element, in radians.
///
/// Gradient: `dx = dy · cos x`. Domain: the finite reals.
package struct Sin: UnaryElementwise {
  package init() {}
  package static let name = "sin"
  package static let function = UnaryFunction.sin
  package static let samples = OpSample.unary(Sin(), -10...10)
  package func scalar(_ x: Double) -> Double { LibM.sin(x) }
  package var gradient: Gradient { .rule { v in [v.dy * cos(v.x)] } }
}

/// The sine of each element, in radians.
///
/// Shape and dtype of the result: those of `x`, which must be floating point.
/// Gradient: `dy · cos x`.
public func sin(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Sin(), x, at: here(x, file, line))
}
