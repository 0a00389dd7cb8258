import MartletIR
import MartletLoops

/// `y = e^x − 1` of each element, accurate near 0.
///
/// Gradient: `dx = dy · (y + 1)`; reuses the result. Domain: all reals.
package struct Expm1: UnaryElementwise {
  package init() {}
  package static let name = "expm1"
  package static let function = UnaryFunction.expm1
  package static let samples = OpSample.unary(Expm1(), -5...5)
  package func scalar(_ x: Double) -> Double { LibM.expm1(x) }
  package var gradient: Gradient { .rule { v in [v.dy * (v.y + 1)] } }
}

/// `e^x − 1` of each element, accurate where `x` is near 0.
///
/// Shape and dtype of the result: those of `x`, which must be floating point.
/// Gradient: `dy · e^x`.
public func expm1(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Expm1(), x, at: here(x, file, line))
}
