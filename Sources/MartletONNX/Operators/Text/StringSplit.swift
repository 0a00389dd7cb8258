import MartletIR
import MartletOps

/// Parts of strings, and how many each has. https://onnx.ai/onnx/operators/onnx__StringSplit.html
struct StringSplit: Operator {
  static let name = "StringSplit"
  static let since = 20

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let (values, shape) = try node.strings(0)
    let delimiter = try node.string("delimiter", default: "")
    let limit = try node.int("maxsplit") ?? Int.max
    let parts = values.map { split($0, delimiter, limit < 0 ? Int.max : limit) }
    let width = parts.map(\.count).max() ?? 0
    let wide = try node.checked(shape.dimensions + [width])
    try node.checkSize(TensorType(.int64, wide))
    let padded = parts.flatMap { $0 + [String](repeating: "", count: width - $0.count) }
    let counts = parts.map { Int64($0.count) }
    return [
      .constant(HostTensor(padded, wide)),
      .constant(HostTensor(HostArray(TensorType(.int64, shape), counts))),
    ]
  }

  /// At a delimiter, or at runs of whitespace if that is empty; at most `limit` times.
  private static func split(_ text: String, _ delimiter: String, _ limit: Int) -> [String] {
    var parts: [String] = []
    if delimiter.isEmpty {
      var rest = text.unicodeScalars[...].drop { $0.properties.isWhitespace }
      while !rest.isEmpty {
        if parts.count == limit {
          while let last = rest.last, last.properties.isWhitespace { rest.removeLast() }
          parts.append(String(rest))
          return parts
        }
        let word = rest.prefix { !$0.properties.isWhitespace }
        parts.append(String(word))
        rest = rest[word.endIndex...].drop { $0.properties.isWhitespace }
      }
      return parts
    }
    let bytes = Array(text.utf8)
    let mark = Array(delimiter.utf8)
    var start = 0
    var place = 0
    while place + mark.count <= bytes.count, parts.count < limit {
      if bytes[place..<(place + mark.count)].elementsEqual(mark) {
        parts.append(String(decoding: bytes[start..<place], as: UTF8.self))
        place += mark.count
        start = place
      } else {
        place += 1
      }
    }
    parts.append(String(decoding: bytes[start...], as: UTF8.self))
    return parts
  }
}
