import MartletOps

/// Gradient steps with momentum, plain or Nesterov's.
/// https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Momentum.html
struct Momentum: Operator {
  static let name = "Momentum"
  static let domain = trainingDomain

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    guard let alpha = try node.float("alpha"), let beta = try node.float("beta"),
      let norm = try node.float("norm_coefficient"), let mode = try node.string("mode"),
      mode == "standard" || mode == "nesterov"
    else { throw node.invalid("alpha, beta, norm_coefficient and mode are needed") }
    let (rate, step) = (try node.scalarInput(0, .float64), try node.scalarInput(1, .float64))
    // The first gradient counts in full.
    let factor = select(step .> 0, step.filled(beta), 1)
    return try node.optimized(3) { values in
      let (x, gradient, velocity) = (values[0], values[1], values[2])
      let g = x * norm + gradient
      let v = velocity * alpha + factor.converted(to: x.dtype) * g
      let direction = mode == "nesterov" ? g + v * alpha : v
      return [x - rate.converted(to: x.dtype) * direction, v]
    }
  }
}
