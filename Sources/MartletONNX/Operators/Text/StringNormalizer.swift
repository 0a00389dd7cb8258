import MartletIR
import MartletOps

/// Strings without stop words, in upper or lower case.
/// https://onnx.ai/onnx/operators/onnx__StringNormalizer.html
struct StringNormalizer: Operator {
  static let name = "StringNormalizer"
  static let since = 10

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let (values, shape) = try node.strings(0)
    guard shape.rank == 1 || (shape.rank == 2 && shape[0] == 1) else {
      throw node.invalid("needs [C] or [1, C], got \(shape)")
    }
    let action = try node.string("case_change_action", default: "NONE")
    guard ["NONE", "LOWER", "UPPER"].contains(action) else {
      throw node.invalid("case_change_action '\(printable(action))'")
    }
    func changed(_ text: String) -> String {
      switch action {
      case "LOWER": text.lowercased()
      case "UPPER": text.uppercased()
      default: text
      }
    }
    let isSensitive = try node.bool("is_case_sensitive")
    let words = try node.strings("stopwords") ?? []
    let stops = Set(isSensitive ? words : words.map { $0.lowercased() })
    var kept = values.filter { !stops.contains(isSensitive ? $0 : $0.lowercased()) }.map(changed)
    if kept.isEmpty { kept = [""] }
    let dimensions = shape.rank == 1 ? [kept.count] : [1, kept.count]
    return [.constant(HostTensor(kept, Shape(dimensions)))]
  }
}
