import MartletIR
import MartletLoops

/// Two to the power of each element, `y = 2^x`.
///
/// Gradient: `dx = dy · y · ln 2`; reuses the result. Domain: all reals.
package struct Exp2: UnaryElementwise {
  package init() {}
  package static let name = "exp2"
  package static let function = UnaryFunction.exp2
  package static let samples = OpSample.unary(Exp2(), -10...10)
  package func scalar(_ x: Double) -> Double { LibM.exp2(x) }
  package var gradient: Gradient { .rule { v in [v.dy * v.y * 0.6931471805599453] } }
}

/// Two to the power of each element, `2^x`.
///
/// Shape and dtype of the result: those of `x`, which must be floating point.
/// Gradient: `dy · 2^x · ln 2`.
public func exp2(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Exp2(), x, at: here(x, file, line))
}
