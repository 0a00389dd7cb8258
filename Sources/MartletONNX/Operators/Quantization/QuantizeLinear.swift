import MartletIR
import MartletOps

/// Numbers as small integers or floats, `y = saturate(round(x / scale) + zero point)`: per tensor, per
/// axis, or in blocks of an axis. https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html
struct QuantizeLinear: Operator {
  static let name = "QuantizeLinear"
  static let since = 10

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let declared = try node.namedType("output_dtype")
    let type = try node.has(2) ? node.elementType(2) : declared ?? .uint8
    let scale = try node.quantization(1, of: x.shape)
    var numbers = x
    var divisor = scale
    if let precision = try node.namedType("precision"), let dtype = precision.carrier,
      precision.isNative, dtype.isFloatingPoint
    {
      (numbers, divisor) = (x.converted(to: dtype), scale.converted(to: dtype))
    } else if x.dtype != scale.dtype {
      (numbers, divisor) = (x.converted(to: .float32), scale.converted(to: .float32))
    }
    let scaled = (numbers / divisor).converted(to: .float32)
    let zero = try node.has(2) ? node.quantization(2, of: x.shape) : nil
    return [try node.quantized(scaled, zero, as: type)]
  }
}

extension NodeContext {
  /// The element type that an attribute names; nil where it is left out, or zero.
  func namedType(_ attribute: String) throws -> ElementType? {
    try int(attribute, default: 0) == 0 ? nil : elementType(attribute: attribute)
  }

  /// A scale or zero point, made to broadcast with the elements that it belongs to.
  func quantization(_ index: Int, of shape: Shape) throws -> Tensor {
    let value = try tensor(index)
    if value.rank == 0 { return value }
    let block = try int("block_size", default: 0)
    if block == 0 {
      if value.count == 1 { return value.reshaped([]) }
      let axis = try axis(int("axis", default: 1), rank: shape.rank)
      guard value.rank == 1, value.count == shape[axis] else {
        throw invalid("input \(index) \(value.type) does not fit axis \(axis) of \(shape)")
      }
      var extents = [Int](repeating: 1, count: shape.rank)
      extents[axis] = value.count
      return value.reshaped(Shape(extents))
    }
    let axis = try axis(int("axis", default: 1), rank: shape.rank)
    var blocks = shape.dimensions
    guard block > 0, block <= max(1, shape[axis]) else { throw invalid("block_size \(block)") }
    blocks[axis] = (blocks[axis] + block - 1) / block
    guard value.shape.dimensions == blocks else {
      throw invalid("input \(index) \(value.type) does not fit blocks of \(block) in \(shape)")
    }
    var wide = blocks
    wide.insert(1, at: axis + 1)
    let column = value.reshaped(Shape(wide))
    wide[axis + 1] = block
    var joined = blocks
    joined[axis] *= block
    try checkSize(TensorType(value.dtype, Shape(joined)))
    return column.broadcasted(to: Shape(wide)).reshaped(Shape(joined))
      .sliced(0..<shape[axis], axis: axis)
  }

  /// Scaled numbers (float32) as a quantised type.
  func quantized(_ scaled: Tensor, _ zero: Tensor?, as type: ElementType) throws -> ONNXValue {
    let native = type.isNative ? nil : type
    if let format = type.smallFloat {
      let shifted = type == .float4e2m1 ? zero.map { scaled + $0 } ?? scaled : scaled
      return .tensor(
        try rounded(shifted, to: format, saturates: bool("saturate", default: true)), as: native)
    }
    guard let dtype = type.carrier, let range = type.integerRange else {
      throw invalid("\(type.name) is no quantised type")
    }
    let whole = round(scaled)
    guard let zero else {
      return .tensor(
        whole.clipped(low: range.lowerBound, high: range.upperBound).converted(to: dtype),
        as: native)
    }
    // Limited before the zero point is added: nothing overflows, and 16 bits are exact in float32.
    let shift = zero.converted(to: .float32)
    let limited = minimum(maximum(whole, range.lowerBound - shift), range.upperBound - shift)
    return .tensor((limited + shift).converted(to: dtype), as: native)
  }
}

extension ElementType {
  /// The values of an integer type that numbers are quantised to.
  var integerRange: ClosedRange<Double>? {
    switch self {
    case .uint8: 0...255
    case .int8: -128...127
    case .uint16: 0...65535
    case .int16: -32768...32767
    case .uint4: 0...15
    case .int4: -8...7
    case .uint2: 0...3
    case .int2: -2...1
    default: nil
    }
  }
}
