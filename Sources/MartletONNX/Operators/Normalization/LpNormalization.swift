import MartletOps

/// Each line along an axis over its norm; zeros stay. https://onnx.ai/onnx/operators/onnx__LpNormalization.html
struct LpNormalization: Operator {
  static let name = "LpNormalization"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let axis = try node.axis(node.int("axis", default: -1), rank: x.rank)
    let norm: Tensor
    switch try node.int("p", default: 2) {
    case 1: norm = abs(x).sum(axes: [axis], keepDims: true)
    case 2: norm = sqrt((x * x).sum(axes: [axis], keepDims: true))
    case let p: throw node.invalid("p is 1 or 2, not \(p)")
    }
    return [.tensor(x / select(norm .== 0, 1, norm))]
  }
}
