import MartletIR
import MartletOps

/// The axes from one on by their root mean square. https://onnx.ai/onnx/operators/onnx__RMSNormalization.html
struct RMSNormalization: Operator {
  static let name = "RMSNormalization"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let first = try node.axis(node.int("axis", default: -1), rank: x.rank)
    let wide = try node.statistics(of: x)
    let input = x.converted(to: wide)
    let square = (input * input).mean(axes: Array(first..<x.rank), keepDims: true)
    let y = input * rsqrt(square + (try node.float("epsilon", default: 1e-5)))
    return [.tensor(y.converted(to: x.dtype) * (try node.tensor(1)))]
  }
}
