import MartletIR
import MartletLoops

/// Surrounds and spreads operand 0 with the scalar operand 1: `low[i]` fills before and `high[i]`
/// after axis i, where negative numbers cut, and `interior[i]` between neighbours.
///
/// Gradient: of the operand, the cotangent at its places; of the fill, the sum of the rest.
package struct Pad: Op {
  package var low: [Int]
  package var high: [Int]
  package var interior: [Int]
  package init(low: [Int], high: [Int], interior: [Int]) {
    self.low = low
    self.high = high
    self.interior = interior
  }
  package static let name = "pad"
  package var attributes: [Attribute] {
    [
      Attribute("low", .integers(low)), Attribute("high", .integers(high)),
      Attribute("interior", .integers(interior)),
    ]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["low", "high", "interior"])
    low = try attributes.integers("low")
    high = try attributes.integers("high")
    interior = try attributes.integers("interior")
  }
  package static let samples: [OpSample] = {
    let cases: [(Pad, DType, Shape)] = [
      (Pad(low: [1], high: [2], interior: [0]), .float32, [4]),
      (Pad(low: [0, 1], high: [2, 0], interior: [1, 2]), .float64, [3, 4]),
      (Pad(low: [-1, 1], high: [1, -2], interior: [0, 0]), .float64, [3, 4]),
      (Pad(low: [-2], high: [-1], interior: [2]), .float64, [4]),
      (
        Pad(low: [0, 1, 1, 0], high: [0, 1, 1, 0], interior: [0, 0, 0, 0]), .float32, [2, 3, 4, 2]
      ),
      (Pad(low: [-3], high: [0], interior: [0]), .float32, [3]),
      (Pad(low: [2], high: [1], interior: [3]), .float64, [0]),
      (Pad(low: [], high: [], interior: []), .float32, []),
      (Pad(low: [3], high: [0], interior: [1]), .int32, [5]),
      (Pad(low: [1], high: [1], interior: [0]), .bool, [3]),
    ]
    return cases.map {
      let range: ClosedRange<Double> = $1 == .bool ? 0...1 : -2...2
      return OpSample($0, [TensorType($1, $2), TensorType($1, [])], [range, range], ulp: 0)
    }
  }()

  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 2)
    let (x, fill) = (operands[0], operands[1])
    let rank = x.shape.rank
    guard low.count == rank, high.count == rank, interior.count == rank else {
      throw TypeError(op: name, "low, high and interior need one number for each axis of \(x)")
    }
    guard fill == TensorType(x.dtype, []) else {
      throw TypeError(op: name, "the fill must be \(TensorType(x.dtype, [])), got \(fill)")
    }
    var shape: [Int] = []
    for axis in 0..<rank {
      guard interior[axis] >= 0, interior[axis] < Int.max / 2 else {
        throw TypeError(op: name, "interior padding \(interior[axis]) on axis \(axis)")
      }
      let (gaps, o1) = interior[axis].multipliedReportingOverflow(by: max(0, x.shape[axis] - 1))
      let (spread, o2) = gaps.addingReportingOverflow(x.shape[axis])
      let (raised, o3) = spread.addingReportingOverflow(low[axis])
      let (extent, o4) = raised.addingReportingOverflow(high[axis])
      guard !o1, !o2, !o3, !o4, extent >= 0, low[axis] > Int.min / 2 else {
        throw TypeError(
          op: name,
          "padding \(x.shape[axis]) by \(low[axis]) and \(high[axis]) on axis \(axis) leaves no valid extent"
        )
      }
      shape.append(extent)
    }
    return [TensorType(x.dtype, Shape(shape))]
  }

  private func map(_ operand: TensorType, _ result: TensorType) -> PadMap {
    PadMap(
      dims: result.shape.dimensions, sourceDims: operand.shape.dimensions,
      strides: operand.shape.strides, low: low, interior: interior)
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let (x, fill) = (inputs[0], inputs[1])
    let type = try infer(inputs.map(\.type), [])[0]
    let map = map(x.type, type)
    if x.dtype.isFloatingPoint {
      let (values, rest) = (x.doubles, fill.double(at: 0))
      return [
        HostArray(type, (0..<type.count).map { map.offset(at: $0).map { values[$0] } ?? rest })
      ]
    }
    let (values, rest) = (x.integers, fill.integers[0])
    return [
      HostArray(type, (0..<type.count).map { map.offset(at: $0).map { values[$0] } ?? rest })
    ]
  }

  package var lowering: Lowering { .pad { map($0, $1) } }

  package var gradient: Gradient {
    .rule { v in
      let x = v.x
      // Undoing: cut what was added, add zeros where it was cut, then drop the gaps.
      let spread = v.dy.padded(low: low.map { -$0 }, high: high.map { -$0 })
      let dx = spread.sliced(
        start: low.map { _ in 0 }, limit: spread.shape.dimensions,
        stride: interior.indices.map { x.shape[$0] > 1 ? interior[$0] + 1 : 1 })
      // A select, not a difference of two sums: that would cancel.
      let isInside = record(
        self, x.trace.constant(1, .bool).broadcasted(to: x.shape), x.trace.constant(0, .bool))
      return [dx, select(isInside, 0, v.dy).sum()]
    }
  }
}

extension PadMap {
  /// The source element at a flat index of the result; nil where the fill is.
  package func offset(at flatIndex: Int) -> Int? {
    var rest = flatIndex
    var result = 0
    for axis in dims.indices.reversed() {
      let position = rest % dims[axis] - low[axis]
      rest /= dims[axis]
      let (index, gap) = position.quotientAndRemainder(dividingBy: interior[axis] + 1)
      guard position >= 0, gap == 0, index < sourceDims[axis] else { return nil }
      result += index * strides[axis]
    }
    return result
  }
}

extension Tensor {
  /// Surrounds and spreads the elements with a fill: `low[i]` before and `high[i]` after axis i,
  /// where negative numbers cut, and `interior[i]` (0 if nil) between neighbours.
  ///
  /// Extent i of the result is `low + n + (n − 1) · interior + high`. Gradient: the cotangent at the
  /// elements' places. Refused when an extent would be negative.
  public func padded(
    low: [Int], high: [Int], interior: [Int]? = nil, with fill: Double = 0,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let interior = interior ?? low.map { _ in 0 }
    let isNothing = (low + high + interior).allSatisfy { $0 == 0 }
    if isNothing, low.count == rank, high.count == rank, interior.count == rank { return self }
    return record(
      Pad(low: low, high: high, interior: interior), self, trace.constant(fill, dtype),
      at: here(self, file, line))
  }
}
