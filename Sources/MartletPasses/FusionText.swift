// Fusion groups as text: comments, names of kernels, `inspect --stage fused`.

import MartletIR
import MartletLoops
import MartletOps

extension Lowering {
  func describe(_ group: FusionGroup) -> String {
    let ops = group.members.map { graph.nodes[$0].op.name }
    let node = graph.nodes[group.members[0]]
    var text = ops.prefix(12).joined(separator: " → ") + (ops.count > 12 ? " → …" : "")
    if let last = group.members.last { text += "   \(graph.type(graph.nodes[last].result))" }
    if !node.location.scope.isEmpty { text = "\(node.location.scope): \(text)" }
    return text
  }

  func kernelName(_ group: FusionGroup) -> String {
    var names: [String] = []
    for member in group.members {
      let name = graph.nodes[member].op.name
      if names.last != name, names.count < 5 { names.append(name) }
    }
    return names.joined(separator: "_")
  }
}

/// Fusion groups, to be described when somebody asks: the text takes as long as fusion itself.
struct FusionDescription: Sendable {
  let graph: Graph
  let plan: FusionPlan
  let stored: Set<Value>
  let leaving: Set<Value>

  /// The groups, what is in each, and why it ended: what keeps its readers in groups of their own.
  var text: String {
    var text = ""
    var readers = [[Int]](repeating: [], count: graph.values.count)
    for index in graph.nodes.indices where plan.groupOfNode[index] != nil {
      for operand in graph.nodes[index].operands {
        readers[plan.views.source(operand).id].append(index)
      }
    }
    for (index, group) in plan.groups.enumerated() {
      let domain = group.cols.map { "\(group.count / max(1, $0)) × \($0)" } ?? "\(group.count)"
      text += "group \(index)  \(group.kind)\(group.isUpdate ? " update" : "")  over \(domain)\n"
      for member in group.members {
        let node = graph.nodes[member]
        let operands = node.operands.map { "%\($0.id)" }.joined(separator: ", ")
        text += "  %\(node.result.id) = \(node.op.name) \(operands) → \(graph.type(node.result))"
        text += node.location.scope.isEmpty ? "\n" : "   \(node.location.scope)\n"
      }
      for member in group.members {
        for value in graph.nodes[member].results where stored.contains(value) {
          let reasons = reasons(value, index, readers).joined(separator: "; ")
          text += "  // %\(value.id) is stored: \(reasons)\n"
        }
      }
    }
    return text
  }

  /// Why a value is written to memory: one reason for each group that reads it there.
  private func reasons(_ value: Value, _ index: Int, _ readers: [[Int]]) -> [String] {
    let group = plan.groups[index]
    var reasons: [String] = leaving.contains(value) ? ["it is a result or new state"] : []
    var seen: Set<Int> = [index]
    for reader in readers[value.id] {
      guard let other = plan.groupOfNode[reader], seen.insert(other).inserted else { continue }
      reasons.append("group \(other) \(reason(value, group, plan.groups[other], reader))")
    }
    return reasons
  }

  private func reason(
    _ value: Value, _ group: FusionGroup, _ other: FusionGroup, _ reader: Int
  ) -> String {
    if plan.terminal.contains(value) { return "needs all of it" }
    if other.kind == .call { return "is a call of the library" }
    if other.kind == .contraction, other.members.first == reader { return "contracts it" }
    if other.isUpdate != group.isUpdate { return "is an update: those run together" }
    for operand in graph.nodes[reader].operands {
      let source = plan.views[operand, graph]
      if source.value == value, !source.isIdentity { return "reads it through a view" }
    }
    if other.count != group.count { return "works over \(other.count) elements" }
    if let a = group.cols, let b = other.cols, a != b { return "has rows of \(b)" }
    let sumsRows = other.members.contains {
      graph.nodes[$0].resultCount == 1 && plan.terminal.contains(graph.nodes[$0].result)
    }
    if group.kind == .contraction, sumsRows { return "sums over rows, which no epilogue can" }
    if group.members.count >= Fusion.maxMembers { return "found this one full" }
    return "also needs what comes later, or computes it with less to move"
  }
}
