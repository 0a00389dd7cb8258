import MartletIR
import MartletOps

/// Draws of classes, with replacement, by unnormalised log probabilities.
/// https://onnx.ai/onnx/operators/onnx__Multinomial.html
struct Multinomial: Operator {
  static let name = "Multinomial"
  static let since = 7
  static let folds = false

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let count = try node.int("sample_size", default: 1)
    let type = try node.elementType(attribute: "dtype") ?? .int32
    guard x.rank == 2, count > 0, let dtype = type.carrier, dtype == .int32 || dtype == .int64
    else { throw node.invalid("\(count) draws of \(type.name) from \(x.type)") }
    let shape = try node.checked([x.shape[0], count, x.shape[1]])
    try node.checkSize(TensorType(.float32, shape))
    let logits = x.converted(to: x.dtype == .float64 ? .float64 : .float32)
      .reshaped([x.shape[0], 1, x.shape[1]]).broadcasted(to: shape)
    return [.tensor(categorical(logits: logits, axis: 2).converted(to: dtype))]
  }
}
