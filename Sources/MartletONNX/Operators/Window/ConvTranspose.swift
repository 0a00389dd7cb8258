import MartletIR
import MartletOps

/// Transposed convolution over one to three spatial axes.
/// https://onnx.ai/onnx/operators/onnx__ConvTranspose.html
struct ConvTranspose: Operator {
  static let name = "ConvTranspose"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let (x, w) = (try node.tensor(0), try node.tensor(1))
    let spatial = x.rank - 2
    guard (1...3).contains(spatial), w.rank == x.rank else {
      throw node.unsupported("a transposed convolution of \(x.type) with \(w.type)")
    }
    func list(_ name: String, _ otherwise: Int) throws -> [Int] {
      let list = try node.ints(name) ?? [Int](repeating: otherwise, count: spatial)
      let limit = Int(Int32.max)
      guard list.count == spatial, list.allSatisfy({ (otherwise...limit).contains($0) }) else {
        throw node.invalid("\(name) for \(spatial) axes")
      }
      return list
    }
    let kernel = Array(w.shape.dimensions[2...])
    if let said = try node.ints("kernel_shape"), said != kernel {
      throw node.invalid("kernel_shape \(said) for the filter \(w.type)")
    }
    let (strides, dilations) = (try list("strides", 1), try list("dilations", 1))
    let extra = try list("output_padding", 0)
    let groups = try node.int("group", default: 1)
    guard groups > 0, w.shape[0] == x.shape[1], w.shape[0] % groups == 0, !kernel.contains(0),
      x.count > 0
    else { throw node.invalid("\(groups) groups for \(x.type) and \(w.type)") }
    let full = try (0..<spatial).map { axis -> Int in
      let (stepped, first) = strides[axis].multipliedReportingOverflow(by: x.shape[axis + 2] - 1)
      let (reach, second) = dilations[axis].multipliedReportingOverflow(by: kernel[axis] - 1)
      guard !first, !second, stepped < 1 << 40, reach < 1 << 40 else {
        throw node.invalid("the output of axis \(axis) is too large")
      }
      return stepped + reach + 1
    }
    let automatic = try node.string("auto_pad", default: "NOTSET")
    var low = [Int](repeating: 0, count: spatial)
    var high = low
    if let shape = try node.ints("output_shape")
      ?? (automatic.hasPrefix("SAME") ? (0..<spatial).map { x.shape[$0 + 2] * strides[$0] } : nil)
    {
      guard shape.count >= spatial, shape.allSatisfy({ $0 > 0 && $0 < 1 << 40 }) else {
        throw node.invalid("output_shape \(printable(shape.description))")
      }
      for axis in 0..<spatial {
        let total = full[axis] + extra[axis] - shape[shape.count - spatial + axis]
        // What is missing comes at the end.
        let cut = max(0, total)
        low[axis] = automatic == "SAME_UPPER" ? cut / 2 : cut - cut / 2
        high[axis] = total - low[axis]
      }
    } else if automatic == "NOTSET" || automatic.isEmpty, let pads = try node.ints("pads") {
      guard pads.count == 2 * spatial, pads.allSatisfy({ abs($0) < 1 << 31 }) else {
        throw node.invalid("pads for \(spatial) axes")
      }
      low = Array(pads[..<spatial])
      high = Array(pads[spatial...])
    }
    var outputs: [Int] = []
    for axis in 0..<spatial {
      high[axis] -= extra[axis]
      outputs.append(full[axis] - low[axis] - high[axis])
    }
    try node.checkSize(
      TensorType(x.dtype, node.checked([x.shape[0], w.shape[1] * groups] + outputs)))
    let image = x.channelsLast
    let filter = try node.tensor(1, permuted: Array(2..<w.rank) + [1, 0])
    let padding = SpatialPadding.explicit(low: low, high: high)
    var y =
      switch spatial {
      case 1:
        conv1dTransposed(
          image, filter, stride: strides[0], padding: padding, dilation: dilations[0],
          groups: groups)
      case 2:
        conv2dTransposed(
          image, filter, strides: strides,
          padding: .explicit(top: low[0], bottom: high[0], left: low[1], right: high[1]),
          dilations: dilations, groups: groups)
      default:
        conv3dTransposed(
          image, filter, strides: strides, padding: padding, dilations: dilations, groups: groups)
      }
    if let bias = try node.optionalTensor(2) { y = y + bias }
    return [.tensor(y.channelsFirst)]
  }
}
