import MartletIR
import MartletLoops

/// Spreads each element over its window: the transpose of `sumWindow`,
/// `[N, H′, W′, C] → [N, H, W, C]`.
///
/// Linear; gradient: `sumWindow` of the cotangent.
package struct SumWindowTranspose: WindowOp {
  package var geometry: WindowGeometry
  package init(_ geometry: WindowGeometry) { self.geometry = geometry }
  package static let name = "sumWindowTranspose"
  package static let samples: [OpSample] = [.float32, .float64].flatMap { dtype in
    WindowGeometry.samples.map {
      OpSample(SumWindowTranspose($0.geometry), [TensorType(dtype, $0.output)], [-2...2], ulp: 16)
    }
  }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 1)
    return [TensorType(operands[0].dtype, try geometry.inputShape(of: operands[0], op: name))]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let type = try infer(inputs.map(\.type), [])[0]
    let dy = inputs[0].doubles
    var dx = [Double](repeating: 0, count: type.count)
    geometry.forEachPair(inputs[0].shape) { dx[$1] += dy[$0] }
    return [HostArray(type, dx)]
  }

  package var lowering: Lowering {
    .call { operands, results in
      geometry.call(
        "mt_sum_window_transpose", input: results[0], output: operands[0],
        [.operand(0), .result(0)])
    }
  }

  package var gradient: Gradient { .rule { v in [record(SumWindow(geometry), v.dy)] } }
}
