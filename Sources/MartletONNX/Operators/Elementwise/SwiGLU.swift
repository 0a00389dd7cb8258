import MartletOps

/// `a · σ(α · a) · b`. https://onnx.ai/onnx/operators/onnx__SwiGLU.html
struct SwiGLU: Operator {
  static let name = "SwiGLU"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let (a, b) = (try node.tensor(0), try node.tensor(1))
    guard a.type == b.type else { throw node.invalid("\(a.type) and \(b.type) differ") }
    let alpha = try node.float("alpha", default: 1)
    return [.tensor(a * logistic(alpha == 1 ? a : a * alpha) * b)]
  }
}
