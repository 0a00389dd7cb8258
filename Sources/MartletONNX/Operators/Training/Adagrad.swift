import MartletOps

/// Steps over the root of the sum of squared gradients. Duchi et al., JMLR 12 (2011).
/// https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Adagrad.html
struct Adagrad: Operator {
  static let name = "Adagrad"
  static let domain = trainingDomain

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let decay = try node.float("decay_factor", default: 0)
    let epsilon = try node.float("epsilon", default: 0)
    let norm = try node.float("norm_coefficient", default: 0)
    let rate =
      try node.scalarInput(0, .float64)
      / (try node.scalarInput(1, .float64) * decay + 1)
    return try node.optimized(3) { values in
      let (x, gradient, sum) = (values[0], values[1], values[2])
      let g = x * norm + gradient
      let next = sum + g * g
      return [x - rate.converted(to: x.dtype) * g / (sqrt(next) + epsilon), next]
    }
  }
}
