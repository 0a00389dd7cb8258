import MartletIR
import MartletOps

/// Channels by given or, while training, their own statistics.
/// https://onnx.ai/onnx/operators/onnx__BatchNormalization.html
struct BatchNormalization: Operator {
  static let name = "BatchNormalization"
  static let since = 6

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let trains = try node.bool("training_mode")
    let trainsEarly = try node.version < 7 && !node.bool("is_test")
    guard node.version >= 14 || !(trainsEarly || node.wants(output: 1)) else {
      throw node.unsupported("training before version 14")
    }
    guard try node.version >= 9 || node.bool("spatial", default: true) else {
      throw node.unsupported("statistics of single activations (spatial = 0)")
    }
    let x = try node.tensor(0)
    guard x.rank > 1 else { throw node.invalid("needs [N, C, …], got \(x.type)") }
    let epsilon = try node.float("epsilon", default: 1e-5)
    if !trains, let folded = node.knownScaleAndShift(epsilon, for: x) {
      return [.tensor(x * folded.scale + folded.shift)]
    }
    if !trains {
      let (scale, bias) = (
        try node.channels(1, of: x, x.dtype), try node.channels(2, of: x, x.dtype)
      )
      let (mean, variance) = (
        try node.channels(3, of: x, x.dtype), try node.channels(4, of: x, x.dtype)
      )
      return [.tensor((x - mean) * (scale * rsqrt(variance + epsilon)) + bias)]
    }
    let wide = try node.statistics(of: x)
    let axes = [0] + Array(2..<x.rank)
    let input = x.converted(to: wide)
    let (scale, bias) = (try node.channels(1, of: x, wide), try node.channels(2, of: x, wide))
    let mean = input.mean(axes: axes, keepDims: true)
    let centred = input - mean
    let variance = (centred * centred).mean(axes: axes, keepDims: true)
    let y = centred * (scale * rsqrt(variance + epsilon)) + bias
    let momentum = try node.float("momentum", default: 0.9)
    func running(_ index: Int, _ own: Tensor) throws -> ONNXValue {
      let before = try node.tensor(index)
      let now = own.reshaped(before.shape).converted(to: before.dtype)
      return .tensor(before * momentum + now * (1 - momentum))
    }
    return [
      .tensor(y.converted(to: x.dtype)), try running(3, mean), try running(4, variance),
    ]
  }
}

extension NodeContext {
  /// Frozen statistics as one factor and one term of each channel, which become part of a filter and
  /// its bias; nil where an input is not known.
  fileprivate func knownScaleAndShift(
    _ epsilon: Double, for x: Tensor
  ) -> (scale: Tensor, shift: Tensor)? {
    let known = (1...4).compactMap { knownConstant($0)?.doubles }
    let channels = x.shape[1]
    guard known.count == 4, known.allSatisfy({ $0.count == channels }) else { return nil }
    let scale = (0..<channels).map { known[0][$0] / (known[3][$0] + epsilon).squareRoot() }
    let shift = (0..<channels).map { known[1][$0] - known[2][$0] * scale[$0] }
    let type = TensorType(
      x.dtype, Shape([channels] + [Int](repeating: 1, count: x.rank - 2)))
    return (literal(HostArray(type, scale)), literal(HostArray(type, shift)))
  }
}
