import MartletIR
import MartletLoops

/// The exponential of each element, `y = e^x`.
///
/// Gradient: `dx = dy · y`; reuses the result. Domain: all reals; overflows to infinity.
package struct Exp: UnaryElementwise {
  package init() {}
  package static let name = "exp"
  package static let function = UnaryFunction.exp
  package static let samples = OpSample.unary(Exp(), -10...10)
  package func scalar(_ x: Double) -> Double { LibM.exp(x) }
  package var gradient: Gradient { .rule { v in [v.dy * v.y] } }
}

/// The exponential of each element, `e^x`.
///
/// Shape and dtype of the result: those of `x`, which must be floating point.
/// Gradient: `dy · e^x`.
public func exp(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Exp(), x, at: here(x, file, line))
}
