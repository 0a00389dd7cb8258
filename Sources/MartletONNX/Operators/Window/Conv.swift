import MartletIR
import MartletOps

/// Convolution over one to three spatial axes. https://onnx.ai/onnx/operators/onnx__Conv.html
struct Conv: Operator {
  static let name = "Conv"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let w = try node.tensor(1)
    guard w.rank > 2 else { throw node.invalid("the filter is \(w.type)") }
    // Constant filters are put in Martlet's order here, not in each run.
    let filter = try node.tensor(1, permuted: Array(2..<w.rank) + [1, 0])
    let y = try node.convolution(node.tensor(0), w, filter: filter)
    guard let bias = try node.optionalTensor(2) else { return [.tensor(y.channelsFirst)] }
    return [.tensor((y + bias).channelsFirst)]
  }
}

extension NodeContext {
  /// A convolution by the node's attributes, `[N, C, …] ∗ [O, C / groups, …] → [N, …, O]`.
  func convolution(_ x: Tensor, _ w: Tensor, filter: Tensor? = nil) throws -> Tensor {
    let spatial = x.rank - 2
    guard (1...3).contains(spatial), w.rank == x.rank else {
      throw unsupported("a convolution of \(x.type) with \(w.type)")
    }
    let kernel = Array(w.shape.dimensions[2...])
    if let said = try ints("kernel_shape"), said != kernel {
      throw invalid("kernel_shape \(said) for the filter \(w.type)")
    }
    let groups = try int("group", default: 1)
    guard groups > 0, w.shape[0] % groups == 0,
      w.shape[1].multipliedReportingOverflow(by: groups) == (x.shape[1], false)
    else { throw invalid("\(groups) groups for \(x.type) and \(w.type)") }
    let window = try Window(self, input: Array(x.shape.dimensions[2...]), kernel: kernel)
    let image = x.channelsLast
    let filter = filter ?? w.transposed(Array(2..<w.rank) + [1, 0])
    let padding = SpatialPadding.explicit(low: window.low, high: window.high)
    switch spatial {
    case 1:
      return conv1d(
        image, filter, stride: window.strides[0], padding: padding, dilation: window.dilations[0],
        groups: groups)
    case 2:
      return conv2d(
        image, filter, strides: window.strides,
        padding: .explicit(
          top: window.low[0], bottom: window.high[0], left: window.low[1], right: window.high[1]),
        dilations: window.dilations, groups: groups)
    default:
      return conv3d(
        image, filter, strides: window.strides, padding: padding, dilations: window.dilations,
        groups: groups)
    }
  }
}
