import MartletIR
import MartletOps

/// Quantised elements as numbers, `y = (x − zero point) · scale`.
/// https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html
struct DequantizeLinear: Operator {
  static let name = "DequantizeLinear"
  static let since = 10

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let scale = try node.quantization(1, of: x.shape)
    var type = try node.elementType(1)
    if let declared = try node.namedType("output_dtype") { type = declared }
    guard let dtype = type.carrier, dtype.isFloatingPoint, type.isNative else {
      throw node.invalid("the result cannot be \(type.name)")
    }
    var numbers: Tensor
    if x.dtype.isFloatingPoint || !node.has(2) {
      // Zero points of floats are zero.
      numbers = x.converted(to: .float32)
    } else {
      guard try node.elementType(2) == node.elementType(0) else {
        throw node.invalid("the zero point is of another type than the elements")
      }
      let zero = try node.quantization(2, of: x.shape)
      numbers =
        (x.converted(to: .int32) - zero.converted(to: .int32)).converted(to: .float32)
    }
    numbers = numbers * scale.converted(to: .float32)
    return [.tensor(numbers.converted(to: dtype))]
  }
}
