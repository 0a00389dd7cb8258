import MartletIR
import MartletLoops

/// The square root of each element, correctly rounded.
///
/// Gradient: `dx = dy / (2 y)`; reuses the result; infinite at 0. Domain: x ≥ 0, below it NaN.
package struct Sqrt: UnaryElementwise {
  package init() {}
  package static let name = "sqrt"
  package static let function = UnaryFunction.sqrt
  package static let samples = OpSample.unary(Sqrt(), 0.05...10, ulp: 0)
  package func scalar(_ x: Double) -> Double { x.squareRoot() }
  package var gradient: Gradient { .rule { v in [v.dy / (v.y + v.y)] } }
}

/// The square root of each element, correctly rounded; NaN for a negative one.
///
/// Shape and dtype of the result: those of `x`, which must be floating point.
/// Gradient: `dy / (2 √x)`, infinite at 0.
public func sqrt(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Sqrt(), x, at: here(x, file, line))
}
