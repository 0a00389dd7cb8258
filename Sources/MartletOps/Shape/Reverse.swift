import MartletIR
import MartletLoops

/// Reverses the order of the elements along axes.
///
/// Gradient: the same reversal.
package struct Reverse: Op {
  package var axes: [Int]
  package init(axes: [Int]) { self.axes = axes }
  package static let name = "reverse"
  package var attributes: [Attribute] { [Attribute("axes", .integers(axes))] }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["axes"])
    axes = try attributes.integers("axes")
  }
  package static let samples: [OpSample] = {
    let cases: [([Int], DType, Shape)] = [
      ([0], .float32, [7]), ([1], .float64, [3, 5]), ([0, 2], .float64, [2, 3, 4]),
      ([1], .int32, [2, 130]), ([], .float32, []), ([0], .float32, [0]), ([0], .bool, [4, 1]),
    ]
    return cases.map {
      OpSample(Reverse(axes: $0), [TensorType($1, $2)], [$1 == .bool ? 0...1 : -2...2], ulp: 0)
    }
  }()

  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 1)
    try expectAxes(axes, rank: operands[0].shape.rank)
    return operands
  }

  private func map(_ operand: TensorType) -> IndexMap {
    var map = IndexMap.identity(operand.shape.dimensions)
    for axis in axes where operand.shape[axis] > 1 {
      map.offset += (operand.shape[axis] - 1) * map.strides[axis]
      map.strides[axis] = -map.strides[axis]
    }
    return map
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let map = map(inputs[0].type)
    return [inputs[0].gathered((0..<inputs[0].count).map(map.offset(at:)), inputs[0].shape)]
  }

  package var lowering: Lowering { .view { operand, _ in map(operand) } }
  package var gradient: Gradient { .rule { v in [v.dy.reversed(axes: axes)] } }
}

extension Tensor {
  /// The elements in reverse order along `axes` (all if nil; negative ones count from the end).
  ///
  /// Shape and dtype stay. Gradient: the cotangent reversed. Refused when an axis is out of range.
  public func reversed(
    axes: [Int]? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let axes = normalized(axes)
    return axes.isEmpty ? self : record(Reverse(axes: axes), self, at: here(self, file, line))
  }
}
