// Copies a body graph into a trace.

import MartletIR

/// Records the nodes of `body`, applied to `operands`, and returns its results.
package func inline(_ body: Graph, _ operands: [Tensor]) -> [Tensor] {
  guard let trace = operands.first?.trace else { return [] }
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
