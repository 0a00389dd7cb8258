import MartletIR
import MartletLoops

/// Applies the body graph in region 0 to the operands: what a loop will be, without the loop.
///
/// Gradient: that of the body, inlined.
package struct Call: Op, AttributeFree {
  package init() {}
  package static let name = "call"

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    guard regions.count == 1 else {
      throw TypeError(op: name, "takes one body graph, got \(regions.count)")
    }
    let body = regions[0]
    try expectOperands(operands, body.parameters.count)
    for (operand, parameter) in zip(operands, body.parameters) {
      guard parameter.role == .argument else {
        throw TypeError(op: name, "the body must not hold state ('\(parameter.name)')")
      }
      guard operand == body.type(parameter.value) else {
        throw TypeError(
          op: name, "the body takes \(body.type(parameter.value)), got \(operand)")
      }
    }
    guard !body.outputs.isEmpty, body.outputs.allSatisfy({ $0.role == .result }) else {
      throw TypeError(op: name, "the body must return values, and assign none")
    }
    return body.outputs.map { body.type($0.value) }
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    try Interpreter().run(regions[0], inputs)
  }

  package var lowering: Lowering { .inlined }
  package var gradient: Gradient { .inlined }

  package static let samples: [OpSample] = {
    // y = tanh(a · b) + a, and a · b: several results, a value used twice.
    let type = TensorType(.float64, [3, 2])
    var body = Graph(name: "body")
    let a = body.addParameter(type, name: "a")
    let b = body.addParameter(type, name: "b")
    let product = body.append(Multiply(), [a, b], types: [type])
    let squashed = body.append(Tanh(), product, types: [type])
    let sum = body.append(Add(), squashed + [a], types: [type])
    body.addOutput(sum[0])
    body.addOutput(product[0])
    // A body that calls a body.
    var outer = Graph(name: "outer")
    let c = outer.addParameter(type, name: "c")
    let inner = outer.append(Call(), [c, c], types: [type, type], regions: [body])
    outer.addOutput(inner[0])
    return [
      OpSample(Call(), [type, type], [-2...2, -2...2], regions: [body]),
      OpSample(Call(), [type], [-2...2], regions: [outer]),
    ]
  }()
}
