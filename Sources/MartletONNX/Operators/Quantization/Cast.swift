import MartletIR
import MartletOps

/// Elements as another type. https://onnx.ai/onnx/operators/onnx__Cast.html
struct Cast: Operator {
  static let name = "Cast"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    guard let type = try node.elementType(attribute: "to") else {
      throw node.invalid("the attribute 'to' is missing")
    }
    return [try node.cast(0, to: type)]
  }
}

/// Elements as the type of another tensor. https://onnx.ai/onnx/operators/onnx__CastLike.html
struct CastLike: Operator {
  static let name = "CastLike"
  static let since = 15

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    [try node.cast(0, to: try node.elementType(1))]
  }
}

extension NodeContext {
  /// An input as another element type, by the node's `saturate` and `round_mode`.
  func cast(_ index: Int, to type: ElementType) throws -> ONNXValue {
    let from = try elementType(index)
    if from == type { return try value(index) }
    if from == .string { return .constant(try parsed(constant(index), as: type)) }
    if type == .string {
      let x = try constant(index)
      return .constant(HostTensor(try spelled(x), x.shape))
    }
    return .tensor(try cast(tensor(index), to: type), as: type.isNative ? nil : type)
  }

  /// Numbers as another element type, in its carrier.
  func cast(_ x: Tensor, to type: ElementType) throws -> Tensor {
    guard let dtype = type.carrier else { throw unsupported("a cast to \(type.name)") }
    if let format = type.smallFloat {
      return try rounded(x, to: format, saturates: bool("saturate", default: true))
    }
    guard !type.isNative else { return x.converted(to: dtype) }
    // Integers of two or four bits keep their lowest ones.
    let span = Double(1 << type.bitCount)
    let wrapped = (x.converted(to: .int32) % span + span) % span
    guard dtype == .int8 else { return wrapped.converted(to: dtype) }
    return select(wrapped .>= span / 2, wrapped - span, wrapped).converted(to: dtype)
  }

  private func parsed(_ x: HostTensor, as type: ElementType) throws -> HostTensor {
    guard let dtype = type.carrier, type.isNative else {
      throw unsupported("a cast from STRING to \(type.name)")
    }
    let carried = TensorType(dtype, x.shape)
    let words = x.strings ?? []
    if dtype.isInteger {
      let numbers = words.map { Int64($0) }
      if numbers.allSatisfy({ $0 != nil }) {
        return HostTensor(HostArray(carried, numbers.compactMap { $0 }))
      }
    }
    let numbers = try words.map { word -> Double in
      if let number = Double(word) { return number }
      switch word.uppercased() {
      case "INF", "+INF", "INFINITY": return .infinity
      case "-INF", "-INFINITY": return -.infinity
      case "NAN": return .nan
      default: throw invalid("'\(printable(word))' is no number")
      }
    }
    return HostTensor(HostArray(carried, numbers))
  }

  private func spelled(_ x: HostTensor) throws -> [String] {
    guard let array = x.array else { throw unsupported("a cast from \(x.elementType.name)") }
    switch x.elementType {
    case .bool: return array.integers.map { $0 != 0 ? "True" : "False" }
    case .uint64: return array.integers.map { "\(UInt64(bitPattern: $0))" }
    default: break
    }
    guard array.dtype.isFloatingPoint else { return array.integers.map { "\($0)" } }
    // The shortest digits that give the number back, as NumPy has it.
    return array.doubles.map { value in
      if value.isNaN { return "NaN" }
      if value.isInfinite { return value < 0 ? "-INF" : "INF" }
      return array.dtype == .float64 ? "\(value)" : "\(Float(value))"
    }
  }
}
