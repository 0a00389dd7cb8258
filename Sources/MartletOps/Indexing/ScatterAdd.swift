import MartletIR
import MartletLoops

/// What scatterAdd and scatterSet share: a base, and updates that meet its slices at indices.
package protocol ScatterOp: Op {
  var axis: Int { get }
  init(axis: Int)
  /// What an element of the base becomes where an update meets it.
  static func combine(_ old: Double, _ update: Double) -> Double
  static func combine(_ old: Int64, _ update: Int64) -> Int64
  /// The updates, on top of the base in the result.
  func call(_ axes: IndexedAxis, _ base: DType, _ index: DType) -> RuntimeCall
}

extension ScatterOp {
  package var attributes: [Attribute] { [Attribute("axis", .integer(axis))] }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["axis"])
    self.init(axis: try attributes.integer("axis"))
  }

  static func sliceSamples(_ dtypes: [DType], ulp: Double) -> [OpSample] {
    let cases: [(Int, Shape, Shape, Shape)] = [
      (0, [5], [7], [7]), (0, [3, 4], [6], [6, 4]), (1, [3, 4], [2, 3], [3, 2, 3]),
      (1, [2, 5, 3], [], [2, 3]), (2, [2, 3, 4], [9], [2, 3, 9]), (0, [4, 2], [0], [0, 2]),
      (1, [0, 4], [3], [0, 3]), (0, [10, 3], [70], [70, 3]),
    ]
    return dtypes.flatMap { dtype in
      ([.int32, .int64] as [DType]).flatMap { index in
        cases.map {
          OpSample(
            Self(axis: $0), [TensorType(dtype, $1), TensorType(index, $2), TensorType(dtype, $3)],
            [0...9, -2...8, 0...9], ulp: ulp)
        }
      }
    }
  }

  func inferSlices(_ operands: [TensorType]) throws(TypeError) -> [TensorType] {
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

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try inferSlices(operands)
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let base = inputs[0]
    let axes = try IndexedAxis(op: name, base.type, inputs[1].type, axis)
    let offsets = axes.offsets(inputs[1].integers)
    if base.dtype.isFloatingPoint {
      var values = base.doubles
      for (offset, update) in zip(offsets, inputs[2].doubles) {
        values[offset] = Self.combine(values[offset], update)
      }
      return [HostArray(base.type, values)]
    }
    var values = base.integers
    for (offset, update) in zip(offsets, inputs[2].integers) {
      values[offset] = Self.combine(values[offset], update)
    }
    return [HostArray(base.type, values)]
  }

  package var lowering: Lowering {
    .call { operands, results in
      guard let axes = try? IndexedAxis(op: name, operands[0], operands[1], axis) else { return [] }
      let bytes = results[0].byteCount
      // One row: the base as it is, then the updates on top.
      let copy = RuntimeCall(
        "mt_copy_rows", [.table([1, bytes, bytes, bytes, 0]), .operand(0), .result(0)])
      return [copy, call(axes, operands[0].dtype, operands[1].dtype)]
    }
  }
}

/// A base with slices added at indices along an axis: `base [outer…, K, inner…]`, indices `[J…]`,
/// updates `[outer…, J…, inner…]`. Indices clamp to `0..<K`; updates of one index add in ascending
/// order, so the bits do not depend on threads.
///
/// Gradient: to the base the cotangent, to the updates its `gather`; none flows to the indices.
package struct ScatterAdd: ScatterOp {
  package var axis: Int
  package init(axis: Int) { self.axis = axis }
  package static let name = "scatterAdd"
  package static let samples = ScatterAdd.sliceSamples(
    [.float32, .float64, .int32, .uint8], ulp: 64)
  package static func combine(_ old: Double, _ update: Double) -> Double { old + update }
  package static func combine(_ old: Int64, _ update: Int64) -> Int64 { old &+ update }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    let types = try inferSlices(operands)
    guard types[0].dtype != .bool else { throw TypeError(op: name, "no sum of bools") }
    return types
  }

  package func call(_ axes: IndexedAxis, _ base: DType, _ index: DType) -> RuntimeCall {
    RuntimeCall(
      "mt_scatter_add_\(index)_\(base)",
      [.table(axes.table), .operand(1), .operand(2), .result(0)])
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
  let place = here(base, file, line)
  if (0..<base.rank).contains(axis) {
    _ = base.trace.bound(indices, below: base.shape[axis], at: place)
  }
  return record(ScatterAdd(axis: axis), base, indices, updates, at: place)
}
