import MartletIR
import MartletLoops

/// Slices of the first operand at the indices of the second along an axis:
/// `[outer…, K, inner…], i32 or i64 [J…] → [outer…, J…, inner…]`. Indices clamp to `0..<K`.
///
/// Gradient: `scatterAdd` of the cotangent into zeros; none flows to the indices.
package struct Gather: Op {
  package var axis: Int
  package init(axis: Int) { self.axis = axis }
  package static let name = "gather"
  package var attributes: [Attribute] { [Attribute("axis", .integer(axis))] }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["axis"])
    axis = try attributes.integer("axis")
  }
  package static let samples: [OpSample] = {
    let cases: [(Int, Shape, Shape)] = [
      (0, [5], [3]), (0, [5, 3], [4]), (1, [3, 4], [2, 3]), (1, [2, 5, 3], []),
      (2, [2, 3, 7], [1]),
      (0, [4, 2], [0]), (1, [0, 4], [3]), (0, [40, 9], [33]),
    ]
    return ([.float32, .float64, .int32, .uint8] as [DType]).flatMap { dtype in
      ([.int32, .int64] as [DType]).flatMap { index in
        cases.map {
          // Beyond both ends, so that clamping is seen.
          OpSample(
            Gather(axis: $0), [TensorType(dtype, $1), TensorType(index, $2)], [0...9, -2...8],
            ulp: 0)
        }
      }
    }
  }()

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 2)
    let (x, index) = (operands[0], operands[1])
    let axes = try IndexedAxis(op: name, x, index, axis)
    return [TensorType(x.dtype, Shape(axes.leading + index.shape.dimensions + axes.trailing))]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let type = try infer(inputs.map(\.type), [])[0]
    let axes = try IndexedAxis(op: name, inputs[0].type, inputs[1].type, axis)
    return [inputs[0].gathered(axes.offsets(inputs[1].integers), type.shape)]
  }

  package var lowering: Lowering {
    .call { operands, _ in
      guard let axes = try? IndexedAxis(op: name, operands[0], operands[1], axis) else { return [] }
      return [
        RuntimeCall(
          "mt_gather_\(operands[1].dtype)_\(operands[0].dtype.byteCount)",
          [.table(axes.table), .operand(0), .operand(1), .result(0)])
      ]
    }
  }

  package var gradient: Gradient {
    .rule { v in
      [record(ScatterAdd(axis: axis), zerosLike(v.inputs[0]), v.inputs[1], v.dy), nil]
    }
  }
}

/// An array seen as [outer, axis, inner], indexed along its middle.
package struct IndexedAxis {
  package let leading: [Int]
  package let extent: Int
  package let trailing: [Int]
  package let count: Int

  package init(
    op: String, _ x: TensorType, _ index: TensorType, _ axis: Int
  ) throws(TypeError) {
    guard index.dtype == .int32 || index.dtype == .int64 else {
      throw TypeError(
        op: op, "indices must be i32 or i64, got \(index)",
        hint: "convert them: indices.converted(to: .int32)")
    }
    guard axis >= 0, axis < x.shape.rank else {
      throw TypeError(op: op, "axis \(axis) is out of range for \(x)")
    }
    leading = Array(x.shape.dimensions[..<axis])
    extent = x.shape[axis]
    trailing = Array(x.shape.dimensions[(axis + 1)...])
    count = index.count
    guard extent > 0 || count == 0 else {
      throw TypeError(op: op, "axis \(axis) of \(x) is empty: no index fits")
    }
  }

  package var outer: Int { Shape(leading).count }
  package var inner: Int { Shape(trailing).count }
  /// The runtime's table: outer, axis, inner, count.
  package var table: [Int] { [outer, extent, inner, count] }

  /// For each element of [outer, count, inner], the offset in [outer, axis, inner].
  package func offsets(_ indices: [Int64]) -> [Int] {
    var result: [Int] = []
    result.reserveCapacity(outer * count * inner)
    for o in 0..<outer {
      for index in indices {
        let clamped = Int(Swift.min(Swift.max(index, 0), Int64(extent - 1)))
        let base = (o * extent + clamped) * inner
        for i in 0..<inner { result.append(base + i) }
      }
    }
    return result
  }
}

/// Slices of `x` along `axis` at integer `indices`:
/// `[outer…, K, inner…], [J…] → [outer…, J…, inner…]` (NumPy's `take`).
///
/// Indices are i32 or i64. Those given to the program directly are checked against `0..<K` before
/// each step; computed ones clamp. With `axis: 0` and a matrix of vectors it is an embedding
/// lookup. Gradient: to `x`, each cotangent slice added at its index, in a fixed order; none to the
/// indices.
public func gather(
  _ x: Tensor, _ indices: Tensor, axis: Int = 0, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  let axis = axis < 0 ? axis + x.rank : axis
  let place = here(x, file, line)
  if (0..<x.rank).contains(axis) {
    _ = x.trace.bound(indices, below: x.shape[axis], at: place)
  }
  return record(Gather(axis: axis), x, indices, at: place)
}
