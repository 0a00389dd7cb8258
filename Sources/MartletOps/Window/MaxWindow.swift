import MartletIR
import MartletLoops

/// The largest element of each window and its place in the window, `u · KW + v` as i32.
///
/// The first NaN of a window wins, else the first maximum; padding is never chosen; a window wholly
/// in the padding gives −∞ and place −1. Gradient: the cotangent goes to the chosen places, by
/// `windowScatter` of the saved index.
package struct MaxWindow: WindowOp {
  package var geometry: WindowGeometry
  package init(_ geometry: WindowGeometry) { self.geometry = geometry }
  package static let name = "maxWindow"
  package static let samples: [OpSample] = [.float32, .float64].flatMap { dtype in
    WindowGeometry.samples.map {
      OpSample(MaxWindow($0.geometry), [TensorType(dtype, $0.input)], [-2...2], ulp: 0)
    }
  }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 1)
    let shape = try geometry.outputShape(of: operands[0], op: name)
    return [TensorType(operands[0].dtype, shape), TensorType(.int32, shape)]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let types = try infer(inputs.map(\.type), [])
    let x = inputs[0].doubles
    var values = [Double](repeating: -.infinity, count: types[0].count)
    var places = [Int64](repeating: -1, count: types[0].count)
    geometry.forEachOutput(types[0].shape) { offset, index in
      for place in 0..<(geometry.windowHeight * geometry.windowWidth) {
        guard
          let source = geometry.inputOffset(index, place: place, channels: types[0].shape[3])
        else { continue }
        let isFirst = places[offset] < 0
        guard isFirst || (!values[offset].isNaN && !(x[source] <= values[offset])) else { continue }
        values[offset] = x[source]
        places[offset] = Int64(place)
      }
    }
    return [HostArray(types[0], values), HostArray(types[1], places)]
  }

  package var lowering: Lowering {
    .call { operands, results in
      geometry.call(
        "mt_max_window", input: operands[0], output: results[0],
        [.operand(0), .result(0), .result(1)])
    }
  }

  package var gradient: Gradient {
    .rule { v in [record(WindowScatter(geometry), v.dy, v.results[1])] }
  }
}
