import MartletIR
import MartletLoops

/// Adds each element of the first operand `[N, H′, W′, C]` at the place of its window that the i32
/// index names; the result has the input's shape `[N, H, W, C]`. An index outside of the window, or
/// of a place in the padding, drops the element.
///
/// Linear; gradient: `windowGather` of the cotangent at the same index. Sums in a fixed order.
package struct WindowScatter: WindowOp {
  package var geometry: WindowGeometry
  package init(_ geometry: WindowGeometry) { self.geometry = geometry }
  package static let name = "windowScatter"
  package static let samples: [OpSample] = [.float32, .float64].flatMap { dtype in
    WindowGeometry.samples.map {
      OpSample(
        WindowScatter($0.geometry), [TensorType(dtype, $0.output), TensorType(.int32, $0.output)],
        [-2...2, -1...4], ulp: 16)
    }
  }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 2)
    let shape = try geometry.inputShape(of: operands[0], op: name)
    try geometry.expectIndex(operands[1], operands[0].shape, op: name)
    return [TensorType(operands[0].dtype, shape)]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let type = try infer(inputs.map(\.type), [])[0]
    let (dy, places) = (inputs[0].doubles, inputs[1].integers)
    var dx = [Double](repeating: 0, count: type.count)
    geometry.forEachOutput(inputs[0].shape) { offset, index in
      if let target = geometry.inputOffset(
        index, place: Int(places[offset]), channels: type.shape[3])
      {
        dx[target] += dy[offset]
      }
    }
    return [HostArray(type, dx)]
  }

  package var lowering: Lowering {
    .call { operands, results in
      geometry.call(
        "mt_window_scatter", input: results[0], output: operands[0],
        [.operand(0), .operand(1), .result(0)])
    }
  }

  package var gradient: Gradient {
    .rule { v in [record(WindowGather(geometry), v.dy, v.inputs[1]), nil] }
  }
}
