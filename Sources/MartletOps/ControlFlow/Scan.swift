import MartletIR
import MartletLoops

/// Runs the body graph in region 0 once for each of `length` steps.
///
///     carry = initial
///     for t in 0..<length (backwards if reversed) {
///       carry, y[t] = body(carry, x[t], constants)
///     }
///     return carry, y
///
/// Operands: the initial carries, the scanned inputs (leading axis `length`), constants. The body
/// takes carries, one step of each scanned input, constants, and returns the next carries, then one
/// step of each stacked output. Results: the last carries, then the stacked outputs.
///
/// Gradient: a scan in the other direction over the stacked residuals (`ScanGradient.swift`). With
/// `recomputes` only the carries in front of each step are stacked, and the way back runs the body
/// again: for a body that is itself a loop over a segment of time, √T checkpointing.
package struct Scan: Op {
  package var length: Int
  package var carries: Int
  package var scanned: Int
  package var isReversed: Bool
  package var recomputes: Bool

  package init(
    length: Int, carries: Int, scanned: Int, isReversed: Bool, recomputes: Bool = false
  ) {
    self.recomputes = recomputes
    self.length = length
    self.carries = carries
    self.scanned = scanned
    self.isReversed = isReversed
  }

  package static let name = "scan"
  package var attributes: [Attribute] {
    [
      Attribute("length", .integer(length)), Attribute("carries", .integer(carries)),
      Attribute("scanned", .integer(scanned)), Attribute("reversed", .bool(isReversed)),
    ] + (recomputes ? [Attribute("recomputes", .bool(true))] : [])
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["length", "carries", "scanned", "reversed", "recomputes"])
    length = try attributes.integer("length")
    carries = try attributes.integer("carries")
    scanned = try attributes.integer("scanned")
    isReversed = try attributes.bool("reversed")
    recomputes =
      attributes.values["recomputes"] == nil ? false : try attributes.bool("recomputes")
  }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    guard regions.count == 1 else {
      throw TypeError(op: name, "takes one body graph, got \(regions.count)")
    }
    let body = regions[0]
    guard length > 0 else {
      throw TypeError(
        op: name, "runs over \(length) steps", hint: "a sequence needs at least one step")
    }
    guard carries >= 0, scanned >= 0, carries <= operands.count,
      scanned <= operands.count - carries
    else {
      throw TypeError(
        op: name, "\(operands.count) operands cannot be \(carries) carries and \(scanned) inputs")
    }
    guard operands.count == body.parameters.count else {
      throw TypeError(
        op: name, "the body takes \(body.parameters.count) values, got \(operands.count)")
    }
    for (index, (operand, parameter)) in zip(operands, body.parameters).enumerated() {
      guard parameter.role == .argument else {
        throw TypeError(op: name, "the body must not hold state ('\(parameter.name)')")
      }
      var type = operand
      if index >= carries, index < carries + scanned {
        guard operand.shape.rank > 0, operand.shape[0] == length else {
          throw TypeError(
            op: name, "input \(index - carries) is \(operand), the others have \(length) steps",
            hint: "the leading axis of every scanned input is time")
        }
        type.shape = Shape(Array(operand.shape.dimensions.dropFirst()))
      }
      guard type == body.type(parameter.value) else {
        throw TypeError(op: name, "the body takes \(body.type(parameter.value)), got \(type)")
      }
    }
    guard body.outputs.count >= max(1, carries),
      body.outputs.allSatisfy({ $0.role == .result })
    else {
      throw TypeError(
        op: name,
        "the body must return \(carries) carries and its outputs, not \(body.outputs.count) values")
    }
    var results: [TensorType] = []
    for (index, output) in body.outputs.enumerated() {
      let type = body.type(output.value)
      if index < carries {
        guard type == operands[index] else {
          throw TypeError(
            op: name, "carry \(index) is \(operands[index]) before a step and \(type) after it",
            hint: "a carry keeps its shape and dtype")
        }
        results.append(type)
      } else {
        results.append(TensorType(type.dtype, Shape([length] + type.shape.dimensions)))
      }
    }
    return results
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let body = regions[0]
    let types = try infer(inputs.map(\.type), regions)
    var carry = Array(inputs[..<carries])
    var stacks = [[HostArray?]](
      repeating: Array(repeating: nil, count: length), count: types.count - carries)
    for step in 0..<length {
      let place = isReversed ? length - 1 - step : step
      var arguments = carry
      for input in inputs[carries..<(carries + scanned)] {
        let shape = Shape(Array(input.shape.dimensions.dropFirst()))
        arguments.append(
          input.gathered(Array((place * shape.count)..<((place + 1) * shape.count)), shape))
      }
      arguments += inputs[(carries + scanned)...]
      let results = try Interpreter().run(body, arguments)
      carry = Array(results[..<carries])
      for index in stacks.indices { stacks[index][place] = results[carries + index] }
    }
    let stacked = zip(stacks, types[carries...]).map { stack, type in
      type.dtype.isFloatingPoint
        ? HostArray(type, stack.flatMap { $0?.doubles ?? [] })
        : HostArray(type, stack.flatMap { $0?.integers ?? [] })
    }
    return carry + stacked
  }

  package var lowering: Lowering {
    .region(
      .scan(length: length, carries: carries, scanned: scanned, isReversed: isReversed))
  }
  package var gradient: Gradient { .rule { v in pullback(v) } }

  package static let samples: [OpSample] = {
    func sample(
      _ dtype: DType, length: Int, isReversed: Bool, _ operands: [TensorType], carries: Int,
      scanned: Int, _ make: (inout Graph, [Value]) -> [Value]
    ) -> OpSample {
      var body = Graph(name: "body")
      let values = operands.enumerated().map { index, type in
        let isScanned = index >= carries && index < carries + scanned
        let own =
          isScanned
          ? TensorType(type.dtype, Shape(Array(type.shape.dimensions.dropFirst()))) : type
        return body.addParameter(own, name: "p\(index)")
      }
      for value in make(&body, values) { body.addOutput(value) }
      return OpSample(
        Scan(length: length, carries: carries, scanned: scanned, isReversed: isReversed), operands,
        operands.map { _ in -1...1 }, regions: [body], ulp: 64)
    }
    func cell(_ dtype: DType, _ length: Int, _ isReversed: Bool) -> OpSample {
      // h ← tanh(x + h · W) with h stacked, as in a recurrent net; W is a constant.
      let state = TensorType(dtype, [2, 3])
      let types = [state, TensorType(dtype, [length, 2, 3]), TensorType(dtype, [3, 3])]
      return sample(dtype, length: length, isReversed: isReversed, types, carries: 1, scanned: 1) {
        body, v in
        let axes = DotAxes(leftContract: [1], rightContract: [0])
        let product = body.append(Dot(axes), [v[0], v[2]], types: [state])
        let sum = body.append(Add(), [product[0], v[1]], types: [state])
        let next = body.append(Tanh(), sum, types: [state])
        return [next[0], next[0]]
      }
    }
    func exchange(_ dtype: DType) -> OpSample {
      // Two carries that change places, one of them accumulating; an output that is an input.
      let type = TensorType(dtype, [3])
      let types = [type, type, TensorType(dtype, [4, 3]), type]
      return sample(dtype, length: 4, isReversed: false, types, carries: 2, scanned: 1) { body, v in
        let product = body.append(Multiply(), [v[0], v[3]], types: [type])
        let sum = body.append(Add(), [product[0], v[2]], types: [type])
        return [v[1], sum[0], v[2], v[0]]
      }
    }
    return [.float32, .float64].flatMap { (dtype: DType) in
      [cell(dtype, 4, false), cell(dtype, 3, true), cell(dtype, 1, false), exchange(dtype)]
    }
  }()
}
