import MartletIR
import MartletLoops

/// A base with slices replaced at indices along an axis: `base [outer…, K, inner…]`, indices `[J…]`,
/// updates `[outer…, J…, inner…]`. Indices clamp to `0..<K`; of equal indices the last one stays.
///
/// Gradient: to the base the cotangent, zeros where it was replaced; to the updates the cotangent at
/// their indices, zeros to those that did not stay; none flows to the indices.
package struct ScatterSet: Op {
  package var axis: Int
  package init(axis: Int) { self.axis = axis }
  package static let name = "scatterSet"
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
    return ([.float32, .float64, .int32, .uint8, .bool] as [DType]).flatMap { dtype in
      ([.int32, .int64] as [DType]).flatMap { index in
        cases.map {
          OpSample(
            ScatterSet(axis: $0),
            [TensorType(dtype, $1), TensorType(index, $2), TensorType(dtype, $3)],
            [0...9, -2...8, 0...9], ulp: 0)
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
      var values = base.doubles
      for (offset, update) in zip(offsets, inputs[2].doubles) { values[offset] = update }
      return [HostArray(base.type, values)]
    }
    var values = base.integers
    for (offset, update) in zip(offsets, inputs[2].integers) { values[offset] = update }
    return [HostArray(base.type, values)]
  }

  package var lowering: Lowering {
    .call { operands, results in
      guard let axes = try? IndexedAxis(op: name, operands[0], operands[1], axis) else { return [] }
      let bytes = results[0].byteCount
      return [
        RuntimeCall(
          "mt_copy_rows", [.table([1, bytes, bytes, bytes, 0]), .operand(0), .result(0)]),
        RuntimeCall(
          "mt_scatter_set_\(operands[1].dtype)_\(operands[0].dtype.byteCount)",
          [.table(axes.table), .operand(2), .operand(1), .result(0)]),
      ]
    }
  }

  package var gradient: Gradient {
    .rule { v in
      let (index, updates) = (v.inputs[1], v.inputs[2])
      let toBase = record(self, v.dy, index, zerosLike(updates))
      // Who wrote last to each place of the axis, and whether that is oneself.
      let count = index.count
      let numbers = index.trace.iota(TensorType(.int32, [count]), axis: 0)
      let flat = record(Reshape([count]), index)
      let nobody = index.trace.constant(-1, .int32).broadcasted(to: [v.dy.shape[axis]])
      let last = record(ScatterSet(axis: 0), nobody, flat, numbers)
      let stays = record(Gather(axis: 0), last, flat) .== numbers
      let extents = [Int](repeating: 1, count: axis) + index.shape.dimensions
      let shape = extents + [Int](repeating: 1, count: updates.rank - extents.count)
      let mask = stays.reshaped(Shape(shape)).broadcasted(to: updates.shape)
      let taken = record(Gather(axis: axis), v.dy, index)
      return [toBase, nil, select(mask, taken, 0)]
    }
  }
}

/// `base` with `updates` in the place of its slices at integer `indices` along `axis`:
/// `base [outer…, K, inner…]`, indices `[J…]`, updates `[outer…, J…, inner…]`.
///
/// Of equal indices the last update stays. Indices given to the program directly are checked against
/// `0..<K` before each step; computed ones clamp. Where the base is state that takes the result
/// (`parameter.assign`) only the slices at the indices are written. Gradient: to `base` the
/// cotangent outside of the indices, to `updates` the cotangent at them.
public func scatterSet(
  _ base: Tensor, _ indices: Tensor, _ updates: Tensor, axis: Int = 0,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  let axis = axis < 0 ? axis + base.rank : axis
  let place = here(base, file, line)
  if (0..<base.rank).contains(axis) {
    _ = base.trace.bound(indices, below: base.shape[axis], at: place)
  }
  return record(ScatterSet(axis: axis), base, indices, updates, at: place)
}
