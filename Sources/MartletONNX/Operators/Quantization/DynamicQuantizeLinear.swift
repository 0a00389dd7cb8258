import MartletIR
import MartletOps

/// Numbers as eight-bit integers of their own range, with its scale and zero point.
/// https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html
struct DynamicQuantizeLinear: Operator {
  static let name = "DynamicQuantizeLinear"
  static let since = 11

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    guard x.dtype == .float32, x.count > 0 else {
      throw node.invalid("needs elements of float32, got \(x.type)")
    }
    let (high, low) = (maximum(x.max(), 0), minimum(x.min(), 0))
    let range = high - low
    let scale = select(range .== 0, 1, range) / 255
    let zero = round((0 - low / scale).clipped(low: 0, high: 255))
    let y = (round(x / scale) + zero).clipped(low: 0, high: 255)
    return [
      .tensor(y.converted(to: .uint8)), .tensor(scale), .tensor(zero.converted(to: .uint8)),
    ]
  }
}
