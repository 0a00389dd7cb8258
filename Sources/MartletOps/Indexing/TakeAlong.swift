import MartletIR
import MartletLoops

/// Elements of the first operand at the indices of the second, along one axis:
/// `y[…, j, …] = x[…, index[…, j, …], …]`. Indices clamp.
///
/// Gradient: `addAlong` of the cotangent at the same indices; none flows to the indices.
package struct TakeAlong: Op {
  package var axis: Int
  package init(axis: Int) { self.axis = axis }
  package static let name = "takeAlong"
  package var attributes: [Attribute] { [Attribute("axis", .integer(axis))] }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["axis"])
    axis = try attributes.integer("axis")
  }
  package static let samples: [OpSample] = {
    let cases: [(Int, Shape, Shape)] = [
      (0, [5], [3]), (1, [3, 4], [3, 6]), (0, [3, 4], [2, 4]), (1, [2, 5, 3], [2, 2, 3]),
      (1, [2, 5], [2, 0]), (0, [140, 2], [70, 2]), (1, [0, 4], [0, 3]),
    ]
    return ([.float32, .float64, .int32, .uint8, .bool] as [DType]).flatMap { dtype in
      ([.int32, .int64] as [DType]).flatMap { index in
        cases.map {
          OpSample(
            TakeAlong(axis: $0), [TensorType(dtype, $1), TensorType(index, $2)],
            [dtype == .bool ? 0...1 : 0...9, -2...8], ulp: 0)
        }
      }
    }
  }()

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 2)
    let (x, index) = (operands[0], operands[1])
    try expectAxes([axis], rank: x.shape.rank)
    try expectIndex(index, beside: x.shape)
    guard x.shape[axis] > 0 || index.count == 0 else {
      throw TypeError(op: name, "axis \(axis) of \(x) is empty: no index fits")
    }
    return [TensorType(x.dtype, index.shape)]
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let (x, index) = (inputs[0], inputs[1])
    let offsets = index.alongOffsets(axis, extent: x.shape[axis])
    return [x.gathered(offsets, index.shape)]
  }

  package var lowering: Lowering {
    .call { operands, _ in
      let (x, index) = (operands[0], operands[1])
      let lines = AxisLines(x.shape, axis)
      return [
        RuntimeCall(
          "mt_take_along_\(index.dtype)",
          [
            .table(lines.table(index.shape[axis], x.dtype.byteCount)), .operand(0), .operand(1),
            .result(0),
          ])
      ]
    }
  }

  package var forward: ForwardRule { .linear(in: 0..<1) }
  package var gradient: Gradient {
    .rule { v in
      let sums = AddAlong(axis: axis, extent: v.inputs[0].shape[axis])
      return [record(sums, v.inputs[1], v.dy), nil]
    }
  }
}

extension TakeAlong {
  /// Throws unless `index` is an array of indices of this shape but for `axis`.
  private func expectIndex(_ index: TensorType, beside shape: Shape) throws(TypeError) {
    guard index.dtype == .int32 || index.dtype == .int64 else {
      throw TypeError(
        op: name, "indices must be i32 or i64, got \(index)",
        hint: "convert them: indices.converted(to: .int32)")
    }
    var expected = shape.dimensions
    if index.shape.rank == shape.rank { expected[axis] = index.shape[axis] }
    guard index.shape.dimensions == expected else {
      throw TypeError(
        op: name, "the indices \(index) do not fit \(shape) along axis \(axis)",
        hint: "both have one shape but for that axis")
    }
  }
}

extension HostArray {
  /// For each of these indices, the offset of what it names along `axis` of an array of that extent.
  package func alongOffsets(_ axis: Int, extent: Int) -> [Int] {
    let lines = AxisLines(shape, axis)
    return integers.enumerated().map { position, index in
      let clamped = Int(Swift.min(Swift.max(index, 0), Int64(Swift.max(extent, 1) - 1)))
      let o = position / (lines.extent * lines.inner)
      return (o * extent + clamped) * lines.inner + position % lines.inner
    }
  }
}
