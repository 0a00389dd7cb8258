import MartletOps

/// 0 within ±`lambd`, moved by `bias` towards 0 outside. https://onnx.ai/onnx/operators/onnx__Shrink.html
struct Shrink: Operator {
  static let name = "Shrink"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let bias = try node.float("bias", default: 0)
    let limit = try node.float("lambd", default: 0.5)
    let inner = select(x .> limit, x - bias, 0)
    return [.tensor(select(x .< -limit, x + bias, inner))]
  }
}
