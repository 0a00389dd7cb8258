import MartletOps

/// Sums up to each element. https://onnx.ai/onnx/operators/onnx__CumSum.html
struct CumSum: Operator {
  static let name = "CumSum"
  static let since = 11

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    return [
      .tensor(
        x.cumulativeSum(
          axis: try node.axis(node.integer(1), rank: x.rank),
          exclusive: try node.bool("exclusive"), reverse: try node.bool("reverse")))
    ]
  }
}

/// Products up to each element. https://onnx.ai/onnx/operators/onnx__CumProd.html
struct CumProd: Operator {
  static let name = "CumProd"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    return [
      .tensor(
        x.cumulativeProduct(
          axis: try node.axis(node.integer(1), rank: x.rank),
          exclusive: try node.bool("exclusive"), reverse: try node.bool("reverse")))
    ]
  }
}
