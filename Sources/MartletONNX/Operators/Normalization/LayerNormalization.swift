import MartletIR
import MartletOps

/// The axes from one on by their own statistics. https://onnx.ai/onnx/operators/onnx__LayerNormalization.html
struct LayerNormalization: Operator {
  static let name = "LayerNormalization"
  static let since = 1

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let first = try node.axis(node.int("axis", default: -1), rank: x.rank)
    let wide = try node.statistics(of: x)
    let (y, mean, inverse) = x.converted(to: wide).standardized(
      over: Array(first..<x.rank), epsilon: try node.float("epsilon", default: 1e-5))
    var result = y.converted(to: x.dtype) * (try node.tensor(1))
    if let bias = try node.optionalTensor(2) { result = result + bias }
    return [.tensor(result), .tensor(mean), .tensor(inverse)]
  }
}
