import MartletIR
import MartletOps

/// Values by keys. https://onnx.ai/onnx/operators/onnx_aionnxml_LabelEncoder.html
struct LabelEncoder: Operator {
  static let name = "LabelEncoder"
  static let domain = "ai.onnx.ml"
  static let since = 2

  private enum Label: Hashable {
    case word(String)
    case integer(Int64)
    case number(Double)
  }

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    guard let keys = try labels(node, "keys"), let values = try labels(node, "values") else {
      throw node.invalid("keys or values are missing")
    }
    guard keys.labels.count == values.labels.count else {
      throw node.invalid("\(keys.labels.count) keys for \(values.labels.count) values")
    }
    let x = try node.constant(0)
    // The first of equal keys counts.
    let table = Dictionary(zip(keys.labels, values.labels), uniquingKeysWith: { a, _ in a })
    var otherwise: Label =
      switch values.type {
      case .string: .word(try node.string("default_string", default: "_Unused"))
      case .float, .double: .number(try node.float("default_float", default: -0.0))
      default: .integer(Int64(try node.int("default_int64", default: -1)))
      }
    if let given = try node.tensorAttribute("default_tensor") {
      guard let first = labels(given).first else { throw node.invalid("an empty default_tensor") }
      otherwise = first
    }
    let found = labels(x).map { table[$0] ?? otherwise }
    if values.type == .string {
      return [
        .constant(HostTensor(found.map { if case .word(let w) = $0 { w } else { "" } }, x.shape))
      ]
    }
    guard let dtype = values.type.carrier else { throw node.unsupported("such values") }
    let type = TensorType(dtype, x.shape)
    if dtype.isFloatingPoint {
      let numbers = found.map { if case .number(let n) = $0 { n } else { 0.0 } }
      return [.constant(HostTensor(HostArray(type, numbers), as: values.type))]
    }
    let integers = found.map { if case .integer(let n) = $0 { n } else { Int64(0) } }
    return [.constant(HostTensor(HostArray(type, integers), as: values.type))]
  }

  private static func labels(
    _ node: NodeContext, _ side: String
  ) throws -> (type: ElementType, labels: [Label])? {
    if let tensor = try node.tensorAttribute("\(side)_tensor") {
      return (tensor.elementType, labels(tensor))
    }
    if let words = try node.strings("\(side)_strings") { return (.string, words.map(Label.word)) }
    if let integers = try node.ints("\(side)_int64s") {
      return (.int64, integers.map { .integer(Int64($0)) })
    }
    if let numbers = try node.floats("\(side)_floats") {
      return (.float, numbers.map(Label.number))
    }
    return nil
  }

  private static func labels(_ x: HostTensor) -> [Label] {
    if let words = x.strings { return words.map(Label.word) }
    guard let array = x.array else { return [] }
    return array.dtype.isFloatingPoint
      ? array.doubles.map(Label.number) : array.integers.map(Label.integer)
  }
}
