import MartletIR
import MartletOps

/// Slices at indices along an axis. https://onnx.ai/onnx/operators/onnx__Gather.html
struct Gather: Operator {
  static let name = "Gather"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let shape = try node.shape(0)
    let axis = try node.axis(node.int("axis", default: 0), rank: shape.rank)
    let indices = try node.shape(1)
    let places = try node.places(1, extent: shape[axis])
    // One known place is a slice.
    if indices.rank == 0, let known = node.knownConstant(1)?.integers.first {
      let place = Int(known < 0 ? known &+ Int64(shape[axis]) : known)
      return [
        try node.moved(0) { x in
          var rest = shape.dimensions
          rest.remove(at: axis)
          return x.sliced(place..<(place + 1), axis: axis).reshaped(Shape(rest))
        }
      ]
    }
    if axis == 0, case .deferred(let weights)? = node.knownConstant(0)?.storage,
      let rows = weights.rows(at: places, node.trace)
    {
      return [.tensor(rows)]
    }
    return [try node.moved(0) { gather($0, places, axis: axis) }]
  }
}

extension NodeContext {
  /// Indices into an axis, counted from its front: negative ones count from its end.
  func places(_ index: Int, extent: Int) throws -> Tensor {
    if let known = knownConstant(index), let array = known.array {
      let places = array.integers.map { $0 < 0 ? $0 &+ Int64(extent) : $0 }
      guard places.allSatisfy({ $0 >= 0 && $0 < Int64(extent) }) else {
        throw invalid("an index is out of range for the extent \(extent)")
      }
      return literal(HostArray(TensorType(array.dtype, array.shape), places))
    }
    var x = try tensor(index)
    if x.dtype != .int32, x.dtype != .int64 { x = x.converted(to: .int64) }
    return select(x .< 0, x + Double(extent), x)
  }
}
