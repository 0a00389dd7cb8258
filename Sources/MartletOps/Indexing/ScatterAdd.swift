import MartletIR
import MartletLoops

/// A base with slices added at indices along an axis: `base [outer…, K, inner…]`, indices `[J…]`,
/// updates `[outer…, J…, inner…]`. Indices clamp to `0..<K`; updates of one index add in ascending
/// order, so the bits do not depend on threads.
///
/// Gradient: to the base the cotangent, to the updates its `gather`; none flows to the indices.
package struct ScatterAdd: Op {
  package var axis: Int
  package init(axis: Int) { self.axis = axis }
  package static let name = "scatterAdd"
  package var attributes: [Attribute] { [Attribute("axis", .integer(axis))] }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["axis"])
    axis = try attributes.integer("axis")
  }
  package static let samples: [OpSample] = {
    let cases: [(Int, Shape, Shape, Shape)] = [
      (0, [5], [7], [7]), (0, [3, 4], [6], [6, 4]), (1, [3, 4], [2, 3], [3, 2, 3]),
      (1, [2, 5, 3], [], [2, 3]), (2, [2, 3, 4], [9], [2, 3, 9]), (0, [4, 2], [0], [0, 2]),
      (1, [0, 4], [3], [0, 3]), (0, [10, 3], [70], [70, 3]),
    ]
    return ([.float32, .float64, .int32, .uint8] as [DType]).flatMap { dtype in
      ([.int32, .int64] as [DType]).flatMap { index in
        cases.map {
          OpSample(
            ScatterAdd(axis: $0),
            [TensorType(dtype, $1), TensorType(index, $2), TensorType(dtype, $3)],
            [0...9, -2...8, 0...9], ulp: 64)
        }
      }
    }
  }()

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 3)
    let (base, index, updates) = (operands[0], operands[1], operands[2])
    let axes = try IndexedAxis(op: name, base, index, axis)
    guard base.dtype != .bool else { throw TypeError(op: name, "no sum of bools") }
    let expected = TensorType(
      base.dtype, Shape(axes.leading + index.shape.dimensions + axes.trailing))
    guard updates == expected else {
      throw TypeError(op: name, "the updates must be \(expected), got \(updates)")
    }
    return [base]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let base = inputs[0]
    let axes = try IndexedAxis(op: name, base.type, inputs[1].type, axis)
    let offsets = axes.offsets(inputs[1].integers)
    if base.dtype.isFloatingPoint {
      var sums = base.doubles
      for (offset, update) in zip(offsets, inputs[2].doubles) { sums[offset] += update }
      return [HostArray(base.type, sums)]
    }
    var sums = base.integers
    for (offset, update) in zip(offsets, inputs[2].integers) { sums[offset] &+= update }
    return [HostArray(base.type, sums)]
  }

  package var lowering: Lowering {
    .call { operands, results in
      guard let axes = try? IndexedAxis(op: name, operands[0], operands[1], axis) else { return [] }
      let bytes = results[0].byteCount
      return [
        // One row: the base as it is, then the updates on top.
        RuntimeCall(
          "mt_copy_rows", [.table([1, bytes, bytes, bytes, 0]), .operand(0), .result(0)]),
        RuntimeCall(
          "mt_scatter_add_\(operands[1].dtype)_\(operands[0].dtype)",
          [.table(axes.table), .operand(1), .operand(2), .result(0)]),
      ]
    }
  }

  package var gradient: Gradient {
    .rule { v in [v.dy, nil, record(Gather(axis: axis), v.dy, v.inputs[1])] }
  }
}

/// `base` with `updates` added at integer `indices` along `axis`:
/// `base [outer…, K, inner…]`, indices `[J…]`, updates `[outer…, J…, inner…]`.
///
/// Indices given to the program directly are checked against `0..<K` before each step; computed
/// ones clamp. Updates of one index add in ascending order: results are reproducible bit for bit.
/// Gradient: to `base` the cotangent, to `updates` the cotangent at the indices.
public func scatterAdd(
  _ base: Tensor, _ indices: Tensor, _ updates: Tensor, axis: Int = 0,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  let axis = axis < 0 ? axis + base.rank : axis
  if (0..<base.rank).contains(axis) {
    _ = base.trace.bound(indices, below: base.shape[axis])
  }
  return record(ScatterAdd(axis: axis), base, indices, updates, at: here(base, file, line))
}
