import MartletIR
import MartletLoops

/// `y = ln(1 + x)` of each element, accurate near 0.
///
/// Gradient: `dx = dy / (1 + x)`. Domain: x ≥ −1.
package struct Log1p: UnaryElementwise {
  package init() {}
  package static let name = "log1p"
  package static let function = UnaryFunction.log1p
  package static let samples = OpSample.unary(Log1p(), -0.9...5)
  package func scalar(_ x: Double) -> Double { LibM.log1p(x) }
  package var gradient: Gradient { .rule { v in [v.dy / (v.x + 1)] } }
}

/// `ln(1 + x)` of each element, accurate where `x` is near 0.
///
/// Shape and dtype of the result: those of `x`, which must be floating point.
/// Gradient: `dy / (1 + x)`.
public func log1p(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Log1p(), x, at: here(x, file, line))
}
