import MartletIR
import MartletLoops

/// Permutes axes: result axis i is operand axis `permutation[i]`.
///
/// Gradient: the inverse permutation.
package struct Transpose: Op {
  package var permutation: [Int]
  package init(_ permutation: [Int]) { self.permutation = permutation }
  package static let name = "transpose"
  package var attributes: [Attribute] { [Attribute("permutation", .integers(permutation))] }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["permutation"])
    permutation = try attributes.integers("permutation")
  }
  package static let samples = [
    OpSample(Transpose([1, 0]), [TensorType(.float32, [3, 5])], [-2...2], ulp: 0),
    OpSample(Transpose([2, 0, 1]), [TensorType(.float64, [2, 3, 4])], [-2...2], ulp: 0),
    OpSample(Transpose([0, 2, 1]), [TensorType(.int32, [2, 33, 17])], [-9...9], ulp: 0),
    OpSample(Transpose([]), [TensorType(.float32, [])], [-2...2], ulp: 0),
  ]

  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 1)
    let x = operands[0]
    guard permutation.count == x.shape.rank else {
      throw TypeError(op: name, "permutation \(permutation) does not fit rank \(x.shape.rank)")
    }
    try expectAxes(permutation, rank: x.shape.rank)
    return [TensorType(x.dtype, Shape(permutation.map { x.shape[$0] }))]
  }

  private func map(_ operand: TensorType) -> IndexMap {
    let strides = operand.shape.strides
    return IndexMap(
      dims: permutation.map { operand.shape[$0] }, strides: permutation.map { strides[$0] })
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let map = map(inputs[0].type)
    return [inputs[0].gathered((0..<map.count).map(map.offset(at:)), Shape(map.dims))]
  }

  package var lowering: Lowering { .view { operand, _ in map(operand) } }

  package var gradient: Gradient {
    .rule { v in
      var inverse = permutation
      for (to, from) in permutation.enumerated() { inverse[from] = to }
      return [v.dy.transposed(inverse)]
    }
  }
}

extension Tensor {
  /// Permutes axes: result axis i is axis `permutation[i]` of this tensor.
  public func transposed(
    _ permutation: [Int], file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    record(Transpose(permutation), self, at: here(self, file, line))
  }
  /// Reverses the order of the axes.
  public var transposed: Tensor { record(Transpose((0..<rank).reversed()), self) }
}
