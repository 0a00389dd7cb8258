import MartletIR
import MartletLoops

/// One of two body graphs, as a bool scalar says: region 0 where it holds, else region 1.
///
/// Operands: the predicate, then what both bodies take. Only the chosen body runs. Results: what both
/// bodies return.
///
/// Gradient: the same choice between the derivatives of the bodies; the chosen body runs again there.
package struct Conditional: Op, AttributeFree {
  package init() {}
  package static let name = "conditional"

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    guard regions.count == 2 else {
      throw TypeError(op: name, "takes two body graphs, got \(regions.count)")
    }
    guard operands.first == TensorType(.bool, []) else {
      throw TypeError(
        op: name, "the predicate must be bool[], got \(operands.first?.description ?? "nothing")",
        hint: "select(condition, a, b) chooses element by element")
    }
    let inputs = Array(operands.dropFirst())
    var results: [[TensorType]] = []
    for body in regions {
      try expectBody(body, inputs)
      results.append(body.outputs.map { body.type($0.value) })
    }
    guard results[0] == results[1] else {
      let texts = results.map { $0.map(\.description).joined(separator: ", ") }
      throw TypeError(op: name, "the bodies return \(texts[0]) and \(texts[1])")
    }
    return results[0]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let body = inputs[0].integers[0] != 0 ? regions[0] : regions[1]
    return try Interpreter().run(body, Array(inputs.dropFirst()))
  }

  package var lowering: Lowering { .region(.conditional) }

  package var gradient: Gradient {
    .rule { v in
      let trace = innermost(v.results)
      let floats = v.inputs.indices.dropFirst().filter { v.inputs[$0].dtype.isFloatingPoint }
      let seeds = v.results.indices.filter {
        v.cotangents[$0] != nil && v.results[$0].dtype.isFloatingPoint
      }
      var gradients = [Tensor?](repeating: nil, count: v.inputs.count)
      guard !floats.isEmpty, !seeds.isEmpty else { return gradients }
      let operands = v.inputs.dropFirst() + seeds.compactMap { v.cotangents[$0] }
      let bodies = v.regions.map { body in
        let inner = Trace(bodyOf: trace, name: "gradient")
        let arguments = operands.enumerated().map {
          inner.argument($0.element.type, name: "p\($0.offset)")
        }
        let given = Array(arguments.prefix(v.inputs.count - 1))
        let results = inline(body, given, in: inner)
        let shares = v.pullback(
          seeds.map { results[$0] }, Array(arguments.suffix(seeds.count)),
          floats.map { given[$0 - 1] })
        let values = shares.compactMap { inner.local($0)?.value }
        var graph = inner.graph
        inner.endBody()
        for value in values { graph.addOutput(value) }
        return graph
      }
      let shares = trace.record(Conditional(), [v.inputs[0]] + operands, regions: bodies)
      if shares.count == floats.count {
        for (index, share) in zip(floats, shares) { gradients[index] = share }
      }
      return gradients
    }
  }

  package static let samples: [OpSample] = {
    [DType.float32, .float64].flatMap { dtype -> [OpSample] in
      let type = TensorType(dtype, [2, 3])
      func body(_ make: (inout Graph, [Value]) -> [Value]) -> Graph {
        var graph = Graph(name: "body")
        let values = [
          graph.addParameter(type, name: "a"), graph.addParameter(type, name: "b"),
        ]
        for value in make(&graph, values) { graph.addOutput(value) }
        return graph
      }
      let product = body { graph, v in
        let y = graph.append(Multiply(), v, types: [type])
        return graph.append(Tanh(), y, types: [type]) + [v[0]]
      }
      let sum = body { graph, v in
        let y = graph.append(Add(), v, types: [type])
        return y + y
      }
      let operands = [TensorType(.bool, []), type, type]
      return [0.0, 1].map {
        OpSample(
          Conditional(), operands, [$0...$0, -1...1, -1...1], regions: [product, sum], ulp: 64)
      }
    }
  }()
}

extension Op {
  /// Throws unless a body takes these operands and returns values.
  package func expectBody(_ body: Graph, _ operands: [TensorType]) throws(TypeError) {
    guard body.parameters.count == operands.count else {
      throw TypeError(
        op: name, "a body takes \(body.parameters.count) values, got \(operands.count)")
    }
    for (operand, parameter) in zip(operands, body.parameters) {
      guard parameter.role == .argument else {
        throw TypeError(op: name, "the body must not hold state ('\(parameter.name)')")
      }
      guard operand == body.type(parameter.value) else {
        throw TypeError(op: name, "the body takes \(body.type(parameter.value)), got \(operand)")
      }
    }
    guard !body.outputs.isEmpty, body.outputs.allSatisfy({ $0.role == .result }) else {
      throw TypeError(op: name, "the body must return values, and assign none")
    }
  }
}
