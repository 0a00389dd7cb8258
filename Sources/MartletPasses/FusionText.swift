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

  func describeFusion() -> String {
    var text = ""
    for (index, group) in plan.groups.enumerated() {
      let domain = group.cols.map { "\(group.count / max(1, $0)) × \($0)" } ?? "\(group.count)"
      text += "group \(index)  \(group.kind)\(group.isUpdate ? " update" : "")  over \(domain)"
      text += group.note.isEmpty ? "\n" : "  // \(group.note)\n"
      for member in group.members {
        let node = graph.nodes[member]
        text += "  \(node.op.name) → \(graph.type(node.result))   \(node.location.scope)\n"
      }
    }
    return text
  }
}
