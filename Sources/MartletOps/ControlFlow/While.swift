import MartletIR
import MartletLoops

/// Runs region 1 as long as region 0 says so, `maximum` times at most.
///
///     while steps < maximum && condition(carry, constants) { carry = body(carry, constants) }
///
/// Operands: the initial carries, then constants; both bodies take them. Region 0 returns a bool
/// scalar, region 1 the next carries. Results: the last carries.
///
/// Gradient: none, because how often the body runs is known only when it does, and so is how much
/// the steps backwards would have to keep; a `scan` whose finished steps keep their carry has one.
package struct While: Op {
  package var maximum: Int
  package var carries: Int
  package init(maximum: Int, carries: Int) {
    self.maximum = maximum
    self.carries = carries
  }
  package static let name = "while"
  package var attributes: [Attribute] {
    [Attribute("maximum", .integer(maximum)), Attribute("carries", .integer(carries))]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["maximum", "carries"])
    maximum = try attributes.integer("maximum")
    carries = try attributes.integer("carries")
  }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    guard regions.count == 2 else {
      throw TypeError(op: name, "takes two body graphs, got \(regions.count)")
    }
    guard maximum > 0, (1...max(1, operands.count)).contains(carries), !operands.isEmpty else {
      throw TypeError(
        op: name, "at most \(maximum) steps of \(carries) carries among \(operands.count) operands")
    }
    for body in regions { try expectBody(body, operands) }
    let condition = regions[0].outputs.map { regions[0].type($0.value) }
    guard condition == [TensorType(.bool, [])] else {
      throw TypeError(op: name, "the condition must be one bool[]")
    }
    let next = regions[1].outputs.map { regions[1].type($0.value) }
    guard next == Array(operands[..<carries]) else {
      throw TypeError(
        op: name,
        "carries are \(operands[..<carries].map(\.description).joined(separator: ", ")) before a "
          + "step and \(next.map(\.description).joined(separator: ", ")) after it",
        hint: "a carry keeps its shape and dtype")
    }
    return next
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    var carry = Array(inputs[..<carries])
    let constants = Array(inputs[carries...])
    for _ in 0..<maximum {
      guard try Interpreter().run(regions[0], carry + constants)[0].integers[0] != 0 else { break }
      carry = try Interpreter().run(regions[1], carry + constants)
    }
    return carry
  }

  package var lowering: Lowering { .region(.whileLoop(maximum: maximum, carries: carries)) }
  package var gradient: Gradient {
    .none(because: "how often the body runs is known only when it does; use scan")
  }

  package static let samples: [OpSample] = {
    // x ← x · b + x, while Σ x < 50, at most 9 times.
    [DType.int32, .int64].map { dtype in
      let type = TensorType(dtype, [3])
      func parameters(_ graph: inout Graph) -> [Value] {
        [graph.addParameter(type, name: "x"), graph.addParameter(type, name: "b")]
      }
      var condition = Graph(name: "condition")
      let c = parameters(&condition)
      let scalar = TensorType(dtype, [])
      let sum = condition.append(ReduceSum(axes: [0]), [c[0]], types: [scalar])
      let bound = condition.append(Constant(HostArray(scalar, [50.0])), [], types: [scalar])
      let holds = condition.append(
        Compare(.lt), [sum[0], bound[0]], types: [TensorType(.bool, [])])
      condition.addOutput(holds[0])
      var body = Graph(name: "body")
      let v = parameters(&body)
      let product = body.append(Multiply(), v, types: [type])
      body.addOutput(body.append(Add(), [product[0], v[0]], types: [type])[0])
      return OpSample(
        While(maximum: 9, carries: 1), [type, type], [0...3, 0...2],
        regions: [condition, body])
    }
  }()
}
