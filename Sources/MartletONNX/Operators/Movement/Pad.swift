import MartletIR
import MartletOps

/// Elements around: a value, the edge, a mirror or the other side.
/// https://onnx.ai/onnx/operators/onnx__Pad.html
struct Pad: Operator {
  static let name = "Pad"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let shape = try node.shape(0)
    let rank = shape.rank
    let fromInputs = node.version >= 11
    guard let pads = try fromInputs ? node.integers(1) : node.ints("pads") else {
      throw node.invalid("the pads are missing")
    }
    let axes = try node.optionalIntegers(3).map { try node.axes($0, rank: rank) } ?? Array(0..<rank)
    let limit = 1 << 40
    guard pads.count == 2 * axes.count, pads.allSatisfy({ (-limit...limit).contains($0) }) else {
      throw node.invalid("pads \(printable(pads.description)) for \(axes.count) axes")
    }
    var (low, high) = ([Int](repeating: 0, count: rank), [Int](repeating: 0, count: rank))
    for (index, axis) in axes.enumerated() {
      low[axis] = pads[index]
      high[axis] = pads[index + axes.count]
    }
    let result = try node.checked((0..<rank).map { shape[$0] + low[$0] + high[$0] })
    try node.checkSize(TensorType(try node.tensor(0).dtype, result))
    let type = try node.elementType(0)
    switch try node.string("mode", default: "constant") {
    case "constant":
      let x = try node.tensor(0)
      let known = fromInputs ? nil : try node.float("value", default: 0)
      if let value = known ?? (node.has(2) ? node.knownConstant(2)?.doubles.first : 0) {
        return [.like(type, x.padded(low: low, high: high, with: value))]
      }
      let fill = try node.tensor(2).reshaped([]).broadcasted(to: result)
      let inside =
        onesLike(x).converted(to: .bool).converted(to: .int32)
        .padded(low: low, high: high) .!= 0
      return [.like(type, select(inside, x.padded(low: low, high: high), fill))]
    case let mode:
      // Each axis reads itself at places that the mode names.
      var x = try node.tensor(0)
      for axis in 0..<rank where low[axis] != 0 || high[axis] != 0 {
        let extent = shape[axis]
        guard extent > 0 else { throw node.invalid("axis \(axis) of \(shape) is empty") }
        let places = try (0..<result[axis]).map { index -> Int in
          let place = index - low[axis]
          switch mode {
          case "edge": return max(0, min(extent - 1, place))
          case "wrap": return (place % extent + extent) % extent
          case "reflect":
            let period = max(1, 2 * (extent - 1))
            let phase = (place % period + period) % period
            return phase < extent ? phase : period - phase
          default: throw node.invalid("mode '\(printable(mode))'")
          }
        }
        x = gather(x, node.literal(places), axis: axis)
      }
      return [.like(type, x)]
    }
  }
}

/// The middle of axes, or zeros around them. https://onnx.ai/onnx/operators/onnx__CenterCropPad.html
struct CenterCropPad: Operator {
  static let name = "CenterCropPad"
  static let since = 18

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let shape = try node.shape(0)
    let target = try node.integers(1)
    let axes =
      try node.ints("axes").map { try node.axes($0, rank: shape.rank) }
      ?? Array(0..<shape.rank)
    guard target.count == axes.count, target.allSatisfy({ $0 >= 0 && $0 < 1 << 40 }) else {
      throw node.invalid("the target \(printable(target.description)) for \(axes.count) axes")
    }
    var (low, high) = (shape.dimensions.map { _ in 0 }, shape.dimensions.map { _ in 0 })
    for (axis, extent) in zip(axes, target) {
      let more = extent - shape[axis]
      low[axis] = more >= 0 ? more / 2 : -((-more) / 2)
      high[axis] = more - low[axis]
    }
    let x = try node.tensor(0)
    try node.checkSize(
      TensorType(x.dtype, node.checked((0..<x.rank).map { shape[$0] + low[$0] + high[$0] })))
    return [.like(try node.elementType(0), x.padded(low: low, high: high))]
  }
}
