// Runs many operations on given operands in one compiled program.

import MartletExecution
import MartletIR
import MartletOps

/// One operation with its operands.
package struct CompiledCase: Sendable {
  package var op: any Op
  package var regions: [Graph]
  package var inputs: [HostArray]
  package init(_ op: any Op, regions: [Graph] = [], _ inputs: [HostArray]) {
    self.op = op
    self.regions = regions
    self.inputs = inputs
  }

  package var label: String {
    let attributes = op.attributes.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
    return "\(op.name){\(attributes)}(\(inputs.map(\.type.description).joined(separator: ", ")))"
  }
}

/// The results of each case, all computed by one program: fewer compilations, and fusion sees
/// neighbours that it must keep apart.
package func runCompiled(
  _ cases: [CompiledCase], _ options: CompileOptions
) throws -> [[HostArray]] {
  var graph = Graph(name: "cases")
  var counts: [Int] = []
  for (number, item) in cases.enumerated() {
    let operands = item.inputs.enumerated().map {
      graph.addParameter($1.type, name: "c\(number)_\($0)")
    }
    let results = try graph.append(item.op, operands, regions: item.regions)
    for (index, result) in results.enumerated() {
      graph.addOutput(result, name: "r\(number)_\(index)")
    }
    counts.append(results.count)
  }
  let outputs = try runCompiled(graph, cases.flatMap(\.inputs), options: options)
  var rest = outputs[...]
  return counts.map { count in
    defer { rest = rest.dropFirst(count) }
    return Array(rest.prefix(count))
  }
}
