import MartletIR
import MartletLoops

/// Zeros of `extent` places along one axis, with the second operand's elements added at the indices of
/// the first: `y[…, index[…, j, …], …] += u[…, j, …]`, j ascending. Indices clamp.
///
/// Gradient: `takeAlong` of the cotangent at the same indices; none flows to the indices.
package struct AddAlong: Op {
  package var axis: Int
  package var extent: Int
  package init(axis: Int, extent: Int) {
    self.axis = axis
    self.extent = extent
  }
  package static let name = "addAlong"
  package var attributes: [Attribute] {
    [Attribute("axis", .integer(axis)), Attribute("extent", .integer(extent))]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["axis", "extent"])
    axis = try attributes.integer("axis")
    extent = try attributes.integer("extent")
  }
  package static let samples: [OpSample] = {
    let cases: [(Int, Int, Shape)] = [
      (0, 5, [7]), (1, 4, [3, 6]), (0, 3, [2, 4]), (1, 5, [2, 2, 3]), (1, 5, [2, 0]),
      (0, 140, [70, 2]), (1, 4, [0, 3]),
    ]
    return ([.float32, .float64, .int32, .uint8] as [DType]).flatMap { dtype in
      ([.int32, .int64] as [DType]).flatMap { index in
        cases.map {
          OpSample(
            AddAlong(axis: $0, extent: $1), [TensorType(index, $2), TensorType(dtype, $2)],
            [-2...8, 0...9], ulp: 16)
        }
      }
    }
  }()

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 2)
    let (index, updates) = (operands[0], operands[1])
    guard index.dtype == .int32 || index.dtype == .int64 else {
      throw TypeError(op: name, "indices must be i32 or i64, got \(index)")
    }
    guard index.shape == updates.shape, updates.dtype != .bool else {
      throw TypeError(op: name, "needs numbers of the indices' shape, got \(index) and \(updates)")
    }
    try expectAxes([axis], rank: index.shape.rank)
    guard extent > 0 || (extent == 0 && index.count == 0) else {
      throw TypeError(op: name, "no index fits \(extent) places")
    }
    var shape = index.shape.dimensions
    shape[axis] = extent
    let type = TensorType(updates.dtype, Shape(shape))
    try type.checkSize(op: name)
    return [type]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let type = try infer(inputs.map(\.type), [])[0]
    let offsets = inputs[0].alongOffsets(axis, extent: extent)
    if type.dtype.isFloatingPoint {
      var sums = [Double](repeating: 0, count: type.count)
      for (offset, update) in zip(offsets, inputs[1].doubles) { sums[offset] += update }
      return [HostArray(type, sums)]
    }
    var sums = [Int64](repeating: 0, count: type.count)
    for (offset, update) in zip(offsets, inputs[1].integers) { sums[offset] &+= update }
    return [HostArray(type, sums)]
  }

  package var lowering: Lowering {
    .call { operands, results in
      let count = operands[0].shape[axis]
      return [
        RuntimeCall(
          "mt_add_along_\(operands[0].dtype)_\(results[0].dtype)",
          [
            .table(AxisLines(results[0].shape, axis).table(count, 0)), .operand(0), .operand(1),
            .result(0),
          ])
      ]
    }
  }

  package var forward: ForwardRule { .linear(in: 1..<2) }
  package var gradient: Gradient {
    .rule { v in [nil, record(TakeAlong(axis: axis), v.dy, v.inputs[0])] }
  }
}
