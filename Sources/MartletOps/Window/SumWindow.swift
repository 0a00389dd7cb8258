import MartletIR
import MartletLoops

/// The sum over each window of images, `[N, H, W, C] → [N, H′, W′, C]`; padding counts as 0.
///
/// Linear; gradient: `sumWindowTranspose`, which spreads each cotangent over its window.
package struct SumWindow: WindowOp {
  package var geometry: WindowGeometry
  package init(_ geometry: WindowGeometry) { self.geometry = geometry }
  package static let name = "sumWindow"
  package static let samples: [OpSample] = [.float32, .float64].flatMap { dtype in
    WindowGeometry.samples.map {
      OpSample(SumWindow($0.geometry), [TensorType(dtype, $0.input)], [-2...2], ulp: 16)
    }
  }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 1)
    return [TensorType(operands[0].dtype, try geometry.outputShape(of: operands[0], op: name))]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let type = try infer(inputs.map(\.type), [])[0]
    let x = inputs[0].doubles
    var y = [Double](repeating: 0, count: type.count)
    geometry.forEachPair(type.shape) { y[$0] += x[$1] }
    return [HostArray(type, y)]
  }

  package var lowering: Lowering {
    .call { operands, results in
      geometry.call(
        "mt_sum_window", input: operands[0], output: results[0], [.operand(0), .result(0)])
    }
  }

  package var gradient: Gradient { .rule { v in [record(SumWindowTranspose(geometry), v.dy)] } }
}
