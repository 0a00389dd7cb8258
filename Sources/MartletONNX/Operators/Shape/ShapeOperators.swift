// Operators that move elements or tell of shapes, and constants. Specifications:
// https://onnx.ai/onnx/operators/onnx__NAME.html

import MartletIR
import MartletOps

let shapeOperators: [OperatorEntry] = [
  OperatorEntry(Constant.self), OperatorEntry(ConstantOfShape.self), OperatorEntry(Slice.self),
  OperatorEntry(Gather.self), OperatorEntry(Reshape.self),
  OperatorEntry("Identity") { [try $0.value(0)] },
  OperatorEntry("Shape") { node in
    let shape = try node.shape(0).dimensions
    func clamped(_ name: String, _ otherwise: Int) throws -> Int {
      let place = try node.int(name, default: otherwise)
      return max(0, min(shape.count, place < 0 ? place &+ shape.count : place))
    }
    let (start, end) = (try clamped("start", 0), try clamped("end", shape.count))
    return [.constant(HostTensor(start < end ? Array(shape[start..<end]) : []))]
  },
  OperatorEntry("Size") { node in
    [.constant(HostTensor(HostArray(TensorType(.int64, []), [Int64(try node.shape(0).count)])))]
  },
  OperatorEntry("Transpose") { node in
    let rank = try node.rank(0)
    let permutation = try node.ints("perm") ?? Array((0..<rank).reversed())
    guard permutation.sorted() == Array(0..<rank) else {
      throw node.invalid("\(permutation) is no permutation of \(rank) axes")
    }
    return [try node.moved(0) { $0.transposed(permutation) }]
  },
  OperatorEntry("Flatten") { node in
    let shape = try node.shape(0).dimensions
    let axis = try node.int("axis", default: 1)
    let first = axis < 0 ? axis &+ shape.count : axis
    guard (0...shape.count).contains(first) else { throw node.invalid("axis \(axis)") }
    let sizes = [shape[..<first].reduce(1, *), shape[first...].reduce(1, *)]
    return [try node.moved(0) { $0.reshaped(Shape(sizes)) }]
  },
  OperatorEntry("Squeeze") { node in
    let shape = try node.shape(0).dimensions
    let given = try node.version >= 13 ? node.optionalIntegers(1) : node.ints("axes")
    let axes =
      try given.map { try node.axes($0, rank: shape.count) }
      ?? shape.indices.filter { shape[$0] == 1 }
    guard axes.allSatisfy({ shape[$0] == 1 }) else {
      throw node.invalid("axes \(axes) of \(Shape(shape)) are not all 1")
    }
    let kept = shape.indices.filter { !axes.contains($0) }.map { shape[$0] }
    return [try node.moved(0) { $0.reshaped(Shape(kept)) }]
  },
  OperatorEntry("Unsqueeze") { node in
    let shape = try node.shape(0).dimensions
    guard let given = try node.version >= 13 ? node.integers(1) : node.ints("axes") else {
      throw node.invalid("the axes are missing")
    }
    let axes = try node.axes(given, rank: shape.count + given.count)
    var rest = shape[...]
    let all = (0..<(shape.count + axes.count)).map { axes.contains($0) ? 1 : rest.removeFirst() }
    return [try node.moved(0) { $0.reshaped(Shape(all)) }]
  },
  OperatorEntry("Concat") { node in
    guard let rank = try node.inputs.first?.map({ _ in try node.rank(0) }) else {
      throw node.invalid("there is no input")
    }
    let axis = try node.axis(node.int("axis", default: node.version < 4 ? 1 : 0), rank: rank)
    let type = try node.elementType(0)
    return [.tensor(concatenate(try node.tensors(), axis: axis), as: type.isNative ? nil : type)]
  },
  OperatorEntry("Expand", since: 8) { node in
    let x = try node.shape(0)
    let target = try node.checked(node.integers(1))
    guard let shape = broadcastShapes(x, target) else {
      throw node.invalid("\(x) does not broadcast to \(target)")
    }
    try node.checkSize(TensorType(.float32, shape))
    return [try node.moved(0) { $0.broadcasted(to: shape) }]
  },
  OperatorEntry("Tile", since: 6) { node in
    let shape = try node.shape(0).dimensions
    let repeats = try node.integers(1)
    guard repeats.count == shape.count, repeats.allSatisfy({ $0 >= 0 }) else {
      throw node.invalid("repeats \(repeats) for rank \(shape.count)")
    }
    let wide = try node.checked(zip(repeats, shape).flatMap { [$0, $1] })
    try node.checkSize(TensorType(.float32, wide))
    return [
      try node.moved(0) {
        $0.reshaped(Shape(shape.flatMap { [1, $0] })).broadcasted(to: wide)
          .reshaped(Shape(zip(repeats, shape).map { $0 &* $1 }))
      }
    ]
  },
  OperatorEntry("Split") { node in
    let shape = try node.shape(0).dimensions
    let axis = try node.axis(node.int("axis", default: 0), rank: shape.count)
    var sizes = try node.version >= 13 ? node.optionalIntegers(1) : node.ints("split")
    if sizes == nil {
      let count = max(1, min(1 << 20, try node.int("num_outputs") ?? node.outputCount))
      // The last part is smaller where the extent does not divide.
      let size = (shape[axis] + count - 1) / count
      sizes = (0..<count).map { max(0, min(size, shape[axis] - $0 * size)) }
    }
    let parts = sizes ?? []
    guard parts.allSatisfy({ $0 >= 0 }), parts.reduce(0, &+) == shape[axis] else {
      throw node.invalid("parts \(parts) of extent \(shape[axis])")
    }
    var start = 0
    return try parts.map { size in
      defer { start += size }
      let range = start..<(start + size)
      return try node.moved(0) { $0.sliced(range, axis: axis) }
    }
  },
  OperatorEntry("Range", since: 11) { node in
    let type = try node.elementType(0)
    guard let dtype = type.carrier else { throw node.unsupported("a range of \(type.name)") }
    let (start, limit, delta) = (try node.number(0), try node.number(1), try node.number(2))
    let count = ((limit - start) / delta).rounded(.up)
    guard delta != 0, count.isFinite, count < 0x1p40 else {
      throw node.invalid("a range from \(start) to \(limit) by \(delta)")
    }
    let shape = Shape([max(0, Int(count))])
    try node.checkSize(TensorType(dtype, shape))
    if dtype.isInteger {
      let (first, step) = (try node.constant(0).integers[0], try node.constant(2).integers[0])
      let values = (0..<Int64(shape[0])).map { first &+ $0 &* step }
      return [.constant(HostTensor(HostArray(TensorType(dtype, shape), values)))]
    }
    let values = (0..<shape[0]).map { start + Double($0) * delta }
    return [.constant(HostTensor(HostArray(TensorType(dtype, shape), values)))]
  },
]

extension NodeContext {
  /// An input whose elements are moved, and whose element type stays.
  func moved(_ index: Int, _ body: (Tensor) -> Tensor) throws -> ONNXValue {
    let type = try elementType(index)
    return .tensor(body(try tensor(index)), as: type.isNative ? nil : type)
  }
}
