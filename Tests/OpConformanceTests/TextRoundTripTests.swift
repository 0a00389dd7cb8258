// Every registered operation prints, parses back and verifies; truncated text is an error.

import MartletIR
import MartletOps
import MartletTestSupport
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

  /// Digits, signs and brackets changed at random: an error or a graph, never a trap.
  @Test(arguments: OpCase.all) func mutationsThrowOrParse(_ op: OpCase) throws {
    var generator = SplitMix64("mutations " + op.type.name)
    let spare = Array("0123456789-[],=%f".utf8)
    for sample in op.type.samples {
      var graph = Graph(name: "sample")
      let operands = sample.operands.map { graph.addParameter($0, name: "") }
      for result in try graph.append(sample.op, operands, regions: sample.regions) {
        graph.addOutput(result)
      }
      let text = Array(graph.printed().utf8)
      for _ in 0..<300 {
        var bytes = text
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
          let at = Int.random(in: 0..<bytes.count, using: &generator)
          let byte = spare.randomElement(using: &generator) ?? 0
          switch Int.random(in: 0..<3, using: &generator) {
          case 0: bytes[at] = byte
          case 1: bytes.insert(byte, at: at)
          default: bytes.remove(at: at)
          }
        }
        let mutant = String(decoding: bytes, as: UTF8.self)
        guard let graph = try? Graph(parsing: mutant, ops: Registry.table) else { continue }
        try verify(graph)
        #expect(
          isStructurallyEqual(graph, try Graph(parsing: graph.printed(), ops: Registry.table)))
      }
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
