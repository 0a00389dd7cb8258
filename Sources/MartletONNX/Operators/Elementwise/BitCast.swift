import MartletExecution
import MartletIR
import MartletOps

/// The same bits as another type of their width. https://onnx.ai/onnx/operators/onnx__BitCast.html
///
/// Integers become integers in the program; bits of floats are taken from elements that are known when
/// the graph is made.
struct BitCast: Operator {
  static let name = "BitCast"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let from = try node.elementType(0)
    guard let to = try node.elementType(attribute: "to") else {
      throw node.invalid("the attribute 'to' is missing")
    }
    if from == to { return [try node.value(0)] }
    guard from.isNative, to.isNative, let dtype = to.carrier, let source = from.carrier,
      source.byteCount == dtype.byteCount, to != .bool
    else { throw node.unsupported("the bits of \(from.name) as \(to.name)") }
    if !source.isFloatingPoint, !dtype.isFloatingPoint {
      return [.tensor(try node.tensor(0).converted(to: dtype))]
    }
    let x = try node.constant(0)
    guard let array = try x.ndArray() else { throw node.invalid("strings have no such bits") }
    let type = TensorType(dtype, array.shape)
    return [.constant(HostTensor(array.withUnsafeBytes { HostArray(bytes: $0, type) }))]
  }
}
