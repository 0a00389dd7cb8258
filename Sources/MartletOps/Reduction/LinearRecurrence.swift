import MartletIR
import MartletLoops

/// A linear recurrence of the first order along an axis: `y[k] = a[k] · y[k−1] + b[k]`, `y[−1] = 0`;
/// operand 0 holds the factors (the first is not used), operand 1 the terms.
///
/// Gradient: the recurrence of the cotangent from the other end, `g[k] = dy[k] + a[k+1] · g[k+1]`; then
/// `db = g` and `da[k] = g[k] · y[k−1]`.
package struct LinearRecurrence: Op {
  package var axis: Int
  package var reverse: Bool
  package init(axis: Int, reverse: Bool) {
    self.axis = axis
    self.reverse = reverse
  }
  package static let name = "linearRecurrence"
  package var attributes: [Attribute] {
    [Attribute("axis", .integer(axis)), Attribute("reverse", .bool(reverse))]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["axis", "reverse"])
    axis = try attributes.integer("axis")
    reverse = try attributes.bool("reverse")
  }
  package static let samples: [OpSample] = ([.float32, .float64] as [DType]).flatMap { dtype in
    OpSample.lines.enumerated().map { number, lines in
      let type = TensorType(dtype, lines.shape)
      return OpSample(
        LinearRecurrence(axis: lines.axis, reverse: number % 2 == 1), [type, type],
        [-0.9...0.9, -2...2], ulp: 16)
    }
  }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectNumbers(operands, count: 2, axis: axis)
    guard operands[0].dtype.isFloatingPoint else {
      throw TypeError(op: name, "takes floating-point operands, got \(operands[0])")
    }
    return [operands[0]]
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let (a, b) = (inputs[0].doubles, inputs[1].doubles)
    var y = b
    for line in AxisLines(inputs[0].shape, axis).offsets {
      var carried: Double?
      for place in reverse ? line.reversed() : line {
        let next = carried.map { a[place] * $0 + b[place] } ?? b[place]
        y[place] = next
        carried = next
      }
    }
    return [HostArray(inputs[0].type, y)]
  }

  package var lowering: Lowering {
    .call { operands, _ in
      let table = AxisLines(operands[0].shape, axis).table(0, reverse ? 1 : 0)
      return [
        RuntimeCall(
          "mt_linear_recurrence_\(operands[0].dtype)",
          [.table(table), .operand(0), .operand(1), .result(0)])
      ]
    }
  }

  package var gradient: Gradient {
    .rule { v in
      let factors = v.inputs[0].shifted(axis, forwards: reverse)
      let g = record(LinearRecurrence(axis: axis, reverse: !reverse), factors, v.dy)
      return [g * v.y.shifted(axis, forwards: !reverse), g]
    }
  }
}

/// A linear recurrence of the first order along an axis, `y[k] = factors[k] · y[k−1] + terms[k]` with
/// `y[−1] = 0`: moving averages, discounted returns, diagonal state-space layers.
///
/// Two floating-point tensors of one type; `reverse` walks from the axis' end. One step of a loop in
/// the runtime for all elements, carried in double precision. Gradient: to both, by the same
/// recurrence from the other end. Refused when the types differ or the axis is out of range.
public func linearRecurrence(
  _ factors: Tensor, _ terms: Tensor, axis: Int, reverse: Bool = false,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  let place = here(terms, file, line)
  guard let axis = terms.checkedAxis(axis, op: LinearRecurrence.name, at: place) else {
    return terms.poisoned
  }
  return record(LinearRecurrence(axis: axis, reverse: reverse), factors, terms, at: place)
}
