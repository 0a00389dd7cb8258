import MartletIR
import MartletOps

/// Merges values computed by equal operations from equal operands.
///
///     %3 = tanh %1      →      %3 = tanh %1
///     %4 = tanh %1             %5 = add %3, %3
///     %5 = add %3, %4
///
/// Keeps: types, output order. Draws with different streams differ by attribute and stay apart.
/// Runs before fusion: a merged value has more users, so fusion sees its true cost.
package struct CommonSubexpressionElimination: Pass {
  package static let name = "cse"
  package init() {}

  private struct Key: Hashable {
    let op: any Operation
    let operands: [Value]
    let regions: [Graph]
    static func == (a: Key, b: Key) -> Bool {
      a.operands == b.operands && a.op.isEqual(to: b.op) && a.regions.count == b.regions.count
        && zip(a.regions, b.regions).allSatisfy { isStructurallyEqual($0, $1) }
    }
    func hash(into hasher: inout Hasher) {
      hasher.combine(ObjectIdentifier(type(of: op)))
      op.hash(into: &hasher)
      hasher.combine(operands)
    }
  }

  package func run(on graph: inout Graph, _ context: PassContext) throws(CompileError) {
    var seen: [Key: [Value]] = [:]
    seen.reserveCapacity(graph.nodes.count)
    graph = GraphRewriter.run(graph) { rewriter, node in
      guard node.op.isPure else { return nil }
      let key = Key(
        op: node.op, operands: node.operands.compactMap { rewriter[$0] }, regions: node.regions)
      if let earlier = seen[key] { return earlier }
      let results = rewriter.copy(node)
      seen[key] = results
      return results
    }
    removeDeadNodes(&graph)
  }
}
