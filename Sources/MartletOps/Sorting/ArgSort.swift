import MartletIR
import MartletLoops

/// The i32 places of the elements along an axis in ascending or descending order. Stable: equal elements
/// (−0 and +0 too) stay in their order; NaN comes last in both.
///
/// No gradient: sorted values are taken at these places, and their gradient goes back there.
package struct ArgSort: Op {
  package var axis: Int
  package var descending: Bool
  package init(axis: Int, descending: Bool) {
    self.axis = axis
    self.descending = descending
  }
  package static let name = "argSort"
  package var attributes: [Attribute] {
    [Attribute("axis", .integer(axis)), Attribute("descending", .bool(descending))]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["axis", "descending"])
    axis = try attributes.integer("axis")
    descending = try attributes.bool("descending")
  }
  package static let samples: [OpSample] =
    ([.float32, .float64, .int32, .int64, .uint8] as [DType]).flatMap { dtype in
      OpSample.lines.enumerated().map { number, lines in
        OpSample(
          ArgSort(axis: lines.axis, descending: number % 2 == 1), [TensorType(dtype, lines.shape)],
          [-9...9], isSmooth: false, ulp: 0)
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
    let order = x.order(nanIsLargest: !descending)
    return [
      x.sortedPlaces(axis, count: x.shape[axis]) { descending ? order($1, $0) : order($0, $1) }
    ]
  }

  package var lowering: Lowering {
    .call { operands, _ in
      let lines = AxisLines(operands[0].shape, axis)
      return [
        RuntimeCall(
          "mt_arg_sort_\(operands[0].dtype)",
          [.table(lines.table(lines.extent, descending ? 1 : 0)), .operand(0), .result(0)])
      ]
    }
  }
  package var gradient: Gradient { .none(because: "the result is an index") }
}

extension HostArray {
  /// The places of the first `count` elements of each line in this order; equal ones stay in theirs.
  package func sortedPlaces(
    _ axis: Int, count: Int, _ isBefore: (Int, Int) -> Bool
  ) -> HostArray {
    let lines = AxisLines(shape, axis)
    var extents = shape.dimensions
    extents[axis] = count
    let type = TensorType(.int32, Shape(extents))
    var places = [Int64](repeating: 0, count: type.count)
    for (number, line) in lines.offsets.enumerated() {
      // Swift's sort is stable, but does not promise it: the place decides between equal ones.
      let sorted = line.indices.sorted {
        isBefore(line[$0], line[$1]) || (!isBefore(line[$1], line[$0]) && $0 < $1)
      }
      for (c, place) in sorted.prefix(count).enumerated() {
        let (o, i) = (number / lines.inner, number % lines.inner)
        places[(o * count + c) * lines.inner + i] = Int64(place)
      }
    }
    return HostArray(type, places)
  }
}

extension Tensor {
  /// The places (i32) of the elements along `axis` in ascending or descending order.
  ///
  /// Stable: equal elements stay in their order. NaN comes last in both orders. Numbers. A negative
  /// axis counts from the end. No gradient.
  public func argsort(
    axis: Int = -1, descending: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let place = here(self, file, line)
    guard let axis = checkedAxis(axis, op: ArgSort.name, at: place) else { return poisoned }
    return record(ArgSort(axis: axis, descending: descending), self, at: place)
  }

  /// The elements along `axis` in ascending or descending order; the type stays.
  ///
  /// NaN comes last in both orders. Numbers. Gradient: each cotangent to the element that came to its
  /// place.
  public func sorted(
    axis: Int = -1, descending: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    composite(self, file, line) {
      guard let axis = checkedAxis(axis, op: "sorted", at: trace.place) else { return poisoned }
      let places = record(ArgSort(axis: axis, descending: descending), self)
      return places.value == nil ? poisoned : record(TakeAlong(axis: axis), self, places)
    }
  }
}
