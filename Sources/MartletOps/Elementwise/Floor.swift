import MartletIR
import MartletLoops

/// The largest integer not above each element.
///
/// Gradient: none flows: the function is constant between its jumps. Domain: all reals.
package struct Floor: UnaryElementwise {
  package init() {}
  package static let name = "floor"
  package static let function = UnaryFunction.floor
  package static let samples = OpSample.unary(Floor(), -5...5, isSmooth: false, ulp: 0)
  package func scalar(_ x: Double) -> Double { x.rounded(.down) }
  package var gradient: Gradient { .rule { _ in [nil] } }
}

/// The largest integer not above each element.
///
/// Shape and dtype of the result: those of `x`, which must be floating point.
/// The dtype stays floating point. Gradient: zero.
public func floor(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Floor(), x, at: here(x, file, line))
}
