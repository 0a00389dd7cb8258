// Copies a body graph into a trace.

import MartletIR

/// Records the nodes of `body`, applied to `operands`, and returns its results.
package func inline(_ body: Graph, _ operands: [Tensor]) -> [Tensor] {
  guard let first = operands.first else { return [] }
  return inline(body, operands, in: first.trace)
}

/// The same into a given trace.
package func inline(_ body: Graph, _ operands: [Tensor], in trace: Trace) -> [Tensor] {
  var map = [Tensor?](repeating: nil, count: body.values.count)
  for (parameter, operand) in zip(body.parameters, operands) { map[parameter.value.id] = operand }
  for node in body.nodes {
    guard let op = node.op as? any Op else { continue }
    let inputs = node.operands.compactMap { map[$0.id] }
    let results = trace.record(op, inputs, regions: node.regions, at: node.location)
    for (value, result) in zip(node.results, results) { map[value.id] = result }
  }
  return body.outputs.compactMap { map[$0.value.id] }
}
