import MartletIR
import MartletOps

/// Slices at index tuples. https://onnx.ai/onnx/operators/onnx__GatherND.html
struct GatherND: Operator {
  static let name = "GatherND"
  static let since = 11

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.shape(0).dimensions
    let index = try node.shape(1).dimensions
    let batch = try node.int("batch_dims", default: 0)
    guard let width = index.last, batch >= 0, batch < index.count, width >= 0,
      batch + width <= x.count, Array(x[..<batch]) == Array(index[..<batch])
    else { throw node.invalid("indices \(Shape(index)) for \(Shape(x))") }
    let outer = x[..<batch].reduce(1, *)
    let extents = Array(x[batch..<(batch + width)])
    let rows = extents.reduce(1, *)
    let rest = Array(x[(batch + width)...])
    let tuples = index[batch..<(index.count - 1)].reduce(1, *)
    var flat = try node.flatPlaces(1, extents: extents)
    if outer > 1 {
      // Each batch has rows of its own.
      let base = (0..<outer).flatMap { b in [Int](repeating: b * rows, count: tuples) }
      flat = flat + node.literal(base)
    }
    return [
      try node.moved(0) {
        gather($0.reshaped(Shape([outer * rows] + rest)), flat, axis: 0)
          .reshaped(Shape(Array(index.dropLast()) + rest))
      }
    ]
  }
}

extension NodeContext {
  /// Index tuples `[…, K]` into axes of some extents as flat places `[…]`, i64, as a vector.
  func flatPlaces(_ index: Int, extents: [Int]) throws -> Tensor {
    let shape = try shape(index)
    let count = shape.dimensions.dropLast().reduce(1, *)
    let width = extents.count
    let strides = Shape(extents).strides
    if let known = knownConstant(index) {
      return literal(try flatPlaces(known, extents: extents))
    }
    let tuples = try tensor(index).converted(to: .int64).reshaped([count, width])
    guard width > 0 else { return literal([Int](repeating: 0, count: count)) }
    var sum: Tensor?
    for axis in 0..<width {
      let column = tuples.sliced(axis..<(axis + 1), axis: 1).reshaped([count])
      let place = select(column .< 0, column + Double(extents[axis]), column)
      let part = place * Double(strides[axis])
      sum = sum.map { $0 + part } ?? part
    }
    return sum ?? tuples
  }

  /// The same for known indices, each within its axis.
  func flatPlaces(_ indices: HostTensor, extents: [Int]) throws -> [Int] {
    let width = extents.count
    let strides = Shape(extents).strides
    let values = indices.integers
    let count = indices.shape.dimensions.dropLast().reduce(1, *)
    return try (0..<count).map { row in
      var flat = 0
      for axis in 0..<width {
        let value = values[row * width + axis]
        let place = value < 0 ? value &+ Int64(extents[axis]) : value
        guard place >= 0, place < Int64(extents[axis]) else {
          throw invalid("index \(value) is out of range for the extent \(extents[axis])")
        }
        flat += Int(place) * strides[axis]
      }
      return flat
    }
  }
}
