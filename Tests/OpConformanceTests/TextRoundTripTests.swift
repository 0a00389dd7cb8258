// Every registered operation prints, parses back and verifies; truncated text is an error.

import MartletIR
import MartletOps
import Testing

@Suite struct TextRoundTripTests {
  @Test(arguments: OpCase.all) func samplesRoundTrip(_ op: OpCase) throws {
    for sample in op.type.samples {
      var graph = Graph(name: "sample")
      let operands = sample.operands.map { graph.addParameter($0, name: "") }
      for result in try graph.append(sample.op, operands, regions: sample.regions) {
        graph.addOutput(result)
      }
      try verify(graph)
      let text = graph.printed()
      let again = try Graph(parsing: text, ops: Registry.table)
      try verify(again)
      #expect(again.printed() == text, "\(sample.label)")
      #expect(isStructurallyEqual(graph, again), "\(sample.label)")
      #expect(again.nodes[0].op.isEqual(to: sample.op), "\(sample.label)")
    }
  }

  /// Whatever a text leaves out, an operation refuses it and never traps.
  @Test(arguments: OpCase.all) func truncationsThrow(_ op: OpCase) throws {
    guard let sample = op.type.samples.first else { return }
    var graph = Graph(name: "sample")
    let operands = sample.operands.map { graph.addParameter($0, name: "") }
    for result in try graph.append(sample.op, operands, regions: sample.regions) {
      graph.addOutput(result)
    }
    let text = graph.printed()
    for length in 0..<(text.utf8.count - 2) {
      #expect(throws: ParseError.self) {
        try Graph(parsing: String(text.prefix(length)), ops: Registry.table)
      }
    }
  }
}
