import MartletIR
import MartletOps

/// Removes nodes whose results nothing reads.
///
///     %2 = exp %1          →      %2 = tanh %1
///     %3 = tanh %1                return %2
///     return %3
///
/// Keeps: parameters, outputs and assignments to state, and the order of what stays. Runs after
/// every pass that leaves unused nodes behind, and before fusion, which must not see them.
package struct DeadCodeElimination: Pass {
  package static let name = "dce"
  package init() {}
  package func run(on graph: inout Graph, _ context: PassContext) throws(CompileError) {
    removeDeadNodes(&graph)
  }
}

/// For each node, whether an output needs it.
func liveNodes(_ graph: Graph) -> [Bool] {
  var live = [Bool](repeating: false, count: graph.values.count)
  for output in graph.outputs { live[output.value.id] = true }
  var keep = [Bool](repeating: false, count: graph.nodes.count)
  for index in graph.nodes.indices.reversed() {
    let first = graph.nodes[index].firstResult.id
    guard (first..<first + graph.nodes[index].resultCount).contains(where: { live[$0] }) else {
      continue
    }
    keep[index] = true
    for operand in graph.nodes[index].operands { live[operand.id] = true }
  }
  return keep
}

func removeDeadNodes(_ graph: inout Graph) {
  let keep = liveNodes(graph)
  guard let first = keep.firstIndex(of: false) else { return }
  var rewriter = GraphRewriter(sharing: graph)
  let begin = rewriter.sharesSource ? first : 0
  rewriter.diverge(before: first)
  for index in begin..<keep.count where keep[index] { rewriter.copy(nodeAt: index) }
  graph = rewriter.finish()
}
