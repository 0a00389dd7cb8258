// All operators that are missing, in one message.

import MartletONNXFormat

extension Importer {
  /// Throws if a node of the model, of its bodies or functions has no operator here.
  static func checkOperators(
    _ model: OnnxModelProto, _ functions: [String: OnnxFunctionProto]
  ) throws {
    var missing: [String: (count: Int, node: String)] = [:]
    var stack = [model.graph.node] + model.functions.map(\.node)
    while let nodes = stack.popLast() {
      for node in nodes {
        for attribute in node.attribute {
          if attribute.hasG { stack.append(attribute.g.node) }
          stack += attribute.graphs.map(\.node)
        }
        let domain = canonical(node.domain)
        guard functions[key(domain, node.opType, node.overload)] == nil,
          OperatorTable.entry(domain, node.opType) == nil
        else { continue }
        let name = domain.isEmpty ? node.opType : "\(domain).\(node.opType)"
        missing[name, default: (0, label(node))].count += 1
      }
    }
    guard !missing.isEmpty else { return }
    let sorted = missing.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
    let list = sorted.prefix(12).map { name, entry in
      "\(printable(name)) × \(entry.count) (\(entry.node))"
    }
    let rest = sorted.count - list.count
    var lines = ["\(sorted.count) operators are not supported:"]
    for start in stride(from: 0, to: list.count, by: 4) {
      lines.append("  " + list[start..<min(start + 4, list.count)].joined(separator: ", "))
    }
    if rest > 0 { lines[lines.count - 1] += " and \(rest) more" }
    throw ONNXError(
      .unsupported, lines.joined(separator: "\n"), hint: "docs/onnx.md lists what there is")
  }
}
