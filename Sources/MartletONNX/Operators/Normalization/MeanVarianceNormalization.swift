import MartletOps

/// Mean 0 and variance 1 over axes. https://onnx.ai/onnx/operators/onnx__MeanVarianceNormalization.html
struct MeanVarianceNormalization: Operator {
  static let name = "MeanVarianceNormalization"
  static let since = 9

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let axes = try node.axes(node.ints("axes") ?? [0, 2, 3], rank: x.rank)
    let centred = x - x.mean(axes: axes, keepDims: true)
    let variance = (centred * centred).mean(axes: axes, keepDims: true)
    return [.tensor(centred / (sqrt(variance) + 1e-9))]
  }
}
