import MartletOps

/// The negative log likelihood of a softmax over axis 1, and its logarithm.
/// https://onnx.ai/onnx/operators/onnx__SoftmaxCrossEntropyLoss.html
struct SoftmaxCrossEntropyLoss: Operator {
  static let name = "SoftmaxCrossEntropyLoss"
  static let since = 12

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    guard x.rank >= 2 else { throw node.invalid("needs [N, C, …], got \(x.type)") }
    let logarithm = logSoftmax(x, axis: 1)
    return [.tensor(try node.likelihoodLoss(logarithm)), .tensor(logarithm)]
  }
}
