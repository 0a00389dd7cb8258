import MartletIR
import MartletOps

/// The elements under another shape. https://onnx.ai/onnx/operators/onnx__Reshape.html
struct Reshape: Operator {
  static let name = "Reshape"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let shape = try node.shape(0)
    guard let target = try node.version >= 5 ? node.integers(1) : node.ints("shape") else {
      throw node.invalid("the shape is missing")
    }
    let keepsZero = try node.bool("allowzero")
    var sizes = try target.enumerated().map { axis, size -> Int in
      guard size == 0, !keepsZero else { return size }
      guard axis < shape.rank else { throw node.invalid("axis \(axis) of \(shape) is not there") }
      return shape[axis]
    }
    let holes = sizes.indices.filter { sizes[$0] == -1 }
    guard holes.count <= 1, sizes.allSatisfy({ $0 >= -1 }) else {
      throw node.invalid("the shape \(printable(target.description)) is impossible")
    }
    if let hole = holes.first {
      sizes[hole] = 1
      let rest = try node.checked(sizes).count
      guard rest > 0 ? shape.count % rest == 0 : shape.count == 0 else {
        throw node.invalid("\(shape) does not reshape to \(printable(target.description))")
      }
      sizes[hole] = rest > 0 ? shape.count / rest : 0
    }
    if let batch = node.importer.writtenBatch, sizes.first == batch, shape.rank > 0, holes.isEmpty,
      case let rest = try node.checked(Array(sizes.dropFirst())).count, rest > 0,
      rest.multipliedReportingOverflow(by: shape[0]).partialValue == shape.count
    {
      sizes[0] = shape[0]
    }
    let result = try node.checked(sizes)
    guard result.count == shape.count else {
      throw node.invalid("\(shape) does not reshape to \(printable(target.description))")
    }
    if case .constant(let x) = try node.value(0) { return [.constant(x.reshaped(result))] }
    return [try node.moved(0) { $0.reshaped(result) }]
  }
}
