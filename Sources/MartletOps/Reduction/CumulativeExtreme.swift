import MartletIR
import MartletLoops

/// The i32 place of the largest (or smallest) of the elements up to each one, along an axis: the first of
/// equal ones as the walk goes; the first NaN stays.
///
/// No gradient: the values are taken at these places, and their gradient goes there.
package struct CumulativeExtreme: Op {
  package var axis: Int
  package var minimum: Bool
  package var reverse: Bool
  package init(axis: Int, minimum: Bool, reverse: Bool) {
    self.axis = axis
    self.minimum = minimum
    self.reverse = reverse
  }
  package static let name = "cumulativeExtreme"
  package var attributes: [Attribute] {
    [
      Attribute("axis", .integer(axis)), Attribute("minimum", .bool(minimum)),
      Attribute("reverse", .bool(reverse)),
    ]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["axis", "minimum", "reverse"])
    axis = try attributes.integer("axis")
    minimum = try attributes.bool("minimum")
    reverse = try attributes.bool("reverse")
  }
  package static let samples: [OpSample] =
    ([.float32, .float64, .int32, .int64, .uint8] as [DType]).flatMap { dtype in
      OpSample.lines.enumerated().map { number, lines in
        OpSample(
          CumulativeExtreme(axis: lines.axis, minimum: number % 3 == 1, reverse: number % 2 == 1),
          [TensorType(dtype, lines.shape)], [-4...4], isSmooth: false, ulp: 0)
      }
    }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectNumbers(operands, axis: axis)
    return [try placesType(operands[0].shape, axis: axis, count: operands[0].shape[axis])]
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let x = inputs[0]
    var places = [Int64](repeating: 0, count: x.count)
    let isBefore = x.order(nanIsLargest: true)
    for line in AxisLines(x.shape, axis).offsets {
      var best: Int?
      for k in reverse ? line.indices.reversed() : Array(line.indices) {
        let better =
          best.map { best in
            x.isNaN(line[best])
              ? false
              : x.isNaN(line[k])
                || (minimum ? isBefore(line[k], line[best]) : isBefore(line[best], line[k]))
          } ?? true
        if better { best = k }
        places[line[k]] = Int64(best ?? k)
      }
    }
    return [HostArray(TensorType(.int32, x.shape), places)]
  }

  package var lowering: Lowering {
    .call { operands, _ in
      let table = AxisLines(operands[0].shape, axis).table(0, reverse ? 1 : 0)
      return [
        RuntimeCall(
          "mt_cumulative_arg\(minimum ? "min" : "max")_\(operands[0].dtype)",
          [.table(table), .operand(0), .result(0)])
      ]
    }
  }
  package var gradient: Gradient { .none(because: "the result is an index") }
}

extension Op {
  /// The type of `count` i32 places along an axis; throws where i32 cannot name them.
  package func placesType(_ shape: Shape, axis: Int, count: Int) throws(TypeError) -> TensorType {
    guard shape[axis] <= Int(Int32.max) else {
      throw TypeError(op: name, "axis \(axis) of extent \(shape[axis]) has no i32 index")
    }
    var extents = shape.dimensions
    extents[axis] = count
    return TensorType(.int32, Shape(extents))
  }
}

extension HostArray {
  package func isNaN(_ offset: Int) -> Bool {
    dtype.isFloatingPoint && double(at: offset).isNaN
  }

  /// Whether the element at one offset is smaller than that at another; NaN above or below all others.
  package func order(nanIsLargest: Bool) -> (Int, Int) -> Bool {
    if dtype.isFloatingPoint {
      let values = doubles
      return { a, b in
        if values[a].isNaN || values[b].isNaN {
          return nanIsLargest
            ? !values[a].isNaN && values[b].isNaN : values[a].isNaN && !values[b].isNaN
        }
        return values[a] < values[b]
      }
    }
    let values = integers
    if dtype == .uint64 {
      return { UInt64(bitPattern: values[$0]) < UInt64(bitPattern: values[$1]) }
    }
    return { values[$0] < values[$1] }
  }
}

extension Tensor {
  /// The largest of the elements up to each one, along an axis; from the axis' end with `reverse`.
  ///
  /// Numbers; the type stays; NaN propagates. A negative axis counts from the end. Gradient: to the
  /// first of equal elements.
  public func cumulativeMax(
    axis: Int, reverse: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    composite(self, file, line) { cumulativeExtreme(axis, minimum: false, reverse) }
  }

  /// The smallest of the elements up to each one; otherwise as
  /// ``cumulativeMax(axis:reverse:file:line:)``.
  public func cumulativeMin(
    axis: Int, reverse: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    composite(self, file, line) { cumulativeExtreme(axis, minimum: true, reverse) }
  }

  private func cumulativeExtreme(_ axis: Int, minimum: Bool, _ reverse: Bool) -> Tensor {
    guard let axis = checkedAxis(axis, op: CumulativeExtreme.name, at: trace.place) else {
      return poisoned
    }
    let places = record(CumulativeExtreme(axis: axis, minimum: minimum, reverse: reverse), self)
    guard places.value != nil else { return poisoned }
    return record(TakeAlong(axis: axis), self, places)
  }
}
