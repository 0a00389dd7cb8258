// Graphs as Graphviz text: colours by operation, clusters by group, types on edges.

/// The graph in Graphviz's language.
///
/// - Parameters:
///   - colour: The fill colour for an operation's name; nil leaves the node white.
///   - group: The group of a node of the outermost graph, by index; its nodes share a cluster.
package func dot(
  _ graph: Graph, colour: (String) -> String? = { _ in nil },
  group: (Int) -> String? = { _ in nil }
) -> String {
  var writer = DOTWriter()
  writer.line("digraph \(DOTWriter.quoted(graph.name)) {")
  writer.line("  rankdir=TB;")
  writer.line("  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=monospace];")
  writer.line("  edge [fontname=monospace, fontsize=10];")
  writer.write(graph, prefix: "", indent: "  ", depth: 0, colour: colour, group: group)
  writer.line("}")
  return writer.text
}

private struct DOTWriter {
  private(set) var text = ""

  mutating func line(_ line: String) {
    text += line
    text += "\n"
  }

  /// A quoted identifier. Names come from users: backslashes, quotes and control characters must
  /// neither end the string nor start one of Graphviz's escapes.
  static func quoted(_ name: String) -> String { "\"" + escaped(name) + "\"" }

  static func escaped(_ name: String) -> String {
    var result = ""
    for scalar in name.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      default:
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: result += " "
        default: result.unicodeScalars.append(scalar)
        }
      }
    }
    return result
  }

  mutating func write(
    _ graph: Graph, prefix: String, indent: String, depth: Int, colour: (String) -> String?,
    group: (Int) -> String?
  ) {
    // The identifier of the box where each value begins; body graphs have a prefix of their own.
    var source = [String](repeating: "\(prefix)undefined", count: graph.values.count)
    for (index, parameter) in graph.parameters.enumerated()
    where source.indices.contains(parameter.value.id) {
      let id = "\(prefix)p\(index)"
      source[parameter.value.id] = id
      let shape = parameter.role == .state ? "cylinder" : "ellipse"
      let name = parameter.name.isEmpty ? "%\(parameter.value.id)" : parameter.name
      line("\(indent)\(id) [label=\(DOTWriter.quoted(name)), shape=\(shape)];")
    }
    for (index, node) in graph.nodes.enumerated() {
      for offset in 0..<node.resultCount {
        source[node.firstResult.id + offset] = "\(prefix)n\(index)"
      }
    }

    writeNodes(
      of: graph, prefix: prefix, indent: indent, depth: depth, colour: colour, group: group)

    func edge(_ value: Value, to target: String) -> String {
      guard source.indices.contains(value.id) else { return "" }
      let label = DOTWriter.quoted(graph.type(value).description)
      return "\(indent)\(source[value.id]) -> \(target) [label=\(label)];\n"
    }
    for (index, node) in graph.nodes.enumerated() {
      for operand in node.operands { text += edge(operand, to: "\(prefix)n\(index)") }
    }
    for (index, output) in graph.outputs.enumerated() {
      let id = "\(prefix)o\(index)"
      let name = output.name.isEmpty ? "output \(index)" : output.name
      line("\(indent)\(id) [label=\(DOTWriter.quoted(name)), shape=ellipse];")
      text += edge(output.value, to: id)
      if case .assign(let target) = output.role {
        line("\(indent)\(id) -> \(prefix)p\(target) [style=dashed, constraint=false];")
      }
    }
  }

  private mutating func writeNodes(
    of graph: Graph, prefix: String, indent: String, depth: Int, colour: (String) -> String?,
    group: (Int) -> String?
  ) {
    var members: [String: [Int]] = [:]
    var order: [String] = []
    for index in graph.nodes.indices {
      if let name = group(index) {
        if members[name] == nil { order.append(name) }
        members[name, default: []].append(index)
      } else {
        writeNode(index, of: graph, prefix, indent, depth, colour)
      }
    }
    for (index, name) in order.enumerated() {
      line("\(indent)subgraph cluster_\(prefix)g\(index) {")
      line("\(indent)  label=\(DOTWriter.quoted(name)); color=gray;")
      for node in members[name] ?? [] {
        writeNode(node, of: graph, prefix, indent + "  ", depth, colour)
      }
      line("\(indent)}")
    }
  }

  private mutating func writeNode(
    _ index: Int, of graph: Graph, _ prefix: String, _ indent: String, _ depth: Int,
    _ colour: (String) -> String?
  ) {
    let node = graph.nodes[index]
    let id = "\(prefix)n\(index)"
    var label = DOTWriter.escaped(node.op.name)
    if !node.location.scope.isEmpty { label += "\\n" + DOTWriter.escaped(node.location.scope) }
    let fill = colour(node.op.name).map { ", fillcolor=\(DOTWriter.quoted($0))" } ?? ""
    line("\(indent)\(id) [label=\"\(label)\"\(fill)];")
    guard depth < maximumRegionDepth else { return }
    for (position, region) in node.regions.enumerated() {
      let inner = "\(id)r\(position)_"
      line("\(indent)subgraph cluster_\(inner) {")
      line("\(indent)  label=\(DOTWriter.quoted("\(node.op.name) \(position)")); style=dashed;")
      write(
        region, prefix: inner, indent: indent + "  ", depth: depth + 1, colour: colour,
        group: { _ in nil })
      line("\(indent)}")
    }
  }
}
