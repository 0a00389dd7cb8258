import MartletIR
import MartletLoops

/// The nearest integer to each element; halves go to the even one.
///
/// Gradient: none flows: the function is constant between its jumps. Domain: all reals.
package struct Round: UnaryElementwise {
  package init() {}
  package static let name = "round"
  package static let function = UnaryFunction.round
  package static let samples = OpSample.unary(Round(), -5...5, isSmooth: false, ulp: 0)
  package func scalar(_ x: Double) -> Double { x.rounded(.toNearestOrEven) }
  package var gradient: Gradient { .rule { _ in [nil] } }
}

/// The nearest integer to each element; halves go to the even one.
///
/// Shape and dtype of the result: those of `x`, which must be floating point.
/// The dtype stays floating point. Gradient: zero.
public func round(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Round(), x, at: here(x, file, line))
}
