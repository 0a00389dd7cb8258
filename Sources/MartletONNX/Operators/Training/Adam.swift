import MartletOps

/// Adam with its own regularisation before or after the step. Kingma and Ba, arXiv 1412.6980.
/// https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Adam.html
struct Adam: Operator {
  static let name = "Adam"
  static let domain = trainingDomain

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let alpha = try node.float("alpha", default: 0.9)
    let beta = try node.float("beta", default: 0.999)
    let epsilon = try node.float("epsilon", default: 0)
    let norm = try node.float("norm_coefficient", default: 0)
    let normAfter = try node.float("norm_coefficient_post", default: 0)
    let (rate, step) = (try node.scalarInput(0, .float64), try node.scalarInput(1, .float64))
    let unbiased =
      rate * sqrt(1 - pow(step.filled(beta), step)) / (1 - pow(step.filled(alpha), step))
    let adjusted = select(step .> 0, unbiased, rate)
    return try node.optimized(4) { values in
      let (x, gradient) = (values[0], values[1])
      let g = x * norm + gradient
      let v = values[2] * alpha + g * (1 - alpha)
      let h = values[3] * beta + g * g * (1 - beta)
      let next = x - adjusted.converted(to: x.dtype) * (v / (sqrt(h) + epsilon))
      return [next * (1 - normAfter), v, h]
    }
  }
}
