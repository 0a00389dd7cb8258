import MartletIR
import MartletLoops

/// The smallest integer not below each element.
///
/// Gradient: none flows: the function is constant between its jumps. Domain: all reals.
package struct Ceil: UnaryElementwise {
  package init() {}
  package static let name = "ceil"
  package static let function = UnaryFunction.ceil
  package static let samples = OpSample.unary(Ceil(), -5...5, isSmooth: false, ulp: 0)
  package func scalar(_ x: Double) -> Double { x.rounded(.up) }
  package var gradient: Gradient { .rule { _ in [nil] } }
}

/// The smallest integer not below each element.
///
/// Shape and dtype of the result: those of `x`, which must be floating point.
/// The dtype stays floating point. Gradient: zero.
public func ceil(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Ceil(), x, at: here(x, file, line))
}
