// A graph from a file of IR text, with memory for the state that it names.

import MartletIR
import MartletOps

/// A graph that was read, not traced. Its state begins with zeros and is shared by its programs.
package struct GraphModel: Sendable {
  package let graph: Graph
  private let variables: [StateVariable]

  /// Reads a `.mir` file.
  package init(_ path: String) throws {
    let file = try InputFile(path)
    let limit = ParserLimits().bytes
    guard file.byteCount <= limit else {
      throw DataError(
        .tooLarge, "the text is too long", at: path, got: "\(file.byteCount) bytes",
        expected: "at most \(limit)")
    }
    let text = String(decoding: try file.read(0..<file.byteCount), as: UTF8.self)
    let graph: Graph
    do throws(ParseError) {
      graph = try Graph(parsing: text, ops: Registry.table)
    } catch {
      throw CompileError(.syntax, "\(path):\(error)", hint: "docs/ir.md describes the language")
    }
    try self.init(graph)
  }

  package init(_ graph: Graph) throws(RunError) {
    self.graph = graph
    variables = graph.parameters.filter { $0.role == .state }.map {
      StateVariable(graph.type($0.value), path: $0.name)
    }
    try StateBlock.allocate(variables, seed: 0)
  }

  /// The graph as a program.
  package func program(_ options: CompileOptions) throws -> Program {
    var options = options
    options.name = graph.name
    let positions = graph.parameters.indices.filter { graph.parameters[$0].role == .state }
    var written: Set<Int> = []
    for (index, position) in positions.enumerated()
    where graph.outputs.contains(where: { $0.role == .assign(position) }) {
      written.insert(index)
    }
    return try Compiler.compile(
      graph, state: zip(positions, variables).map { (parameter: $0, variable: $1) },
      written: written, options: options)
  }
}
