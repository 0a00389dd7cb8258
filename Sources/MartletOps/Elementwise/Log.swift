import MartletIR
import MartletLoops

/// The natural logarithm of each element, `y = ln x`.
///
/// Gradient: `dx = dy / x`. Domain: x ≥ 0; `log(0) = −∞`, below it NaN.
package struct Log: UnaryElementwise {
  package init() {}
  package static let name = "log"
  package static let function = UnaryFunction.log
  package static let samples = OpSample.unary(Log(), 0.05...10)
  package func scalar(_ x: Double) -> Double { LibM.log(x) }
  package var gradient: Gradient { .rule { v in [v.dy / v.x] } }
}

/// The natural logarithm of each element.
///
/// Shape and dtype of the result: those of `x`, which must be floating point.
/// `log(0)` is −∞, and the logarithm of a negative element NaN.
/// Gradient: `dy / x`.
public func log(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Log(), x, at: here(x, file, line))
}
