import MartletIR
import MartletLoops

/// The reciprocal square root of each element, `y = 1 / √x`.
///
/// Gradient: `dx = −½ · dy · y / x`; reuses the result. Domain: x ≥ 0; ∞ at 0, below it NaN.
package struct Rsqrt: UnaryElementwise {
  package init() {}
  package static let name = "rsqrt"
  package static let function = UnaryFunction.rsqrt
  package static let samples = OpSample.unary(Rsqrt(), 0.05...10)
  package func scalar(_ x: Double) -> Double { 1 / x.squareRoot() }
  package var gradient: Gradient { .rule { v in [v.dy * (v.y / v.x) * -0.5] } }
}

/// The reciprocal square root of each element, `1 / √x`; NaN for a negative one.
///
/// Shape and dtype of the result: those of `x`, which must be floating point.
/// Gradient: `−½ · dy · x^{−3/2}`.
public func rsqrt(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Rsqrt(), x, at: here(x, file, line))
}
