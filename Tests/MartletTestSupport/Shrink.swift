// A failing graph, made as small as it can be while it still fails.

import MartletIR

/// Removes outputs, and cuts values off into parameters, as long as `fails` holds.
///
/// Greedy, from the outputs backwards; at most `limit` attempts. The result is dead-code free.
package func shrink(_ graph: Graph, limit: Int = 400, while fails: (Graph) -> Bool) -> Graph {
  var best = graph
  var attempts = 0
  func accepts(_ candidate: Graph?) -> Bool {
    guard let candidate, attempts < limit else { return false }
    attempts += 1
    guard (try? verify(candidate)) != nil, fails(candidate) else { return false }
    best = candidate
    return true
  }
  var improved = true
  while improved, attempts < limit {
    improved = false
    var output = best.outputs.count - 1
    while output >= 0, best.outputs.count > 1 {
      let kept = best.outputs.indices.filter { $0 != output }
      if accepts(rebuilt(best, outputs: kept, cut: [])) { improved = true }
      output -= 1
    }
    // An operand in place of the whole: the last node goes away.
    for index in best.nodes.indices.reversed() {
      guard index < best.nodes.count else { continue }
      if accepts(promoted(best, to: index)) {
        improved = true
        break
      }
    }
    // A value becomes an input: everything above it goes away.
    for index in best.nodes.indices.reversed() where index < best.nodes.count {
      if accepts(
        rebuilt(best, outputs: Array(best.outputs.indices), cut: best.nodes[index].results))
      {
        improved = true
        break
      }
    }
  }
  return best
}

/// The graph that only computes the node's results, as its outputs.
private func promoted(_ graph: Graph, to node: Int) -> Graph? {
  let results = graph.nodes[node].results
  if graph.outputs.map(\.value) == results { return nil }
  var other = graph
  other.outputs = []
  for result in results { other.addOutput(result) }
  return rebuilt(other, outputs: Array(other.outputs.indices), cut: [])
}

/// Some outputs of a graph, with some values cut off into parameters, and nothing that is not needed.
private func rebuilt(_ graph: Graph, outputs: [Int], cut: [Value]) -> Graph? {
  let isAssignment = outputs.contains {
    if case .assign = graph.outputs[$0].role { true } else { false }
  }
  guard !isAssignment else { return nil }
  let cut = Set(cut)
  var needed = [Bool](repeating: false, count: graph.values.count)
  for output in outputs { needed[graph.outputs[output].value.id] = true }
  for node in graph.nodes.reversed() {
    guard node.results.contains(where: { needed[$0.id] && !cut.contains($0) }) else { continue }
    for operand in node.operands { needed[operand.id] = true }
  }
  var result = Graph(name: graph.name)
  var map: [Value: Value] = [:]
  for parameter in graph.parameters where needed[parameter.value.id] {
    map[parameter.value] = result.addParameter(
      graph.type(parameter.value), name: parameter.name, role: parameter.role)
  }
  for value in cut.sorted() where needed[value.id] {
    map[value] = result.addParameter(graph.type(value), name: "v\(value.id)")
  }
  for node in graph.nodes where node.results.contains(where: { needed[$0.id] && map[$0] == nil }) {
    let operands = node.operands.compactMap { map[$0] }
    guard operands.count == node.operands.count else { return nil }
    let values = result.append(
      node.op, operands, types: node.results.map { graph.type($0) }, regions: node.regions,
      location: node.location)
    for (old, new) in zip(node.results, values) where map[old] == nil { map[old] = new }
  }
  for output in outputs {
    guard let value = map[graph.outputs[output].value] else { return nil }
    result.addOutput(value, name: graph.outputs[output].name)
  }
  return result
}
