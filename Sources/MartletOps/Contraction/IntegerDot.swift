import MartletIR
import MartletLoops

/// Products of bytes, `z[…, j] = Σ_k x[…, k] · w[k, j]`: x of u8, weights of i8, packed
/// (``PackFilter``), sums of i32 that are exact on every instruction set (and wrap around).
///
/// No gradient: the operands are integers.
package struct IntegerDot: Op {
  /// N: the packed weights do not say it.
  package var columns: Int
  package init(columns: Int) { self.columns = columns }
  package static let name = "integerDot"
  package var attributes: [Attribute] { [Attribute("columns", .integer(columns))] }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["columns"])
    columns = try attributes.integer("columns")
  }
  package static let samples: [OpSample] = {
    let cases: [(Shape, Int)] = [
      ([3, 8], 5), ([1, 8], 1), ([17, 36], 19), ([2, 3, 4], 40), ([4], 2), ([3, 0], 2),
      ([0, 4], 3),
    ]
    return cases.map { x, columns in
      let layout = PackedFilter(runs: 1, run: x.dimensions.last ?? 1, columns: columns)
      return OpSample(
        IntegerDot(columns: columns),
        [TensorType(.uint8, x), TensorType(.int8, [layout.count ?? 0])], [0...255, -128...127],
        isSmooth: false, ulp: 0)
    }
  }()

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 2)
    let (x, w) = (operands[0], operands[1])
    guard x.dtype == .uint8, w.dtype == .int8, let run = x.shape.dimensions.last else {
      throw TypeError(op: name, "takes u8[…, K] and packed weights of i8, got \(x) and \(w)")
    }
    guard let count = PackedFilter(runs: 1, run: run, columns: columns).count, w.shape == [count]
    else {
      throw TypeError(op: name, "\(w) are no packed weights of [\(run), \(columns)]")
    }
    return [TensorType(.int32, Shape(Array(x.shape.dimensions.dropLast()) + [columns]))]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let type = try infer(inputs.map(\.type), [])[0]
    let (x, w) = (inputs[0].integers, inputs[1].integers)
    let run = inputs[0].shape.dimensions.last ?? 1
    let layout = PackedFilter(runs: 1, run: run, columns: columns)
    var result: [Int64] = []
    result.reserveCapacity(type.count)
    for row in 0..<(columns == 0 ? 0 : type.count / columns) {
      for column in 0..<columns {
        var sum: Int64 = 0
        for k in 0..<run { sum &+= x[row * run + k] &* w[layout.place(0, k, column)] }
        result.append(sum)
      }
    }
    return [HostArray(type, result)]
  }

  package var lowering: Lowering { .contraction(.integerDot(columns: columns)) }
  package var forward: ForwardRule { .transposed }
  package var gradient: Gradient { .none(because: "its operands are integers") }
}

/// `x · w` in i32: x `[…, K]` of u8, w `[K, N]` of i8.
package func integerMatmul(
  _ x: Tensor, _ w: Tensor, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  let place = here(x, file, line)
  guard x.dtype == .uint8, w.dtype == .int8, w.rank == 2, x.shape.dimensions.last == w.shape[0]
  else {
    return refuse(IntegerDot.name, "takes u8[…, K] and i8[K, N]", x, w, at: place)
  }
  return record(
    IntegerDot(columns: w.shape[1]), x, w.packedFilter(runs: 1, at: place), at: place)
}
