// Recurrent layers against PyTorch: outputs, last states and all gradients on the same weights.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

private let kinds: [(name: String, make: @Sendable () -> any RecurrentLayer)] = [
  ("rnn_tanh", { SimpleRNN(4, 6) }), ("rnn_relu", { SimpleRNN(4, 6, nonlinearity: .relu) }),
  ("gru", { GRU(4, 6) }), ("gru_before", { GRU(4, 6, reset: .beforeProduct) }),
  ("lstm", { LSTM(4, 6) }), ("lstm_peephole", { LSTM(4, 6, peephole: true) }),
  ("lstm_projected", { LSTM(4, 6, projection: 2) }),
  (
    "lstm_deep",
    {
      StackedRecurrent([
        Bidirectional(LSTM(4, 6), LSTM(4, 6)), Bidirectional(LSTM(12, 6), LSTM(12, 6)),
      ])
    }
  ),
]

private func specs(_ arrays: [NDArray]) -> [TensorSpec] {
  arrays.map { TensorSpec($0.type.shape, $0.type.dtype) }
}

@Suite struct RecurrentTests {
  @Test(arguments: kinds.map(\.name), ["whole", "ragged"])
  func matchesPyTorch(_ kind: String, _ mode: String) throws {
    guard mode == "whole" || !["gru_before", "lstm_peephole"].contains(kind) else { return }
    let layer = try #require(kinds.first { $0.name == kind }).make()
    let fixture = try Fixture("recurrent")
    try fixture.load("\(kind).initial", into: layer)
    let parameters = layer.parameters
    let states = try layer.stateSizes.indices.map { try fixture["\(kind).state\($0)"] }
    var x = try fixture["\(kind).x"]
    if mode == "ragged" {
      // Whatever padding holds must not be seen.
      var values = x.doubles.map { Float($0) }
      for (sample, length) in [5, 2, 3].enumerated() {
        for t in length..<5 {
          for i in 0..<4 { values[(t * 3 + sample) * 4 + i] = .nan }
        }
      }
      x = try NDArray(values, shape: x.shape)
    }
    let lengths = try fixture["lengths"]
    let dy = try fixture["\(kind).\(mode).dy"]
    let inputs = [x, dy, lengths] + states
    let function = try compile(specs(inputs), options: testOptions()) { v in
      let made = layer.run(
        v[0], state: Array(v[3...]), lengths: mode == "ragged" ? v[2] : nil, reversed: false)
      let loss = made.state.map { ($0 * $0).sum() }.reduce((made.sequence * v[1]).sum(), +)
      let wrt = [v[0]] + v[3...] + parameters.map { $0.tensor(in: v[0].trace) }
      return [made.sequence] + made.state + gradients(of: loss, wrt: wrt)
    }
    var results = try function.run(inputs)[...]
    func compare(_ name: String) throws {
      let got = try #require(results.first)
      results = results.dropFirst()
      expectClose(got, try fixture["\(kind).\(name)"], "\(kind), \(name)")
    }
    try compare("\(mode).y")
    for index in states.indices { try compare("\(mode).last\(index)") }
    try compare("\(mode).gradient.x")
    for index in states.indices { try compare("\(mode).gradient.state\(index)") }
    for parameter in parameters { try compare("\(mode).gradient.\(parameter.path)") }
    #expect(results.isEmpty)
  }

  /// One long call, and as many short ones that pass the state on: the same bits.
  @Test(arguments: ["gru", "lstm"]) func stateCarriesOver(_ kind: String) throws {
    let layer = try #require(kinds.first { $0.name == kind }).make()
    try Fixture("recurrent").load("\(kind).initial", into: layer)
    let values: [Float] = (0..<72).map { Float($0 % 17) / 17 - 0.4 }
    let x = try NDArray(values, shape: [6, 3, 4])
    func run(_ x: NDArray, _ states: [NDArray]) throws -> [NDArray] {
      let function = try compile(specs([x] + states), options: testOptions()) { v in
        let made = layer.run(v[0], state: Array(v[1...]))
        return [made.sequence] + made.state
      }
      return try function.run([x] + states)
    }
    let zeros = try layer.stateSizes.map { try NDArray(zeros: [3, $0]) }
    let whole = try run(x, zeros)
    var states = zeros
    var sequence: [Double] = []
    for part in 0..<3 {
      let results = try run(try x.rows((2 * part)..<(2 * part + 2)), states)
      sequence += results[0].doubles
      states = Array(results[1...])
    }
    #expect(sequence == whole[0].doubles)
    #expect(states.map(\.doubles) == whole[1...].map(\.doubles))
  }

  @Test func pyramidHalvesTheRate() throws {
    let layer = StackedRecurrent(
      [Bidirectional(GRU(4, 3), GRU(4, 3)), SimpleRNN(12, 5), LSTM(10, 2)], dropout: 0.2,
      halvesRate: true)
    let function = try compile(
      [TensorSpec([9, 2, 4]), TensorSpec([2], .int32)], options: testOptions()
    ) { v in
      let made = layer.run(v[0], lengths: v[1])
      return [made.sequence] + made.state
    }
    let values: [Float] = (0..<72).map { Float($0) / 72 }
    let y = try function.run([
      try NDArray(values, shape: [9, 2, 4]), try NDArray([Int32(9), 4]),
    ])
    let shapes: [Shape] = y.map(\.shape)
    #expect(shapes == [[2, 2, 2], [2, 3], [2, 3], [2, 5], [2, 2], [2, 2]])
    // The second sample has one step of four left, and one of its pairs: padding gives zeros.
    #expect(y[0].doubles[6...].allSatisfy { $0 == 0 })
    #expect(y[0].doubles[..<6].allSatisfy { $0 != 0 })
  }

  /// Inputs that are looked up in a small table: the table is projected, not the inputs. The same
  /// outputs bit for bit, the same gradients, and fewer multiply-adds.
  @Test(arguments: ["rnn_tanh", "gru", "gru_before", "lstm", "lstm_deep"])
  func smallTablesAreProjected(_ kind: String) throws {
    let layer = try #require(kinds.first { $0.name == kind }).make()
    let table = Embedding(5, 4)
    let parameters = layer.parameters
    let tokens: [Int32] = (0..<21).map { $0 * $0 % 4 }  // one vector is never read
    let dy = (0..<(21 * layer.outputSize)).map { Float($0 % 13) / 13 - 0.4 }
    let inputs = [
      try NDArray(tokens, shape: [7, 3]), try NDArray(dy, shape: [7, 3, layer.outputSize]),
    ]
    func compiled(_ looksUp: Bool) throws -> Function {
      try compile(specs(inputs), options: testOptions()) { v in
        let weights = table.table.tensor(in: v[0].trace)
        let found = table(v[0])
        // A sum in between hides where the vectors come from.
        let y = layer(looksUp ? found : found + 0)
        return [y]
          + gradients(
            of: (y * v[1]).sum(), wrt: [weights] + parameters.map { $0.tensor(in: v[0].trace) })
      }
    }
    let (short, long) = (try compiled(true), try compiled(false))
    let (got, expected) = (try short.run(inputs), try long.run(inputs))
    #expect(got[0].doubles == expected[0].doubles)
    for (index, name) in (["table"] + parameters.map(\.path)).enumerated() {
      expectClose(got[index + 1], expected[index + 1], absolute: 1e-6, "\(kind), \(name)")
    }
    #expect(got[1].doubles[16...].allSatisfy { $0 == 0 })
    #expect(got[1].doubles[..<16].contains { $0 != 0 })
    #expect(short.program.report.flops < long.program.report.flops)
  }

  @Test func mistakesAreNamed() throws {
    let layer = LSTM(4, 6)
    func message(_ specs: [TensorSpec], _ body: @escaping ([Tensor]) -> [Tensor]) -> String {
      do {
        _ = try compile(specs, options: testOptions(), body)
        return "no error"
      } catch {
        return "\(error)"
      }
    }
    #expect(message([TensorSpec([5, 3, 7])]) { [layer($0[0])] }.contains("[T, B, 4]"))
    #expect(message([TensorSpec([0, 3, 4])]) { [layer($0[0])] }.contains("no steps"))
    #expect(
      message([TensorSpec([5, 3, 4]), TensorSpec([2], .int32)]) {
        [layer.run($0[0], lengths: $0[1]).sequence]
      }.contains("expected integers [3]"))
    #expect(
      message([TensorSpec([5, 3, 4]), TensorSpec([3, 6])]) {
        [layer.run($0[0], state: [$0[1]]).sequence]
      }.contains("expected [3,6], [3,6]"))
    // Lengths beyond T are data: refused when the program runs.
    let f = try compile(
      [TensorSpec([2, 1, 4]), TensorSpec([1], .int32)], options: testOptions()
    ) { [layer.run($0[0], lengths: $0[1]).sequence] }
    #expect(throws: RunError.self) {
      try f.run([try NDArray(zeros: [2, 1, 4]), try NDArray([Int32(3)])])
    }
  }
}
