// Runs passes in order; knows how to switch one off, verify after it, and dump what it changed.

import MartletIR
import MartletOps

/// What a pass may know of the compilation.
package struct PassContext: Sendable {
  /// Names of passes that are switched off.
  package var disabled: Set<String> = []
  /// Verify after every pass.
  package var verifies = false
  /// Called with the name of each pass that changed the graph, for dumps and logs.
  package var observe: (@Sendable (_ pass: String, _ graph: Graph) -> Void)?
  /// Called with each rule that fired and the operation at its root.
  package var observeRule: (@Sendable (_ rule: String, _ operation: String) -> Void)?
  package init() {}
}

/// One rewriting of a graph: one type, one file, a name, no state between runs.
package protocol Pass: Sendable {
  static var name: String { get }
  func run(on graph: inout Graph, _ context: PassContext) throws(CompileError)
}

package struct PassManager {
  package let passes: [any Pass]
  package init(_ passes: [any Pass]) { self.passes = passes }

  package func run(on graph: inout Graph, _ context: PassContext) throws(CompileError) {
    // What each pass left: where nothing has changed since, it has nothing to do.
    var left: [String: Graph] = [:]
    for pass in passes {
      let name = type(of: pass).name
      if context.disabled.contains(name) { continue }
      if let before = left[name], before.sharesNodes(with: graph) {
        context.observe?(name, graph)
        continue
      }
      try runInBodies(pass, of: &graph, context)
      try pass.run(on: &graph, context)
      left[name] = graph
      context.observe?(name, graph)
      if context.verifies {
        do {
          try verify(graph)
        } catch {
          throw CompileError(
            .internal, stage: .pass, operation: name, "left a malformed graph: \(error)",
            hint: "this is a defect of Martlet; please report it")
        }
      }
    }
  }

  /// Runs a pass in body graphs, the innermost first.
  private func runInBodies(
    _ pass: any Pass, of graph: inout Graph, _ context: PassContext, depth: Int = 0
  ) throws(CompileError) {
    let hasBodies = graph.nodes.indices.contains { !graph.nodes[$0].regions.isEmpty }
    guard depth < maximumRegionDepth, hasBodies else {
      return
    }
    graph = try GraphRewriter.run(graph) { (rewriter, node) throws(CompileError) in
      guard !node.regions.isEmpty else { return nil }
      var regions = node.regions
      for index in regions.indices {
        try runInBodies(pass, of: &regions[index], context, depth: depth + 1)
        try pass.run(on: &regions[index], context)
      }
      return rewriter.copy(node, regions: regions)
    }
  }
}
