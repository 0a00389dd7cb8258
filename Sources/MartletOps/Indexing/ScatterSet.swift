import MartletIR
import MartletLoops

/// A base with slices replaced at indices along an axis: `base [outer…, K, inner…]`, indices `[J…]`,
/// updates `[outer…, J…, inner…]`. Indices clamp to `0..<K`; of equal indices the last one stays.
///
/// Gradient: to the base the cotangent, zeros where it was replaced; to the updates the cotangent at
/// their indices, zeros to those that did not stay; none flows to the indices.
package struct ScatterSet: ScatterOp {
  package var axis: Int
  package init(axis: Int) { self.axis = axis }
  package static let name = "scatterSet"
  package static let samples = ScatterSet.sliceSamples(
    [.float32, .float64, .int32, .uint8, .bool], ulp: 0)
  package static func combine(_ old: Double, _ update: Double) -> Double { update }
  package static func combine(_ old: Int64, _ update: Int64) -> Int64 { update }

  package func call(_ axes: IndexedAxis, _ base: DType, _ index: DType) -> RuntimeCall {
    RuntimeCall(
      "mt_scatter_set_\(index)_\(base.byteCount)",
      [.table(axes.table), .operand(2), .operand(1), .result(0)])
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
