// Pass tests are written in IR text: structure and values before and after.

import MartletIR
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

func parsed(_ text: String) throws -> Graph {
  try Graph(parsing: text, ops: Registry.table)
}

/// Runs passes over `before` and compares with `after`: structure, and the interpreter's values.
func expectRewrites(
  _ before: String, by passes: [any Pass], to after: String, ulp: Double = 0,
  sourceLocation: Testing.SourceLocation = #_sourceLocation
) throws {
  let original = try parsed(before)
  var graph = original
  try PassManager(passes).run(on: &graph, PassContext())
  try verify(graph)
  let expected = try parsed(after)
  #expect(
    isStructurallyEqual(graph, expected), "got \(graph)\nexpected \(expected)",
    sourceLocation: sourceLocation)
  var generator = SplitMix64(before)
  let inputs = original.parameters.map {
    HostArray.random(original.type($0.value), in: -2...2, &generator)
  }
  let a = try Interpreter().run(original, inputs)
  let b = try Interpreter().run(graph, inputs)
  for (x, y) in zip(a, b) {
    let message = difference(y, x, ulp: ulp, scaled: true)
    #expect(message == nil, "\(message ?? "")", sourceLocation: sourceLocation)
  }
}
