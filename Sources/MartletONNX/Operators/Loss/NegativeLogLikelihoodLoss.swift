/// https://onnx.ai/onnx/operators/onnx__NegativeLogLikelihoodLoss.html
struct NegativeLogLikelihoodLoss: Operator {
  static let name = "NegativeLogLikelihoodLoss"
  static let since = 12

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    [.tensor(try node.likelihoodLoss(node.tensor(0)))]
  }
}
