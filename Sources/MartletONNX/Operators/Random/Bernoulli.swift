import MartletIR
import MartletOps

/// 1 with the probability that the input holds, else 0. https://onnx.ai/onnx/operators/onnx__Bernoulli.html
struct Bernoulli: Operator {
  static let name = "Bernoulli"
  static let folds = false

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let type = try node.elementType(attribute: "dtype") ?? node.elementType(0)
    guard let dtype = type.carrier, type.isNative else {
      throw node.unsupported("draws of \(type.name)")
    }
    let wide: DType = x.dtype == .float64 ? .float64 : .float32
    let draws = node.drawn(TensorType(wide, x.shape)) { $0.randomUniformLike() }
    return [.tensor((draws .< x.converted(to: wide)).converted(to: dtype))]
  }
}
