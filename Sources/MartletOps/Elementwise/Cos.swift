import MartletIR
import MartletLoops

/// The cosine of each element, in radians.
///
/// Gradient: `dx = −dy · sin x`. Domain: the finite reals.
package struct Cos: UnaryElementwise {
  package init() {}
  package static let name = "cos"
  package static let function = UnaryFunction.cos
  package static let samples = OpSample.unary(Cos(), -10...10)
  package func scalar(_ x: Double) -> Double { LibM.cos(x) }
  package var gradient: Gradient { .rule { v in [-(v.dy * sin(v.x))] } }
}

/// The cosine of each element, in radians.
///
/// Shape and dtype of the result: those of `x`, which must be floating point.
/// Gradient: `−dy · sin x`.
public func cos(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Cos(), x, at: here(x, file, line))
}
