import MartletIR
import MartletLoops

/// Joins operands along an axis; their other extents and dtypes are equal.
///
/// Gradient: slices of the cotangent.
package struct Concatenate: Op {
  package var axis: Int
  package init(axis: Int) { self.axis = axis }
  package static let name = "concatenate"
  package var attributes: [Attribute] { [Attribute("axis", .integer(axis))] }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["axis"])
    axis = try attributes.integer("axis")
  }
  package static let samples: [OpSample] = {
    let cases: [(Int, DType, [Shape])] = [
      (0, .float32, [[3], [4]]), (1, .float64, [[2, 3], [2, 1], [2, 4]]),
      (0, .float64, [[2, 3], [1, 3]]), (1, .float64, [[2, 1, 3], [2, 2, 3]]),
      (0, .float32, [[5]]), (1, .float32, [[2, 0], [2, 3]]), (0, .int32, [[0], [0]]),
      (1, .bool, [[3, 1], [3, 2]]), (2, .uint8, [[2, 3, 5], [2, 3, 7]]),
      (1, .float32, [[130, 40], [130, 0], [130, 64], [130, 8], [130, 17]]),
      (1, .int32, [[9, 1], [9, 2], [9, 3], [9, 4], [9, 5]]), (1, .uint8, [[9, 3], [9, 2]]),
    ]
    return cases.map { axis, dtype, shapes in
      OpSample(
        Concatenate(axis: axis), shapes.map { TensorType(dtype, $0) },
        shapes.map { _ in dtype == .bool ? 0...1 : -2...2 }, ulp: 0)
    }
  }()

  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    guard let first = operands.first else {
      throw TypeError(op: name, "takes at least one operand, got none")
    }
    guard axis >= 0, axis < first.shape.rank else {
      throw TypeError(op: name, "axis \(axis) is out of range for \(first)")
    }
    var shape = first.shape.dimensions
    for operand in operands.dropFirst() {
      var other = operand.shape.dimensions
      guard operand.dtype == first.dtype else {
        throw TypeError(
          op: name, "dtypes differ: \(first) and \(operand)",
          hint: "convert one of them: x.converted(to: .\(caseName(first.dtype)))")
      }
      guard other.count == shape.count else {
        throw TypeError(op: name, "ranks differ: \(first) and \(operand)")
      }
      let (extent, overflow) = shape[axis].addingReportingOverflow(other[axis])
      other[axis] = extent
      shape[axis] = extent
      guard !overflow, other == shape else {
        throw TypeError(
          op: name, "only axis \(axis) may differ: \(first) and \(operand)")
      }
    }
    return [TensorType(first.dtype, Shape(shape))]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let type = try infer(inputs.map(\.type), [])[0]
    let rows = type.shape.dimensions[..<axis].reduce(1, *)
    // Elements of one row of each operand: all at and after the axis.
    let widths = inputs.map { $0.shape.dimensions[axis...].reduce(1, *) }
    func joined<T>(_ arrays: [[T]]) -> [T] {
      (0..<rows).flatMap { row in
        zip(arrays, widths).flatMap { $0[(row * $1)..<((row + 1) * $1)] }
      }
    }
    return type.dtype.isFloatingPoint
      ? [HostArray(type, joined(inputs.map(\.doubles)))]
      : [HostArray(type, joined(inputs.map(\.integers)))]
  }

  package var lowering: Lowering {
    .call { operands, results in
      let size = results[0].dtype.byteCount
      let rows = results[0].shape.dimensions[..<axis].reduce(1, *)
      let stride = results[0].shape.dimensions[axis...].reduce(1, *) * size
      let parts = operands.indices.filter { operands[$0].count > 0 }
      if rows >= 8, (2...4).contains(parts.count) {
        // One call for all, row by row; threads share the rows.
        let widths = parts.map { operands[$0].count / rows * size }
        let missing = 4 - parts.count
        var arguments: [RuntimeCall.Argument] = [
          .table([rows] + widths + [Int](repeating: 0, count: missing))
        ]
        for part in parts { arguments.append(.operand(part)) }
        for _ in 0..<missing { arguments.append(.integer(0)) }
        arguments.append(.result(0))
        return [RuntimeCall("mt_join_rows", arguments)]
      }
      var offset = 0
      var calls: [RuntimeCall] = []
      for (index, operand) in operands.enumerated() where operand.count > 0 {
        let width = operand.shape.dimensions[axis...].reduce(1, *) * size
        // {rows, bytes of a row, source stride, destination stride, destination offset}
        calls.append(
          RuntimeCall(
            "mt_copy_rows",
            [.table([rows, width, width, stride, offset]), .operand(index), .result(0)]))
        offset += width
      }
      return calls
    }
  }

  package var forward: ForwardRule { .linear(in: 0..<Int.max) }
  package var gradient: Gradient {
    .rule { v in
      var from = 0
      return v.inputs.map { x in
        defer { from += x.shape[axis] }
        return v.dy.sliced(from..<(from + x.shape[axis]), axis: axis)
      }
    }
  }
}

/// Joins tensors along an axis (a negative one counts from the end).
///
/// All have one dtype and, apart from that axis, one shape. Gradient: each operand gets its part of
/// the cotangent. Refused when the list is empty or the shapes do not fit.
public func concatenate(
  _ tensors: [Tensor], axis: Int = 0, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  guard let first = tensors.first else {
    return Trace.currentOrDetached.record(Concatenate(axis: axis), [])[0]
  }
  let place = here(first, file, line)
  guard let axis = first.checkedAxis(axis, op: Concatenate.name, at: place) else {
    return first.poisoned
  }
  return tensors.count == 1 ? first : recordAll(Concatenate(axis: axis), tensors, at: place)[0]
}
