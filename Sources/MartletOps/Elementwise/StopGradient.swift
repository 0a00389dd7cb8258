import MartletIR
import MartletLoops

/// The operand itself, as a constant to differentiation.
///
/// Gradient: none flows.
package struct StopGradient: Op, AttributeFree {
  package init() {}
  package static let name = "stopGradient"
  package static let samples = [DType.float32, .float64, .int32, .bool].map {
    OpSample(StopGradient(), [TensorType($0, [3, 5])], [0...1], isSmooth: false, ulp: 0)
  }
  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 1)
    return operands
  }
  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] { inputs }
  package var lowering: Lowering { .identity }
  package var gradient: Gradient { .rule { _ in [nil] } }
}

/// The same values, through which no gradient flows. Any shape and dtype.
public func stopGradient(
  _ x: Tensor, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  record(StopGradient(), x, at: here(x, file, line))
}
