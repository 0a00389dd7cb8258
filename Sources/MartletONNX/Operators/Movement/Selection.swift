// Operators whose result's shape depends on the elements, and those that choose by order or index.

import MartletIR
import MartletOps

/// The indices of elements that are not zero. https://onnx.ai/onnx/operators/onnx__NonZero.html
struct NonZero: Operator {
  static let name = "NonZero"
  static let since = 9
  static let folds = false

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.constant(0)
    let values = x.doubles
    let hits = values.indices.filter { values[$0] != 0 }
    let shape = x.shape
    let strides = shape.strides
    // A scalar counts as a vector of one element.
    guard shape.rank > 0 else {
      let type = TensorType(.int64, [1, hits.count])
      return [.constant(HostTensor(HostArray(type, hits.map(Int64.init))))]
    }
    let result = (0..<shape.rank).flatMap { axis in
      hits.map { Int64($0 / strides[axis] % shape[axis]) }
    }
    return [
      .constant(
        HostTensor(HostArray(TensorType(.int64, [shape.rank, hits.count]), result)))
    ]
  }
}

/// Elements or slices without repetition. https://onnx.ai/onnx/operators/onnx__Unique.html
struct Unique: Operator {
  static let name = "Unique"
  static let since = 11
  static let folds = false

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.constant(0)
    guard let array = x.array else { throw node.unsupported("unique strings") }
    let isSorted = try node.bool("sorted", default: true)
    let axis = try node.int("axis").map { try node.axis($0, rank: x.shape.rank) }
    // Slices along the axis, flattened: each is a key.
    let extent = axis.map { x.shape[$0] } ?? x.count
    let inner = axis.map { x.shape.dimensions[($0 + 1)...].reduce(1, *) } ?? 1
    let outer = axis.map { x.shape.dimensions[..<$0].reduce(1, *) } ?? 1
    func offset(_ slice: Int, _ part: Int) -> Int {
      (part / max(1, inner) * extent + slice) * inner + part % max(1, inner)
    }
    let width = outer * inner
    let floats = array.doubles
    let integers = array.dtype.isFloatingPoint ? [] : array.integers
    func compare(_ a: Int, _ b: Int) -> Int {
      for part in 0..<width {
        let (i, j) = (offset(a, part), offset(b, part))
        if array.dtype.isFloatingPoint || array.dtype == .uint64 {
          if floats[i] < floats[j] { return -1 }
          if floats[i] > floats[j] { return 1 }
        } else if integers[i] != integers[j] {
          return integers[i] < integers[j] ? -1 : 1
        }
      }
      return 0
    }
    let order = (0..<extent).sorted {
      let c = compare($0, $1)
      return c != 0 ? c < 0 : $0 < $1
    }
    var groups: [[Int]] = []
    for slice in order {
      if let last = groups.last?.first, compare(last, slice) == 0 {
        groups[groups.count - 1].append(slice)
      } else {
        groups.append([slice])
      }
    }
    if !isSorted { groups.sort { $0[0] < $1[0] } }
    var inverse = [Int](repeating: 0, count: extent)
    for (number, group) in groups.enumerated() { for slice in group { inverse[slice] = number } }
    var shape = axis == nil ? [groups.count] : x.shape.dimensions
    if let axis { shape[axis] = groups.count }
    let chosen = (0..<outer).flatMap { o in
      groups.flatMap { group in (0..<inner).map { (o * extent + group[0]) * inner + $0 } }
    }
    return [
      .constant(HostTensor(array.gathered(chosen, Shape(shape)), as: x.elementType)),
      .constant(HostTensor(groups.map { $0[0] })), .constant(HostTensor(inverse)),
      .constant(HostTensor(groups.map(\.count))),
    ]
  }
}

/// One of two values by index. https://onnx.ai/onnx/operators/onnx__OneHot.html
struct OneHot: Operator {
  static let name = "OneHot"
  static let since = 9

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    var indices = try node.tensor(0)
    let depth = try node.integer(1)
    let values = try node.tensor(2)
    let axis = try node.axis(node.int("axis", default: -1), rank: indices.rank + 1)
    guard depth > 0, depth < Int(Int32.max), values.shape == [2] else {
      throw node.invalid("depth \(depth), values \(values.type)")
    }
    indices = indices.converted(to: .int64)
    indices = select(indices .< 0, indices + Double(depth), indices)
    var extents = indices.shape.dimensions
    extents.insert(depth, at: axis)
    let shape = try node.checked(extents)
    try node.checkSize(TensorType(.int64, shape))
    let wide = indices.expandedDims(at: axis).broadcasted(to: shape)
    let place = node.trace.record(Iota(TensorType(.int64, shape), axis: axis), [])[0]
    func value(_ index: Int) -> Tensor {
      values.sliced(index..<(index + 1), axis: 0).reshaped([]).broadcasted(to: shape)
    }
    return [.like(try node.elementType(2), select(wide .== place, value(1), value(0)))]
  }
}
