import MartletIR
import MartletOps

/// Attention with functions of the scores and of the probabilities.
/// https://onnx.ai/onnx/operators/onnx_aionnxpreview_FlexAttention.html
struct FlexAttention: Operator {
  static let name = "FlexAttention"
  static let domain = "ai.onnx.preview"
  static let folds = false

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let (q, k, v) = (try node.tensor(0), try node.tensor(1), try node.tensor(2))
    try node.checkHeads(q, k, v)
    let scale = try node.scoreScale(q)
    let precision =
      try node.elementType(attribute: "softmax_precision")?.carrier
      ?? (q.dtype.byteCount < 4 ? .float32 : q.dtype)
    guard precision.isFloatingPoint else { throw node.invalid("softmax_precision is no float") }
    func modified(_ x: Tensor, by name: String) throws -> Tensor {
      guard node.hasAttribute(name) else { return x }
      let outputs = try node.importer.outputs(
        of: try node.graph(name), [.tensor(x)], in: node.scope, node: node.label)
      guard outputs.count == 1 else { throw node.invalid("\(name) has \(outputs.count) outputs") }
      let y = try node.tensor(outputs[0], name)
      guard y.shape == x.shape else { throw node.invalid("\(name) makes \(y.type) of \(x.type)") }
      return y.converted(to: precision)
    }
    let products = node.scores(q * scale, k * scale).converted(to: precision)
    let weights = try modified(
      softmax(try modified(products, by: "score_mod"), axis: -1), by: "prob_mod")
    return [.tensor(node.weighted(weights, v.converted(to: precision)).converted(to: v.dtype))]
  }
}
