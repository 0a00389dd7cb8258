import MartletIR
import MartletLoops

/// Repeats along new and unit axes: operand axis i becomes result axis `axes[i]`, whose extent is
/// the operand's or, where that is 1, any.
///
/// Gradient: the sum over the repeated axes.
package struct Broadcast: Op {
  package var shape: [Int]
  package var axes: [Int]
  package init(shape: Shape, axes: [Int]) {
    self.shape = shape.dimensions
    self.axes = axes
  }
  package static let name = "broadcast"
  package var attributes: [Attribute] {
    [Attribute("shape", .integers(shape)), Attribute("axes", .integers(axes))]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["shape", "axes"])
    shape = try attributes.integers("shape")
    axes = try attributes.integers("axes")
  }
  package static let samples = [
    OpSample(Broadcast(shape: [3, 4], axes: [1]), [TensorType(.float32, [4])], [-2...2], ulp: 0),
    OpSample(Broadcast(shape: [3, 4], axes: [0]), [TensorType(.float64, [3])], [-2...2], ulp: 0),
    OpSample(Broadcast(shape: [2, 3], axes: []), [TensorType(.float32, [])], [-2...2], ulp: 0),
    OpSample(
      Broadcast(shape: [5, 3, 2], axes: [0, 1, 2]), [TensorType(.float32, [5, 1, 2])], [-2...2],
      ulp: 0),
    OpSample(Broadcast(shape: [0, 4], axes: [1]), [TensorType(.int32, [4])], [-2...2], ulp: 0),
  ]

  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 1)
    let x = operands[0]
    guard axes.count == x.shape.rank else {
      throw TypeError(op: name, "needs one result axis for each operand axis, got \(axes) for \(x)")
    }
    try expectAxes(axes, rank: shape.count)
    for (axis, target) in axes.enumerated() {
      guard x.shape[axis] == shape[target] || x.shape[axis] == 1 else {
        throw TypeError(op: name, "\(x.shape) does not broadcast to \(Shape(shape))")
      }
    }
    return [TensorType(x.dtype, Shape(shape))]
  }

  private func map(_ operand: TensorType) -> IndexMap {
    var strides = [Int](repeating: 0, count: shape.count)
    for (axis, stride) in operand.shape.strides.enumerated() where operand.shape[axis] != 1 {
      strides[axes[axis]] = stride
    }
    return IndexMap(dims: shape, strides: strides)
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let map = map(inputs[0].type)
    return [inputs[0].gathered((0..<Shape(shape).count).map(map.offset(at:)), Shape(shape))]
  }

  package var lowering: Lowering { .view { operand, _ in map(operand) } }

  package var gradient: Gradient {
    .rule { v in
      let x = v.x.shape
      // Sum away the new axes and those that grew from 1, then restore the unit axes.
      let kept = axes.enumerated().filter { x[$0.offset] == shape[$0.element] }.map(\.element)
      let summed = shape.indices.filter { !kept.contains($0) }
      let order = axes.filter { kept.contains($0) }
      var dx = v.dy.sum(axes: summed)
      // `sum` keeps the remaining axes ascending; put them in the operand's order.
      let ascending = order.sorted()
      if order != ascending {
        dx = dx.transposed(order.map { ascending.firstIndex(of: $0) ?? 0 })
      }
      return [dx.reshaped(x)]
    }
  }
}

extension Tensor {
  /// Repeats along leading and unit axes by NumPy's rule until the shape is `shape`.
  ///
  /// Gradient: the sum over the repeated axes. Refused when the extents do not fit.
  public func broadcasted(to shape: Shape) -> Tensor {
    if shape == self.shape { return self }
    let axes = (0..<rank).map { $0 + Swift.max(0, shape.rank - rank) }
    return record(Broadcast(shape: shape, axes: axes), self)
  }
}
