import MartletIR
import MartletLoops

/// Every `stride[i]`-th index of each axis i from `start[i]` up to, not including, `limit[i]`.
///
/// Gradient: the cotangent put back in its place, zeros elsewhere (a pad).
package struct Slice: Op {
  package var start: [Int]
  package var limit: [Int]
  package var stride: [Int]
  package init(start: [Int], limit: [Int], stride: [Int]) {
    self.start = start
    self.limit = limit
    self.stride = stride
  }
  package static let name = "slice"
  package var attributes: [Attribute] {
    [
      Attribute("start", .integers(start)), Attribute("limit", .integers(limit)),
      Attribute("stride", .integers(stride)),
    ]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["start", "limit", "stride"])
    start = try attributes.integers("start")
    limit = try attributes.integers("limit")
    stride = try attributes.integers("stride")
  }
  package static let samples: [OpSample] = {
    let cases: [(Slice, DType, Shape)] = [
      (Slice(start: [1], limit: [6], stride: [2]), .float32, [7]),
      (Slice(start: [0, 2], limit: [3, 5], stride: [1, 1]), .float64, [3, 5]),
      (Slice(start: [1, 0, 3], limit: [2, 3, 4], stride: [1, 2, 1]), .float64, [2, 3, 4]),
      (Slice(start: [2, 1], limit: [2, 4], stride: [1, 3]), .float32, [4, 4]),
      (Slice(start: [3], limit: [130], stride: [7]), .int32, [130]),
      (Slice(start: [1], limit: [3], stride: [9]), .bool, [4]),
      (Slice(start: [], limit: [], stride: []), .float32, []),
      (Slice(start: [0], limit: [0], stride: [1]), .float32, [0]),
    ]
    return cases.map { OpSample($0, [TensorType($1, $2)], [$1 == .bool ? 0...1 : -2...2], ulp: 0) }
  }()

  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 1)
    let x = operands[0]
    let rank = x.shape.rank
    guard start.count == rank, limit.count == rank, stride.count == rank else {
      throw TypeError(op: name, "start, limit and stride need one number for each axis of \(x)")
    }
    var shape: [Int] = []
    for axis in 0..<rank {
      guard start[axis] >= 0, start[axis] <= limit[axis], limit[axis] <= x.shape[axis] else {
        throw TypeError(
          op: name,
          "\(start[axis])..<\(limit[axis]) is not within 0..<\(x.shape[axis]) on axis \(axis)")
      }
      guard stride[axis] > 0 else {
        throw TypeError(
          op: name, "the stride on axis \(axis) is \(stride[axis]), not positive",
          hint: "reverse the axis first: x.reversed(axes: [\(axis)])")
      }
      let length = limit[axis] - start[axis]
      shape.append(length == 0 ? 0 : (length - 1) / stride[axis] + 1)
    }
    return [TensorType(x.dtype, Shape(shape))]
  }

  private func map(_ operand: TensorType, _ result: TensorType) -> IndexMap {
    let dense = operand.shape.strides
    // An empty slice reads nothing; its start may lie beyond the last element.
    if result.count == 0 {
      return IndexMap(dims: result.shape.dimensions, strides: dense.map { _ in 0 })
    }
    return IndexMap(
      dims: result.shape.dimensions,
      // Along an extent of 1 the step is never taken, and its product might overflow.
      strides: dense.indices.map { result.shape[$0] == 1 ? 0 : dense[$0] &* stride[$0] },
      offset: zip(start, dense).reduce(0) { $0 + $1.0 * $1.1 })
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let type = try infer([inputs[0].type], [])[0]
    let map = map(inputs[0].type, type)
    return [inputs[0].gathered((0..<type.count).map(map.offset(at:)), type.shape)]
  }

  package var lowering: Lowering { .view { map($0, $1) } }

  package var gradient: Gradient {
    .rule { v in
      let (x, y) = (v.x.shape, v.y.shape)
      let taken = (0..<x.rank).map { y[$0] == 0 ? 0 : start[$0] + (y[$0] - 1) * stride[$0] + 1 }
      let low = (0..<x.rank).map { y[$0] == 0 ? 0 : start[$0] }
      return [
        v.dy.padded(
          low: low, high: (0..<x.rank).map { x[$0] - taken[$0] },
          // Between elements there is room only when there are two.
          interior: (0..<x.rank).map { y[$0] > 1 ? stride[$0] - 1 : 0 })
      ]
    }
  }
}

extension Tensor {
  /// Every `stride[i]`-th index of each axis i from `start[i]` up to, not including, `limit[i]`.
  ///
  /// One number for each axis; the strides are 1 if nil. Extent i of the result is
  /// `⌈(limit[i] − start[i]) / stride[i]⌉`. Gradient: the cotangent in its place, zeros elsewhere.
  /// Refused unless `0 ≤ start ≤ limit ≤ extent` and the strides are positive.
  public func sliced(
    start: [Int], limit: [Int], stride: [Int]? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    let stride = stride ?? start.map { _ in 1 }
    let isWhole =
      start.allSatisfy { $0 == 0 } && stride.allSatisfy { $0 == 1 } && limit == shape.dimensions
      && start.count == rank && stride.count == rank
    if isWhole { return self }
    return record(
      Slice(start: start, limit: limit, stride: stride), self, at: here(self, file, line))
  }

  /// The indices `range` of one axis (a negative axis counts from the end), all of the others.
  ///
  /// Gradient: the cotangent in its place, zeros elsewhere. Refused when out of range.
  public func sliced(
    _ range: Range<Int>, axis: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let place = here(self, file, line)
    guard let axis = checkedAxis(axis, op: Slice.name, at: place) else { return poisoned }
    var start = [Int](repeating: 0, count: rank)
    var limit = shape.dimensions
    start[axis] = range.lowerBound
    limit[axis] = range.upperBound
    return sliced(start: start, limit: limit, file: file, line: line)
  }
}
