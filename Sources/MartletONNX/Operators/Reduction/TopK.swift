import MartletIR
import MartletOps

/// The largest or smallest elements along an axis, and their places.
/// https://onnx.ai/onnx/operators/onnx__TopK.html
struct TopK: Operator {
  static let name = "TopK"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let axis = try node.axis(node.int("axis", default: -1), rank: x.rank)
    guard let count = try node.version < 10 ? node.int("k") : node.integer(1),
      (0...x.shape[axis]).contains(count)
    else { throw node.invalid("k is missing, or not within 0...\(x.shape[axis])") }
    let (values, places) = x.topK(
      count, axis: axis, largest: try node.bool("largest", default: true))
    return [.tensor(values), .tensor(places.converted(to: .int64))]
  }
}
