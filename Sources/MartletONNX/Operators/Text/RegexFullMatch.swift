import MartletIR
import MartletOps

/// Whether a regular expression matches whole strings, in time linear in their length.
/// https://onnx.ai/onnx/operators/onnx__RegexFullMatch.html
struct RegexFullMatch: Operator {
  static let name = "RegexFullMatch"
  static let since = 20

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let (values, shape) = try node.strings(0)
    let pattern = try node.string("pattern", default: "")
    let expression: RegularExpression
    do {
      expression = try RegularExpression(pattern)
    } catch let error as RegularExpression.Failure {
      throw node.invalid("the pattern '\(printable(pattern))': \(error.message)")
    }
    let work = Double(values.reduce(0) { $0 + $1.utf8.count }) * Double(expression.size)
    guard work < 1e9 else {
      throw ONNXError(.limit, "the texts are too long for the pattern", node: node.label)
    }
    let matches: [Int64] = values.map { expression.matches($0) ? 1 : 0 }
    return [.constant(HostTensor(HostArray(TensorType(.bool, shape), matches)))]
  }
}
