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

func removeDeadNodes(_ graph: inout Graph) {
  var live = [Bool](repeating: false, count: graph.values.count)
  for output in graph.outputs { live[output.value.id] = true }
  var keep = [Bool](repeating: false, count: graph.nodes.count)
  for index in graph.nodes.indices.reversed() {
    let node = graph.nodes[index]
    guard node.results.contains(where: { live[$0.id] }) else { continue }
    keep[index] = true
    for operand in node.operands { live[operand.id] = true }
  }
  if keep.allSatisfy({ $0 }) { return }
  var rewriter = GraphRewriter(graph)
  for (index, node) in graph.nodes.enumerated() where keep[index] { rewriter.copy(node) }
  graph = rewriter.finish()
}
