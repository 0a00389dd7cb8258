import MartletIR
import MartletOps

/// A convolution of each channel over what came before, whose end is kept for the next call.
/// https://onnx.ai/onnx/operators/onnx__CausalConvWithState.html
struct CausalConvWithState: Operator {
  static let name = "CausalConvWithState"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let (x, weight) = (try node.tensor(0), try node.tensor(1))
    guard x.rank == 3, weight.rank == 3, weight.shape[0] == x.shape[1], weight.shape[1] == 1,
      weight.shape[2] > 0
    else { throw node.invalid("filters \(weight.type) for \(x.type)") }
    let (batch, channels, width) = (x.shape[0], x.shape[1], weight.shape[2])
    var padded = x
    if let past = try node.optionalTensor(3) {
      guard past.shape == [batch, channels, width - 1] else {
        throw node.invalid("the past state is \(past.type) for filters \(weight.type)")
      }
      padded = concatenate([past, x], axis: 2)
    } else {
      padded = x.padded(low: [0, 0, width - 1], high: [0, 0, 0])
    }
    var y = conv1d(padded.channelsLast, weight.transposed([2, 1, 0]), groups: channels)
    if let bias = try node.optionalTensor(2) { y = y + bias }
    y = y.channelsFirst
    switch try node.string("activation", default: "none") {
    case "none": break
    case "silu", "swish":
      let wide = y.dtype.byteCount < 4 ? y.converted(to: .float32) : y
      y = (wide * logistic(wide)).converted(to: y.dtype)
    case let other: throw node.invalid("the activation '\(printable(other))'")
    }
    let end = padded.shape[2]
    return [.tensor(y), .tensor(padded.sliced((end - width + 1)..<end, axis: 2))]
  }
}
