import MartletIR
import MartletLoops

/// The same elements in row-major order under another shape of equal count.
///
/// Gradient: the reshape back.
package struct Reshape: Op {
  package var shape: [Int]
  package init(_ shape: Shape) { self.shape = shape.dimensions }
  package static let name = "reshape"
  package var attributes: [Attribute] { [Attribute("shape", .integers(shape))] }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["shape"])
    shape = try attributes.integers("shape")
  }
  package static let samples = [
    OpSample(Reshape([6]), [TensorType(.float32, [2, 3])], [-2...2], ulp: 0),
    OpSample(Reshape([3, 1, 4]), [TensorType(.float64, [2, 6])], [-2...2], ulp: 0),
    OpSample(Reshape([]), [TensorType(.int32, [1, 1])], [-2...2], ulp: 0),
    OpSample(Reshape([0, 5]), [TensorType(.float32, [3, 0])], [-2...2], ulp: 0),
  ]

  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 1)
    guard let count = Shape(shape).checkedCount, count == operands[0].count else {
      throw TypeError(
        op: name,
        "\(operands[0].shape) has \(operands[0].count) elements, \(Shape(shape)) another number")
    }
    return [TensorType(operands[0].dtype, Shape(shape))]
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    [inputs[0].reshaped(Shape(shape))]
  }

  package var lowering: Lowering { .view { _, result in .identity(result.shape.dimensions) } }
  package var gradient: Gradient { .rule { v in [v.dy.reshaped(v.x.shape)] } }
}

extension Tensor {
  /// The same elements in row-major order under another shape; one extent may be −1.
  public func reshaped(
    _ shape: Shape, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    var target = shape
    if let hole = shape.dimensions.firstIndex(of: -1) {
      let rest = Shape(shape.dimensions.filter { $0 != -1 }).checkedCount ?? 0
      if rest > 0, count % rest == 0 { target.dimensions[hole] = count / rest }
    }
    return target == self.shape ? self : record(Reshape(target), self, at: here(self, file, line))
  }
}
