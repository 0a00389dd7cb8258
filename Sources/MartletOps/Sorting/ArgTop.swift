import MartletIR
import MartletLoops

/// The i32 places of the `count` largest (or smallest) elements along an axis, best first; of equal
/// elements the first comes first. NaN counts as the largest.
///
/// No gradient: the values are taken at these places, and their gradient goes back there.
package struct ArgTop: Op {
  package var axis: Int
  package var count: Int
  package var largest: Bool
  package init(axis: Int, count: Int, largest: Bool) {
    self.axis = axis
    self.count = count
    self.largest = largest
  }
  package static let name = "argTop"
  package var attributes: [Attribute] {
    [
      Attribute("axis", .integer(axis)), Attribute("count", .integer(count)),
      Attribute("largest", .bool(largest)),
    ]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["axis", "count", "largest"])
    axis = try attributes.integer("axis")
    count = try attributes.integer("count")
    largest = try attributes.bool("largest")
  }
  package static let samples: [OpSample] =
    ([.float32, .float64, .int32, .int64, .uint8] as [DType]).flatMap { dtype in
      (OpSample.lines.map { ($0.shape, $0.axis, 3) } + [([2, 200], 1, 90), ([200], 0, 5)])
        .enumerated().map { number, lines in
          OpSample(
            ArgTop(
              axis: lines.1, count: Swift.min(lines.2, lines.0[lines.1]), largest: number % 3 != 1),
            [TensorType(dtype, lines.0)], [-9...9], isSmooth: false, ulp: 0)
        }
    }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectNumbers(operands, axis: axis)
    let extent = operands[0].shape[axis]
    guard count >= 0, count <= extent else {
      throw TypeError(op: name, "the first \(count) of \(extent) elements")
    }
    return [try placesType(operands[0].shape, axis: axis, count: count)]
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let order = inputs[0].order(nanIsLargest: true)
    return [
      inputs[0].sortedPlaces(axis, count: count) { largest ? order($1, $0) : order($0, $1) }
    ]
  }

  package var lowering: Lowering {
    .call { operands, _ in
      let table = AxisLines(operands[0].shape, axis).table(count, largest ? 1 : 0)
      return [
        RuntimeCall(
          "mt_arg_top_\(operands[0].dtype)", [.table(table), .operand(0), .result(0)])
      ]
    }
  }
  package var gradient: Gradient { .none(because: "the result is an index") }
}

extension Tensor {
  /// The `count` largest elements along `axis` (the smallest unless `largest`) and their places (i32),
  /// best first; of equal elements the first comes first.
  ///
  /// NaN counts as the largest, as for ``argmax(axis:keepDims:file:line:)``. Numbers. A negative axis
  /// counts from the end. Gradient: each value's cotangent to its place; none to the places. Refused
  /// when the axis has fewer elements.
  public func topK(
    _ count: Int, axis: Int = -1, largest: Bool = true, file: StaticString = #fileID,
    line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) {
    composite(self, file, line) {
      guard let axis = checkedAxis(axis, op: "topK", at: trace.place) else {
        return (poisoned, poisoned)
      }
      let places = record(ArgTop(axis: axis, count: count, largest: largest), self)
      guard places.value != nil else { return (poisoned, places) }
      return (record(TakeAlong(axis: axis), self, places), places)
    }
  }
}
