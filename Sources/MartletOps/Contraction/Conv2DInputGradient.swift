import MartletIR
import MartletLoops

/// The cotangent of a convolution's input from that of its output and the filter:
/// `[N, H′, W′, O], [KH, KW, I / G, O] → [N, H, W, I]`. Also the transposed convolution.
///
/// Gradient: to the first operand the convolution of the cotangent, to the filter the filter
/// gradient.
package struct Conv2DInputGradient: Op {
  package var geometry: Conv2DGeometry
  package init(_ geometry: Conv2DGeometry) { self.geometry = geometry }
  package static let name = "conv2dInputGradient"
  package var attributes: [Attribute] { geometry.attributes }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    geometry = try Conv2DGeometry(attributes)
  }
  package static let samples = Conv2DGeometry.convolutionSamples(Conv2DInputGradient.init) {
    [$0.output, $0.filter]
  }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 2)
    let (dy, w) = (operands[0], operands[1])
    let extents = try geometry.checked(op: name, dtypes: [dy.dtype, w.dtype])
    try geometry.expectOutput(dy, extents, op: name)
    try geometry.expectFilter(w, op: name)
    guard dy.shape[3] == w.shape[3] else {
      throw TypeError(
        op: name, "channels differ: \(dy), filter \(w)   (\(dy.shape[3]) ≠ \(w.shape[3]))",
        hint: "the filter's last extent is the number of channels of the first operand")
    }
    let channels = try geometry.inputChannels(w.shape[2], op: name)
    return [
      TensorType(dy.dtype, [dy.shape[0], geometry.inputHeight, geometry.inputWidth, channels])
    ]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let type = try infer(inputs.map(\.type), [])[0]
    let (dy, w) = (inputs[0].doubles, inputs[1].doubles)
    var dx = [Double](repeating: 0, count: type.count)
    geometry.forEachProduct(
      batch: type.shape[0], inputChannels: type.shape[3], outputChannels: inputs[0].shape[3]
    ) { dx[$0] += dy[$2] * w[$1] }
    return [HostArray(type, dx)]
  }

  package var lowering: Lowering { .contraction(.conv2dInputGradient(geometry)) }
  package var gradient: Gradient {
    .rule { v in
      [
        record(Conv2D(geometry), v.dy, v.inputs[1]),
        record(Conv2DFilterGradient(geometry), v.dy, v.inputs[0]),
      ]
    }
  }
}

/// Transposed convolution, `[N, H, W, I], [KH, KW, O / groups, I] → [N, H′, W′, O]`: what maps a
/// cotangent of `conv2d`'s output to one of its input, used as a layer that enlarges images.
///
/// `H′ = (H − 1)·stride + dilation·(KH − 1) + 1 − pads + outputPadding`; with `.same`,
/// `H′ = H·stride`. The filter is that of the convolution from the result to `x`. Gradient: the
/// convolution of the cotangent, and a filter gradient.
public func conv2dTransposed(
  _ x: Tensor, _ filter: Tensor, strides: [Int] = [1], padding: Padding2D = .valid,
  outputPadding: [Int] = [0], dilations: [Int] = [1], groups: Int = 1,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  let (strides, dilations, extra) = (pair(strides), pair(dilations), pair(outputPadding))
  let place = here(x, file, line)
  guard x.rank == 4, filter.rank == 4, strides.count == 2, dilations.count == 2, extra.count == 2
  else {
    return refuse(
      "conv2dTransposed",
      "needs x [N, H, W, I], filter [KH, KW, O / groups, I] and one or two strides", x, filter,
      at: place)
  }
  let limit = Int(Int32.max)
  guard (strides + dilations).allSatisfy({ (1...limit).contains($0) }),
    extra[0] >= 0, extra[1] >= 0, extra[0] < strides[0], extra[1] < strides[1],
    (0..<2).allSatisfy({ x.shape[$0 + 1] <= limit && filter.shape[$0] <= limit })
  else {
    return refuse(
      "conv2dTransposed",
      "strides and dilations must be at least 1, output padding in 0..<stride", x, filter, at: place
    )
  }
  let window = [filter.shape[0], filter.shape[1]]
  var input = [0, 0]
  var pads = padding.resolved(
    input: [0, 0], window: window, strides: strides, dilations: dilations)
  for axis in 0..<2 {
    let reach = dilations[axis] * (window[axis] - 1) + 1
    if padding == .same {
      let total = max(0, reach - strides[axis])
      pads[2 * axis] = total / 2
      pads[2 * axis + 1] = total - total / 2
    }
    guard (-limit...limit).contains(pads[2 * axis]), (-limit...limit).contains(pads[2 * axis + 1])
    else { return refuse("conv2dTransposed", "a pad is out of range", x, filter, at: place) }
    // The result must at least hold every place that the stride reaches (a window shorter than
    // the stride leaves a rest, which `.same` gives to the result).
    let rest = padding == .same ? max(0, strides[axis] - reach) : 0
    let (span, overflow) = (x.shape[axis + 1] - 1).multipliedReportingOverflow(by: strides[axis])
    guard !overflow else { return refuse("conv2dTransposed", "too large", x, filter, at: place) }
    input[axis] = span + reach - pads[2 * axis] - pads[2 * axis + 1] + extra[axis] + rest
  }
  let geometry = Conv2DGeometry(
    inputHeight: input[0], inputWidth: input[1], kernelHeight: window[0], kernelWidth: window[1],
    strides: strides, padding: pads, dilations: dilations, groups: groups)
  return record(Conv2DInputGradient(geometry), x, filter, at: place)
}
