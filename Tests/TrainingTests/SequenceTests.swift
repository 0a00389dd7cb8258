// Sequences of different lengths: the loss under a mask, packed sequences, stacks, against PyTorch.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

private func specs(_ arrays: [NDArray]) -> [TensorSpec] {
  arrays.map { TensorSpec($0.type.shape, $0.type.dtype) }
}

private let packable: [(name: String, make: @Sendable () -> any RecurrentLayer)] = [
  ("rnn_tanh", { SimpleRNN(4, 6) }), ("gru", { GRU(4, 6) }), ("lstm", { LSTM(4, 6) }),
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

@Suite struct SequenceTests {
  /// Outputs, last states and all gradients of `pack_padded_sequence`, through packed sequences.
  @Test(arguments: packable.map(\.name)) func packedMatchesPyTorch(_ kind: String) throws {
    let layer = try #require(packable.first { $0.name == kind }).make()
    let fixture = try Fixture("recurrent")
    try fixture.load("\(kind).initial", into: layer)
    let parameters = layer.parameters
    let states = try layer.stateSizes.indices.map { try fixture["\(kind).state\($0)"] }
    let inputs = [try fixture["\(kind).x"], try fixture["\(kind).ragged.dy"]] + states
    let function = try compile(specs(inputs), options: testOptions()) { v in
      let packed = PackedSequence(v[0], lengths: [5, 2, 3])
      let made = layer.run(packed, state: Array(v[2...]))
      let y = made.sequence.padded(to: 5)
      let loss = made.state.map { ($0 * $0).sum() }.reduce((y * v[1]).sum(), +)
      let wrt = [v[0]] + v[2...] + parameters.map { $0.tensor(in: v[0].trace) }
      return [y] + made.state + gradients(of: loss, wrt: wrt)
    }
    var results = try function.run(inputs)[...]
    func compare(_ name: String) throws {
      expectClose(
        results.removeFirst(), try fixture["\(kind).\(name)"], "\(kind), \(name)")
    }
    try compare("ragged.y")
    for index in states.indices { try compare("ragged.last\(index)") }
    try compare("ragged.gradient.x")
    for index in states.indices { try compare("ragged.gradient.state\(index)") }
    for parameter in parameters { try compare("ragged.gradient.\(parameter.path)") }
    #expect(results.isEmpty)
  }

  @Test func packsAsPyTorchDoes() throws {
    let fixture = try Fixture("sequences")
    let x = try fixture["packed.x"]
    let lengths = [2, 5, 1, 5, 3]
    var sizes: [Int] = []
    var order: [Int] = []
    let function = try compile(specs([x]), options: testOptions()) { v in
      let packed = PackedSequence(v[0], lengths: lengths)
      (sizes, order) = (packed.batchSizes, packed.order)
      #expect(packed.lengths == lengths)
      return [packed.data, packed.padded()]
    }
    let results = try function.run([x])
    #expect(results[0].doubles == (try fixture["packed.data"]).doubles)
    #expect(results[1].doubles == (try fixture["packed.padded"]).doubles)
    #expect(sizes.map { Double($0) } == (try fixture["packed.sizes"]).doubles)
    #expect(order.map { Double($0) } == (try fixture["packed.order"]).doubles)
  }

  @Test func packingRefusesImpossibleLengths() throws {
    func message(_ lengths: [Int]) -> String {
      do {
        _ = try compile(TensorSpec([4, 3, 2]), options: testOptions()) {
          PackedSequence($0, lengths: lengths).data
        }
        return "no error"
      } catch {
        return "\(error)"
      }
    }
    for (lengths, words) in [
      ([4, 0, 1], "the length 0 of sample 1 is not in 1 … 4"),
      ([5, 1, 1], "the length 5 of sample 0"), ([4, 1], "2 lengths for 3 samples"),
      ([], "0 lengths for 3 samples"), ([-1, 1, 1], "the length -1"),
    ] {
      let text = message(lengths)
      #expect(text.contains(words) && text.contains("SequenceTests.swift:"), "\(text)")
    }
    let layer = GRU(2, 3)
    #expect(throws: CompileError.self) {
      try compile([TensorSpec([4, 2, 2]), TensorSpec([2, 4])], options: testOptions()) {
        [layer.run(PackedSequence($0[0], lengths: [4, 2]), state: [$0[1]]).sequence.data]
      }
    }
  }

  /// Mean, sum and terms under lengths, with NaN in the padding; and their gradients.
  @Test func sequenceLossMatchesPyTorch() throws {
    let fixture = try Fixture("sequences")
    var logits = (try fixture["loss.logits"]).doubles.map { Float($0) }
    let (steps, batch, classes) = (5, 4, 3)
    for (sample, length) in [5, 2, 0, 3].enumerated() {
      for t in length..<steps {
        for c in 0..<classes { logits[(t * batch + sample) * classes + c] = .nan }
      }
    }
    let inputs = [
      try NDArray(logits, shape: [steps, batch, classes]), try fixture["loss.labels"],
      try fixture["loss.lengths"],
    ]
    for smoothing in [0, 0.2] {
      let function = try compile(specs(inputs), options: testOptions()) { v in
        func loss(_ reduction: LossReduction) -> Tensor {
          sequenceCrossEntropy(
            logits: v[0], labels: v[1], lengths: v[2], labelSmoothing: smoothing,
            reduction: reduction)
        }
        let mean = loss(.mean)
        return [mean, loss(.sum), loss(.none)] + gradients(of: mean, wrt: [v[0]])
      }
      let results = try function.run(inputs)
      for (result, name) in zip(results, ["mean", "sum", "none", "gradient"]) {
        // The fixture's scalars have one axis.
        let result = result.shape.rank == 0 ? try result.reshaped([1]) : result
        expectClose(result, try fixture["loss.\(smoothing > 0 ? "smooth." : "")\(name)"], name)
      }
    }
    // Nothing but padding: a loss of zero, and gradients that are numbers.
    let function = try compile(specs(inputs), options: testOptions()) { v in
      let mean = sequenceCrossEntropy(logits: v[0], labels: v[1], lengths: v[2])
      return [mean] + gradients(of: mean, wrt: [v[0]])
    }
    let nothing = try function.run([
      inputs[0], inputs[1], try NDArray([Int32](repeating: 0, count: 4)),
    ])
    #expect(nothing.allSatisfy { $0.doubles.allSatisfy { $0 == 0 } })
    let error = #expect(throws: RunError.self) {
      try function.run([inputs[0], inputs[1], try NDArray([5, 6, 0, 1] as [Int32])])
    }
    #expect("\(try #require(error))".contains("6 at position 1 is outside of 0 ..< 6"))
    #expect("\(try #require(error))".contains("SequenceTests.swift:"))
  }

  @Test func lengthsOfALayerAreNamedWithTheLayer() throws {
    struct Net: Layer {
      let encoder = LSTM(2, 3)
      func callAsFunction(_ x: Tensor) -> Tensor { encoder(x) }
    }
    let net = Net()
    _ = net.parameters
    let function = try compile(
      [TensorSpec([4, 2, 2]), TensorSpec([2], .int32, name: "lengths")], options: testOptions()
    ) { [net.encoder.run($0[0], lengths: $0[1]).sequence] }
    let error = #expect(throws: RunError.self) {
      try function.run([try NDArray(zeros: [4, 2, 2]), try NDArray([4, 5] as [Int32])])
    }
    let text = "\(try #require(error))"
    #expect(text.contains("input 'lengths': 5 at position 1 is outside of 0 ..< 5"))
    #expect(text.contains("encoder"), "\(text)")
  }

  /// Sequences without steps and states of another shape name the layer and the line.
  @Test func refusalsNameLayerAndLine() throws {
    struct Net: Layer {
      let encoder = GRU(2, 3)
      func callAsFunction(_ x: Tensor) -> Tensor { encoder(x) }
    }
    let net = Net()
    _ = net.parameters
    func message(_ specs: [TensorSpec], _ body: @escaping ([Tensor]) -> [Tensor]) -> String {
      do {
        _ = try compile(specs, options: testOptions(), body)
        return "no error"
      } catch {
        return "\(error)"
      }
    }
    let empty = message([TensorSpec([0, 2, 2])]) { [net($0[0])] }
    #expect(empty.contains("no steps") && empty.contains("encoder"), "\(empty)")
    let state = message([TensorSpec([4, 2, 2]), TensorSpec([2, 4])]) {
      [net.encoder.run($0[0], state: [$0[1]]).sequence]
    }
    #expect(state.contains("expected [2,3]") && state.contains("encoder"), "\(state)")
    let carry = message([TensorSpec([4, 2]), TensorSpec([2])]) { v in
      scan(over: [v[0]], carrying: [v[1]]) { c, x in ([c[0].sum()], x) }.outputs
    }
    #expect(carry.contains("carry 0") && carry.contains("SequenceTests.swift:"), "\(carry)")
    let none = message([TensorSpec([0, 2]), TensorSpec([2])]) { v in
      scan(over: [v[0]], carrying: [v[1]]) { c, x in (c, x) }.outputs
    }
    #expect(none.contains("no steps") && none.contains("SequenceTests.swift:"), "\(none)")
  }

  /// The stack-augmented net against the same equations in PyTorch: outputs, states, gradients.
  @Test func stacksMatchPyTorch() throws {
    let fixture = try Fixture("sequences")
    let layer = StackRNN(3, 5, stacks: 2, depth: 4)
    try fixture.load("stack.initial", into: layer)
    let parameters = layer.parameters
    let inputs = try ["x", "dy", "state0", "state1"].map { try fixture["stack.\($0)"] }
    let function = try compile(specs(inputs), options: testOptions()) { v in
      let made = layer.run(v[0], state: [v[2], v[3]])
      let loss = made.state.map { ($0 * $0).sum() }.reduce((made.sequence * v[1]).sum(), +)
      let wrt = [v[0], v[2], v[3]] + parameters.map { $0.tensor(in: v[0].trace) }
      return [made.sequence] + made.state + gradients(of: loss, wrt: wrt)
    }
    let results = try function.run(inputs)
    let names =
      ["y", "last0", "last1", "gradient.x", "gradient.state0", "gradient.state1"]
      + parameters.map { "gradient.\($0.path)" }
    #expect(results.count == names.count)
    for (result, name) in zip(results, names) {
      expectClose(result, try fixture["stack.\(name)"], name)
    }
  }
}
