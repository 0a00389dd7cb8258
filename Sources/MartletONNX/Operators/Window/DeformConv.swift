import MartletIR
import MartletOps

/// A convolution whose taps are moved by offsets, between elements by linear interpolation.
/// https://onnx.ai/onnx/operators/onnx__DeformConv.html
struct DeformConv: Operator {
  static let name = "DeformConv"
  static let since = 19

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let (x, w, offsets) = (try node.tensor(0), try node.tensor(1), try node.tensor(2))
    let spatial = x.rank - 2
    guard (1...3).contains(spatial), w.rank == x.rank, offsets.rank == x.rank, x.count > 0,
      w.count > 0
    else {
      throw node.unsupported("a deformable convolution of \(x.type) with \(w.type)")
    }
    let input = Array(x.shape.dimensions[2...])
    let kernel = Array(w.shape.dimensions[2...])
    let (groups, parts) = (
      try node.int("group", default: 1), try node.int("offset_group", default: 1)
    )
    let taps = kernel.reduce(1, *)
    let (batch, channels) = (x.shape[0], x.shape[1])
    let window = try Window(node, input: input, kernel: kernel)
    let points = window.outputs.reduce(1, *)
    guard groups > 0, parts > 0, parts <= channels, channels % groups == 0, channels % parts == 0,
      w.shape[0] % groups == 0, w.shape[1] == channels / groups,
      offsets.shape.dimensions == [batch, parts * taps * spatial] + window.outputs
    else { throw node.invalid("offsets \(offsets.type), filters \(w.type) for \(x.type)") }

    // Where each tap of each window reads, [N, parts, taps, points] for each axis.
    let moved = offsets.reshaped([batch, parts, taps, spatial, points])
    let grid: Shape = [1, 1, taps, points]
    var below: [Tensor] = []
    var fraction: [Tensor] = []
    for axis in 0..<spatial {
      let places = (0..<(taps * points)).map { index -> Double in
        let tap = index / points / kernel[(axis + 1)...].reduce(1, *) % kernel[axis]
        let point = index % points / window.outputs[(axis + 1)...].reduce(1, *)
        let output = point % window.outputs[axis]
        return Double(
          output * window.strides[axis] - window.low[axis] + tap * window.dilations[axis])
      }
      let place =
        moved.sliced(axis..<(axis + 1), axis: 3).reshaped([batch, parts, taps, points])
        + node.literal(HostArray(TensorType(x.dtype, grid), places))
      // Far outside all is 0; so places stay within what integers hold.
      let near = place.clipped(low: -2, high: Double(input[axis]) + 1)
      below.append(floor(near))
      fraction.append(near - floor(near))
    }
    let plane = input.reduce(1, *)
    let image = x.reshaped([batch, parts, channels / parts, plane])
    var samples: Tensor?
    for corner in 0..<(1 << spatial) {
      var index: Tensor?
      var weight: Tensor?
      for axis in 0..<spatial {
        let isUpper = corner >> axis & 1 == 1
        let place = isUpper ? below[axis] + 1 : below[axis]
        let limit = Double(input[axis] - 1)
        let isInside = (place .>= 0) .& (place .<= limit)
        let share = select(isInside, isUpper ? fraction[axis] : 1 - fraction[axis], 0)
        weight = weight.map { $0 * share } ?? share
        let step = place.clipped(low: 0, high: limit).converted(to: .int32)
        let stride = Double(input[(axis + 1)...].reduce(1, *))
        index = index.map { $0 + step * stride } ?? step * stride
      }
      guard let index, let weight else { continue }
      let flat: Shape = [batch, parts, 1, taps * points]
      let all: Shape = [batch, parts, channels / parts, taps * points]
      let read = takeAlongAxis(image, index.reshaped(flat).broadcasted(to: all), axis: 3)
      let share = read * weight.reshaped(flat)
      samples = samples.map { $0 + share } ?? share
    }
    guard var samples else { throw node.invalid("without axes") }
    if let mask = try node.optionalTensor(4) {
      guard mask.shape.dimensions == [batch, parts * taps] + window.outputs else {
        throw node.invalid("a mask of \(mask.type) for \(offsets.type)")
      }
      samples = samples * mask.reshaped([batch, parts, 1, taps * points])
    }
    let (within, outputs) = (channels / groups, w.shape[0] / groups)
    let columns = samples.reshaped([batch, groups, within * taps, points])
    let filters = w.reshaped([1, groups, outputs, within * taps])
      .broadcasted(to: [batch, groups, outputs, within * taps])
    var y = matmul(filters, columns).reshaped(Shape([batch, w.shape[0]] + window.outputs))
    if node.has(3) { y = y + (try node.channels(3, of: y, y.dtype)) }
    return [.tensor(y)]
  }
}
