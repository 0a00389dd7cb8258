import MartletIR
import MartletLoops

/// Each element without its fraction: rounded towards zero.
///
/// Gradient: none flows: the function is constant between its jumps. Domain: all reals.
package struct Trunc: ComposedElementwise {
  package init() {}
  package static let name = "trunc"
  package static let expression: ScalarExpr = .if_(.x, .lt, 0, .of(.ceil, .x), .of(.floor, .x))
  package static let samples = OpSample.unary(Trunc(), -5...5, isSmooth: false, ulp: 0)
  package func scalar(_ x: Double) -> Double { x.rounded(.towardZero) }
  package var gradient: Gradient { .rule { _ in [nil] } }
}

/// Each element without its fraction: rounded towards zero.
///
/// Shape and dtype of the result: those of `x`, which must be floating point.
/// The dtype stays floating point. Gradient: zero.
public func trunc(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Trunc(), x, at: here(x, file, line))
}
