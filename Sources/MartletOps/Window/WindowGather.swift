import MartletIR
import MartletLoops

/// The element of each window of the first operand `[N, H, W, C]` at the place that the i32 index
/// `[N, H′, W′, C]` names; 0 for an index outside of the window or in the padding.
///
/// Linear; gradient: `windowScatter` of the cotangent at the same index.
package struct WindowGather: WindowOp {
  package var geometry: WindowGeometry
  package init(_ geometry: WindowGeometry) { self.geometry = geometry }
  package static let name = "windowGather"
  package static let samples: [OpSample] = [.float32, .float64].flatMap { dtype in
    WindowGeometry.samples.map {
      OpSample(
        WindowGather($0.geometry), [TensorType(dtype, $0.input), TensorType(.int32, $0.output)],
        [-2...2, -1...4], ulp: 0)
    }
  }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 2)
    let shape = try geometry.outputShape(of: operands[0], op: name)
    try geometry.expectIndex(operands[1], shape, op: name)
    return [TensorType(operands[0].dtype, shape)]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let type = try infer(inputs.map(\.type), [])[0]
    let (x, places) = (inputs[0].doubles, inputs[1].integers)
    var y = [Double](repeating: 0, count: type.count)
    geometry.forEachOutput(type.shape) { offset, index in
      if let source = geometry.inputOffset(
        index, place: Int(places[offset]), channels: type.shape[3])
      {
        y[offset] = x[source]
      }
    }
    return [HostArray(type, y)]
  }

  package var lowering: Lowering {
    .call { operands, results in
      geometry.call(
        "mt_window_gather", input: operands[0], output: results[0],
        [.operand(0), .operand(1), .result(0)])
    }
  }

  package var gradient: Gradient {
    .rule { v in [record(WindowScatter(geometry), v.dy, v.inputs[1]), nil] }
  }
}
