import MartletOps

/// Each channel of each example by its own statistics.
/// https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html
struct InstanceNormalization: Operator {
  static let name = "InstanceNormalization"
  static let since = 6

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    guard x.rank > 2 else { throw node.invalid("needs [N, C, …], got \(x.type)") }
    let wide = try node.statistics(of: x)
    let (scale, bias) = (try node.channels(1, of: x, wide), try node.channels(2, of: x, wide))
    let y = x.converted(to: wide).standardized(
      over: Array(2..<x.rank), epsilon: try node.float("epsilon", default: 1e-5)
    ).value
    return [.tensor((y * scale + bias).converted(to: x.dtype))]
  }
}
