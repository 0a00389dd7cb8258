// The oracle: runs a graph on host arrays, one operation after the other, slowly and obviously.

import MartletIR

/// Evaluates graphs with the operations' own oracles. Every compiled form is tested against it, and
/// it is the back end where executable memory is refused.
package struct Interpreter: Sendable {
  package init() {}

  /// The outputs of `graph` for one array for each parameter, in their orders. A value is dropped
  /// after its last use. Throws when an input or a result is not of the graph's type.
  /// `observe` sees each node's results.
  package func run(
    _ graph: Graph, _ inputs: [HostArray],
    observe: ((_ operation: String, _ location: String, _ results: [HostArray]) -> Void)? = nil
  ) throws(TypeError) -> [HostArray] {
    guard inputs.count == graph.parameters.count else {
      throw TypeError(
        op: graph.name, "takes \(graph.parameters.count) inputs, got \(inputs.count)")
    }
    var values = [HostArray?](repeating: nil, count: graph.values.count)
    for (parameter, input) in zip(graph.parameters, inputs) {
      guard input.type == graph.type(parameter.value) else {
        throw TypeError(
          op: graph.name,
          "'\(parameter.name)' is \(graph.type(parameter.value)), got \(input.type)")
      }
      values[parameter.value.id] = input
    }
    var uses = graph.useCounts()
    for node in graph.nodes {
      let results = try evaluate(node, values)
      observe?(node.op.name, node.location.scope, results)
      for (value, result) in zip(node.results, results) {
        guard result.type == graph.type(value), result.count == result.type.count else {
          throw TypeError(
            op: node.op.name, "evaluates to \(result.type), not \(graph.type(value))")
        }
        if uses[value.id] > 0 { values[value.id] = result }
      }
      for operand in node.operands {
        uses[operand.id] -= 1
        if uses[operand.id] == 0 { values[operand.id] = nil }
      }
    }
    var outputs: [HostArray] = []
    for output in graph.outputs {
      guard let value = values[output.value.id] else {
        throw TypeError(op: graph.name, "output '\(output.name)' has no value")
      }
      outputs.append(value)
    }
    return outputs
  }

  private func evaluate(_ node: Node, _ values: [HostArray?]) throws(TypeError) -> [HostArray] {
    guard let op = node.op as? any Op else {
      throw TypeError(op: node.op.name, "has no interpretation")
    }
    let operands = node.operands.compactMap { values[$0.id] }
    guard operands.count == node.operands.count else {
      throw TypeError(op: op.name, "reads a value that is not computed yet")
    }
    let results = try op.evaluate(operands, node.regions)
    guard results.count == node.resultCount else {
      throw TypeError(
        op: op.name, "evaluates to \(results.count) results, not \(node.resultCount)")
    }
    return results
  }
}
