import MartletIR
import MartletLoops

/// One over each element, `y = 1 / x`; correctly rounded.
///
/// Gradient: `dx = −dy · y²`. Domain: all reals; 1 / ±0 is ±∞.
package struct Reciprocal: UnaryElementwise {
  package init() {}
  package static let name = "reciprocal"
  package static let function = UnaryFunction.reciprocal
  package static let samples = OpSample.unary(Reciprocal(), 0.5...3, ulp: 0)
  package func scalar(_ x: Double) -> Double { 1 / x }
  package var gradient: Gradient { .rule { v in [-(v.dy * v.y * v.y)] } }
}

/// One over each element, `1 / x`.
///
/// Shape and dtype of the result: those of `x`, which must be floating point.
/// Gradient: `−dy / x²`.
public func reciprocal(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Reciprocal(), x, at: here(x, file, line))
}
