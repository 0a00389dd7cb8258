import MartletIR
import MartletLoops

/// The largest byte of each window of images, `u8[N, H, W, C] → u8[N, H′, W′, C]`; padding is never
/// chosen, and a window wholly in the padding gives 0. What ``MaxWindow`` is in integer inference.
///
/// No gradient: the elements are integers.
package struct ByteMaxWindow: WindowOp {
  package var geometry: WindowGeometry
  package init(_ geometry: WindowGeometry) { self.geometry = geometry }
  package static let name = "byteMaxWindow"
  package static let samples = WindowGeometry.samples.map {
    OpSample(
      ByteMaxWindow($0.geometry), [TensorType(.uint8, $0.input)], [0...255], isSmooth: false,
      ulp: 0)
  }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 1)
    guard operands[0].dtype == .uint8 else {
      throw TypeError(op: name, "takes images of u8, got \(operands[0])")
    }
    let shape = try geometry.outputShape(of: TensorType(.float32, operands[0].shape), op: name)
    return [TensorType(.uint8, shape)]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let type = try infer(inputs.map(\.type), [])[0]
    let x = inputs[0].integers
    var y = [Int64](repeating: 0, count: type.count)
    geometry.forEachPair(type.shape) { y[$0] = max(y[$0], x[$1]) }
    return [HostArray(type, y)]
  }

  package var lowering: Lowering {
    .call { operands, results in
      geometry.call(
        "mt_integer_max_window", input: operands[0], output: results[0],
        [.operand(0), .result(0)])
    }
  }

  package var gradient: Gradient { .none(because: "its elements are integers") }
}
