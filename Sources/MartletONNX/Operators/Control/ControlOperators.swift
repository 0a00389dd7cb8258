// Branches and loops. Specifications: https://onnx.ai/onnx/operators/onnx__NAME.html

import MartletOps

let controlOperators: [OperatorEntry] = [OperatorEntry(If.self)]

/// One of two bodies. https://onnx.ai/onnx/operators/onnx__If.html
struct If: Operator {
  static let name = "If"
  static let folds = false

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let condition = try node.constant(0)
    guard condition.count == 1 else { throw node.invalid("the condition is no scalar") }
    let body = try node.graph(condition.integers[0] != 0 ? "then_branch" : "else_branch")
    return try node.importer.outputs(of: body, [], in: node.scope, node: node.label)
  }
}
