import MartletIR
import MartletLoops

/// The logistic sigmoid of each element, `y = 1 / (1 + e^{−x})`.
///
/// Gradient: `dx = dy · y · (1 − y)`; reuses the result. Domain: all reals.
package struct Logistic: UnaryElementwise {
  package init() {}
  package static let name = "logistic"
  package static let function = UnaryFunction.logistic
  package static let samples = OpSample.unary(Logistic(), -8...8)
  package func scalar(_ x: Double) -> Double {
    x >= 0 ? 1 / (1 + LibM.exp(-x)) : LibM.exp(x) / (1 + LibM.exp(x))
  }
  package var gradient: Gradient { .rule { v in [v.dy * v.y * (1 - v.y)] } }
}

/// The logistic function of each element, `1 / (1 + e^{−x})`.
///
/// Shape and dtype of the result: those of `x`, which must be floating point.
/// Neither tail overflows. Gradient: `dy · y · (1 − y)`.
public func logistic(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Logistic(), x, at: here(x, file, line))
}
