import MartletIR
import MartletLoops

/// Hyperbolic tangent of each element, `y = tanh(x)`.
///
/// Gradient: `dx = dy · (1 − y²)`; reuses the result, saves nothing. Domain: all reals.
package struct Tanh: UnaryElementwise {
  package init() {}
  package static let name = "tanh"
  package static let function = UnaryFunction.tanh
  package static let samples = OpSample.unary(Tanh(), -4...4)
  package func scalar(_ x: Double) -> Double { LibM.tanh(x) }
  package var gradient: Gradient { .rule { v in [v.dy * (1 - v.y * v.y)] } }
}

/// Hyperbolic tangent of each element, `tanh(x) = (1 − e^{−2x}) / (1 + e^{−2x})`.
///
/// Shape and dtype of the result: those of `x` (floating point).
public func tanh(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Tanh(), x, at: here(x, file, line))
}
