// Functions of integer indices.

import MartletIR

/// One-hot vectors of integer indices: `[…] → […, classes]`, `on` at the index, `off` elsewhere.
///
/// Indices given to the program directly are checked against `0..<classes` before each step;
/// computed ones clamp. No gradient. Refused for non-integers.
public func oneHot(
  _ indices: Tensor, classes: Int, dtype: DType = .float32, on: Double = 1, off: Double = 0,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(indices, file, line) {
    guard indices.dtype.isInteger, classes > 0 else {
      return refuse(
        "oneHot", "needs integer indices and at least one class, got \(classes)", indices,
        at: indices.trace.place,
        type: TensorType(dtype, Shape(indices.shape.dimensions + [max(0, classes)])))
    }
    let hit = indices.indexed(below: classes).matches(classes)
    let literals = [on, off].map {
      indices.trace.constant($0, dtype).broadcasted(to: hit.shape)
    }
    return select(hit, literals[0], literals[1])
  }
}

/// Elements of `x` at integer `indices` along one axis (NumPy's `take_along_axis`): both of one
/// shape but for that axis, result of the shape of `indices`.
///
/// `y[…, j, …] = x[…, indices[…, j, …], …]`. Indices given to the program directly are checked before
/// each step; computed ones clamp. Gradient: `dy` added at the indices, in a fixed order. Refused when
/// shapes do not fit.
public func takeAlongAxis(
  _ x: Tensor, _ indices: Tensor, axis: Int, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    let place = x.trace.place
    guard let axis = x.checkedAxis(axis, op: "takeAlongAxis", at: place) else { return x.poisoned }
    guard indices.dtype.isInteger else {
      return refuse("takeAlongAxis", "needs integer indices", x, indices, at: place)
    }
    let index = x.shape[axis] > 0 ? indices.indexed(below: x.shape[axis]) : indices
    return record(TakeAlong(axis: axis), x, index)
  }
}
