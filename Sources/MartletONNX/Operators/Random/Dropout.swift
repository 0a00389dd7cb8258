import MartletIR
import MartletOps

/// Zeros at random places while training; else what comes in.
/// https://onnx.ai/onnx/operators/onnx__Dropout.html
struct Dropout: Operator {
  static let name = "Dropout"
  static let folds = false

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let shape = try node.shape(0)
    let ratio: Double
    var trains = false
    if node.version < 12 {
      ratio = try node.float("ratio", default: 0.5)
      guard try node.version >= 7 || node.bool("is_test") else {
        throw node.unsupported("training before version 7")
      }
    } else {
      ratio = try node.has(1) ? node.number(1) : 0.5
      trains = try node.has(2) && node.integer(2) != 0
    }
    guard (0...1).contains(ratio) else { throw node.invalid("the ratio \(ratio)") }
    guard trains, ratio > 0 else {
      // Before version 10 the mask was of the input's type.
      let type: DType = node.version < 10 ? try node.tensor(0).dtype : .bool
      let all = node.scalar(1, type).broadcasted(to: shape)
      return [try node.value(0), .tensor(all)]
    }
    let x = try node.tensor(0)
    let draws = node.drawn(TensorType(.float32, shape)) { $0.randomUniformLike() }
    let mask = draws .>= ratio
    let kept = ratio < 1 ? x / (1 - ratio) : x
    return [.tensor(select(mask, kept, 0)), .tensor(mask)]
  }
}
