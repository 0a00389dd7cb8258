import MartletIR
import MartletOps

/// The remainder of each quotient: with the divisor's sign, or with `fmod` that of the dividend.
/// https://onnx.ai/onnx/operators/onnx__Mod.html
struct Mod: Operator {
  static let name = "Mod"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let (x, y) = (try node.tensor(0), try node.tensor(1))
    let rest = x % y
    let isUnsigned = [DType.uint8, .uint16, .uint32, .uint64].contains(x.dtype)
    if try node.bool("fmod") || isUnsigned { return [.tensor(rest)] }
    guard x.dtype == y.dtype, let shape = broadcastShapes(x.shape, y.shape) else {
      throw node.invalid("cannot divide \(x.type) by \(y.type)")
    }
    let divisor = y.broadcasted(to: shape)
    let differs = (rest .!= 0) .& ((rest .< 0) .^ (divisor .< 0))
    return [.tensor(select(differs, rest + divisor, rest))]
  }
}
