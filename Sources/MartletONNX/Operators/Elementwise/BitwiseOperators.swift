// Operators on the bits of integers. Specifications:
// https://onnx.ai/onnx/operators/onnx__NAME.html

import MartletIR
import MartletOps

let bitwiseOperators: [OperatorEntry] = [
  OperatorEntry(BitShift.self), OperatorEntry(BitCast.self),
  .binary("BitwiseAnd") { $0 .& $1 }, .binary("BitwiseOr") { $0 .| $1 },
  .binary("BitwiseXor") { $0 .^ $1 },
  // All bits flipped: −x − 1 in numbers that wrap.
  .unary("BitwiseNot") { (0 - $0) - 1 },
]

/// Shifts by numbers of bits, those of signed integers arithmetically. Shifts by negative numbers or by
/// the width and more leave 0, or the sign. https://onnx.ai/onnx/operators/onnx__BitShift.html
struct BitShift: Operator {
  static let name = "BitShift"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    var (x, bits) = (try node.tensor(0), try node.tensor(1))
    let dtype = x.dtype
    guard dtype.isInteger, bits.dtype == dtype, let shape = broadcastShapes(x.shape, bits.shape)
    else { throw node.invalid("cannot shift \(x.type) by \(bits.type)") }
    (x, bits) = (x.broadcasted(to: shape), bits.broadcasted(to: shape))
    let width = dtype.byteCount * 8
    let isSigned = [DType.int8, .int16, .int32, .int64].contains(dtype)
    let last = Double(width - 1)
    let inRange = isSigned ? (bits .>= 0) .& (bits .<= last) : bits .<= last
    // A shift is a product with a power of two, or a quotient.
    let powers = node.literal(
      HostArray(TensorType(dtype, [width]), (0..<width).map { wrapped(1 << Int64($0), dtype) }))
    let place = bits.clipped(low: 0, high: last).converted(to: .int32)
    let power = gather(powers, place)
    switch try node.string("direction") {
    case "LEFT": return [.tensor(select(inRange, x * power, 0))]
    case "RIGHT":
      guard isSigned else { return [.tensor(select(inRange, x / power, 0))] }
      // Quotients truncate; shifts round down. The largest power is negative in signed numbers.
      let isNegative = x .< 0
      let sign = select(isNegative, x.filled(-1), 0)
      let magnitude = select(isNegative, -1 - x, x)
      let quotient = select(place .== last, magnitude.filled(0), magnitude / power)
      return [.tensor(select(inRange, select(isNegative, -1 - quotient, quotient), sign))]
    default: throw node.invalid("the direction is neither LEFT nor RIGHT")
    }
  }

  private static func wrapped(_ x: Int64, _ dtype: DType) -> Int64 {
    switch dtype {
    case .int8: Int64(Int8(truncatingIfNeeded: x))
    case .int16: Int64(Int16(truncatingIfNeeded: x))
    case .int32: Int64(Int32(truncatingIfNeeded: x))
    default: x
    }
  }
}
