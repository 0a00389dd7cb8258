// Attention layers and transformer blocks against PyTorch: results and all gradients on the same
// weights; padding that holds NaN; decoding step by step.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

/// What a fixture of PyTorch's is run through: (x, memory, lengths, memory lengths) → y.
private struct Kind: Sendable {
  var name: String
  var usesMemory = false
  var make: @Sendable () -> (any Sendable, @Sendable (Tensor, Tensor, Tensor?, Tensor?) -> Tensor)
}

private func toItself(_ causality: AttentionCausality) -> Kind {
  Kind(name: causality == .none ? "self" : "causal") {
    let layer = MultiHeadAttention(6, heads: 2, causality: causality)
    return (layer, { x, _, lengths, _ in layer(x, keyLengths: lengths) })
  }
}
private func encoder(_ norm: NormPlacement, _ activation: FeedForwardActivation) -> Kind {
  Kind(name: "encoder_\(norm.rawValue)") {
    let layer = TransformerEncoderBlock(
      6, heads: 2, hidden: 8, activation: activation, norm: norm)
    return (layer, { x, _, lengths, _ in layer(x, keyLengths: lengths) })
  }
}
private func decoder(_ norm: NormPlacement, _ activation: FeedForwardActivation) -> Kind {
  Kind(name: "decoder_\(norm.rawValue)", usesMemory: true) {
    let layer = TransformerDecoderBlock(
      6, heads: 2, hidden: 8, activation: activation, norm: norm)
    return (
      layer, { layer($0, memory: $1, keyLengths: $2, memoryLengths: $3) }
    )
  }
}
private func alignment(
  _ name: String, _ make: @escaping @Sendable () -> any AlignmentAttention
) -> Kind {
  Kind(name: name, usesMemory: true) {
    let layer = make()
    return (layer, { x, memory, _, lengths in layer(x, memory, keyLengths: lengths).context })
  }
}

private let kinds: [Kind] = [
  toItself(.none), toItself(.fromStart),
  Kind(name: "cross", usesMemory: true) {
    let layer = MultiHeadAttention(6, heads: 2)
    return (layer, { x, memory, _, lengths in layer(x, memory: memory, keyLengths: lengths) })
  },
  encoder(.before, .gelu), encoder(.after, .relu), decoder(.before, .relu), decoder(.after, .gelu),
  alignment("additive") { AdditiveAttention(query: 6, key: 6, hidden: 7) },
  alignment("general") { MultiplicativeAttention(.general, query: 6, key: 6) },
  alignment("concat") { MultiplicativeAttention(.concat, query: 6, key: 6, hidden: 7) },
]

private func specs(_ arrays: [NDArray]) -> [TensorSpec] {
  arrays.map { TensorSpec($0.type.shape, $0.type.dtype) }
}

/// `[B, T, W]` with NaN from each sample's length on.
private func padded(_ x: NDArray, _ lengths: [Int]) throws -> NDArray {
  var values = x.doubles.map { Float($0) }
  let (t, w) = (x.shape[1], x.shape[2])
  for (b, length) in lengths.enumerated() {
    for i in (length * w)..<(t * w) { values[b * t * w + i] = .nan }
  }
  return try NDArray(values, shape: x.shape)
}

@Suite struct AttentionTests {
  @Test(arguments: kinds.map(\.name), ["whole", "ragged"])
  func matchesPyTorch(_ name: String, _ mode: String) throws {
    let kind = try #require(kinds.first { $0.name == name })
    let (layer, body) = kind.make()
    let fixture = try Fixture("attention")
    let parameters = Naming.parameters(of: layer)
    for parameter in parameters {
      try parameter.set(try fixture["\(name).initial.\(parameter.path)"])
    }
    let isRagged = mode == "ragged"
    var (x, memory) = (try fixture["\(name).x"], try fixture["\(name).memory"])
    // The queries of attention to a memory are not masked: all of theirs are seen.
    let masksQueries = name == "self" || name == "causal" || name.contains("coder")
    if isRagged {
      memory = try padded(memory, [1, 4, 2])
      if masksQueries { x = try padded(x, [5, 2, 3]) }
    }
    let inputs = [
      x, memory, try fixture["lengths"], try fixture["memoryLengths"],
      try fixture["\(name).\(mode).dy"],
    ]
    let function = try compile(specs(inputs), options: testOptions()) { v in
      var y = body(v[0], v[1], isRagged ? v[2] : nil, isRagged ? v[3] : nil)
      if isRagged {
        // PyTorch's results for padding are left out of the comparison, as they are of the product.
        let inside = iota([1, 5, 1], axis: 1) .< v[2].reshaped([3, 1, 1])
        y = select(inside, y, 0)
      }
      let wrt =
        [v[0]] + (kind.usesMemory ? [v[1]] : []) + parameters.map { $0.tensor(in: v[0].trace) }
      return [y] + gradients(of: (y * v[4]).sum(), wrt: wrt)
    }
    var results = try function.run(inputs)[...]
    func compare(_ key: String) throws {
      let got = try #require(results.first)
      results = results.dropFirst()
      expectClose(got, try fixture["\(name).\(key)"], "\(name), \(key)")
    }
    try compare("\(mode).y")
    try compare("\(mode).gradient.x")
    if kind.usesMemory { try compare("\(mode).gradient.memory") }
    for parameter in parameters { try compare("\(mode).gradient.\(parameter.path)") }
    #expect(results.isEmpty)
  }

  @Test func groupedQueriesAndAnAddedMask() throws {
    let fixture = try Fixture("attention")
    let inputs = try ["q", "k", "v", "mask", "dy"].map { try fixture["grouped.\($0)"] }
    let function = try compile(specs(inputs), options: testOptions()) { v in
      let y = scaledDotProductAttention(v[0], v[1], v[2], mask: v[3])
      return [y] + gradients(of: (y * v[4]).sum(), wrt: Array(v[0..<4]))
    }
    let results = try function.run(inputs)
    for (name, got) in zip(
      ["y", "gradient.q", "gradient.k", "gradient.v", "gradient.mask"], results)
    {
      expectClose(got, try fixture["grouped.\(name)"], name)
    }
  }

  /// The weights of a rate of nearly nothing are those of the kernel: the long way is the short one.
  @Test func droppingNothingIsTheKernel() throws {
    let x = try values([2, 7, 3, 2, 4])
    let function = try compile([TensorSpec([2, 7, 3, 2, 4])], options: testOptions()) { v in
      let parts = (0..<3).map { v[0].sliced($0..<($0 + 1), axis: 2).reshaped([2, 7, 2, 4]) }
      return [
        scaledDotProductAttention(packed: v[0], causality: .fromStart),
        attentionDroppingWeights(
          parts[0], parts[1], parts[2], causality: .fromStart, rate: 0.5),
      ]
    }
    let y = try function.run([x])
    expectClose(y[0], y[1], "dropout at inference")
  }

  @Test func maskedSoftmaxHidesWhatIsMasked() throws {
    let types = [TensorSpec([2, 3]), TensorSpec([2, 3], .bool)]
    let function = try compile(types, options: testOptions()) { v in
      let y = maskedSoftmax(v[0], seen: v[1])
      return [y] + gradients(of: (y * y).sum(), wrt: [v[0]])
    }
    let y = try function.run([
      try NDArray([Float(0), .nan, 1, .nan, .infinity, 2], shape: [2, 3]),
      try NDArray([true, false, true, false, false, false], shape: [2, 3]),
    ])
    let e = LibM.exp(-1)
    for (got, expected) in zip(y[0].doubles, [e / (1 + e), 0, 1 / (1 + e), 0, 0, 0]) {
      #expect(abs(got - expected) < 1e-6)
    }
    #expect(y[1].doubles[0].isFinite && y[1].doubles[2].isFinite)
  }

  /// Forward and backward over 2,048 positions take room for a few arrays of the operands' size.
  @Test func memoryGrowsWithTheLength() throws {
    func arena(_ length: Int) throws -> Int {
      let spec = TensorSpec([1, 8, length, 16])
      let function = try compile([spec, spec, spec], options: testOptions()) { v in
        let y = scaledDotProductAttention(v[0], v[1], v[2], causality: .fromStart)
        return gradients(of: (y * y).sum(), wrt: v)
      }
      return function.session.program.report.arenaBytes
    }
    let all = try [1024, 2048, 4096].map { try arena($0) }
    // Twice the length, twice the bytes; and a few arrays of the operands' size.
    for (short, long) in zip(all, all.dropFirst()) { #expect(long <= 2 * short + 4096) }
    #expect(all[1] < 4 * 8 * 2048 * 16 * 4)
  }

  // MARK: Decoding

  private func values(_ shape: Shape) throws -> NDArray {
    var generator = SplitMix64("attention \(shape)")
    let count = shape.dimensions.reduce(1, *)
    return try NDArray(
      (0..<count).map { _ in Float.random(in: -1...1, using: &generator) }, shape: shape)
  }

  /// A prompt of three positions and single ones behind it, from a cache: what the whole sequence gives.
  @Test(arguments: ["plain", "rotary", "grouped"]) func decodesAsTheWhole(_ kind: String) throws {
    let layer = TransformerEncoderBlock(
      8, heads: 4, keyHeads: kind == "grouped" ? 2 : nil, hidden: 12, activation: .gelu,
      norm: .before, causality: .fromStart,
      rotary: kind == "rotary" ? RotaryPositions(16) : nil)
    let x = try values([2, 9, 8])
    let whole = try compile(TensorSpec([2, 9, 8]), options: testOptions()) { layer($0) }(x)
    let cache = KeyValueCache(layer.attention, batches: 2, capacity: 11)
    func step(_ count: Int) throws -> Function {
      try compile(
        [TensorSpec([2, count, 8]), TensorSpec([], .int32)], options: testOptions()
      ) { v in
        let made = layer(v[0], cache: cache.read(in: v[0]), position: v[1])
        cache.write(made.cache)
        return [made.output]
      }
    }
    let (prompt, single) = (try step(3), try step(1))
    let all = x.doubles.map { Float($0) }
    func part(_ range: Range<Int>) throws -> NDArray {
      var rows: [Float] = []
      for b in 0..<2 {
        let (from, to) = (b * 72 + range.lowerBound * 8, b * 72 + range.upperBound * 8)
        rows += all[from..<to]
      }
      return try NDArray(rows, shape: [2, range.count, 8])
    }
    var got = [[Double]](repeating: [], count: 2)
    func add(_ y: NDArray) {
      let half = y.doubles.count / 2
      got[0] += y.doubles[..<half]
      got[1] += y.doubles[half...]
    }
    add(try prompt.run([try part(0..<3), try NDArray([Int32(0)]).reshaped([])])[0])
    for t in 3..<9 {
      add(try single.run([try part(t..<(t + 1)), try NDArray([Int32(t)]).reshaped([])])[0])
    }
    let y = try NDArray((got[0] + got[1]).map { Float($0) }, shape: [2, 9, 8])
    expectClose(y, whole, kind)
    // A position behind the capacity is data: refused when the program runs.
    #expect(throws: RunError.self) {
      try single.run([try part(0..<1), try NDArray([Int32(11)]).reshaped([])])
    }
  }

  @Test func languageModelDecodes() throws {
    let model = TransformerLanguageModel(
      vocabulary: 11, capacity: 8, width: 8, heads: 2, layers: 2)
    let tokens = try NDArray([Int32(3), 1, 4, 1, 5, 9, 2, 6], shape: [1, 8])
    let whole = try compile(TensorSpec([1, 8], .int32), options: testOptions()) { model($0) }(
      tokens)
    let caches = model.blocks.map { KeyValueCache($0.attention, batches: 1, capacity: 8) }
    let step = try compile(
      [TensorSpec([1, 1], .int32), TensorSpec([1], .int32)], options: testOptions()
    ) { v in
      let made = model(v[0], caches: caches.map { $0.read(in: v[0]) }, position: v[1])
      for (cache, new) in zip(caches, made.caches) { cache.write(new) }
      return [made.logits]
    }
    var logits: [Double] = []
    for (t, token) in [Int32(3), 1, 4, 1, 5, 9, 2, 6].enumerated() {
      logits += try step.run([
        try NDArray([token], shape: [1, 1]), try NDArray([Int32(t)]),
      ])[0].doubles
    }
    expectClose(
      try NDArray(logits.map { Float($0) }, shape: [1, 8, 11]), whole, "logits")
  }

  /// A step of decoding writes the new slices into the caches, and copies none of them.
  @Test func decodingCopiesNoCache() throws {
    let model = TransformerLanguageModel(
      vocabulary: 11, capacity: 4096, width: 8, heads: 2, layers: 2)
    let caches = model.blocks.map { KeyValueCache($0.attention, batches: 1, capacity: 4096) }
    let step = try compile(
      [TensorSpec([1, 1], .int32), TensorSpec([], .int32)], options: testOptions()
    ) { v in
      let made = model(v[0], caches: caches.map { $0.read(in: v[0]) }, position: v[1])
      for (cache, new) in zip(caches, made.caches) { cache.write(new) }
      return [made.logits]
    }
    let source = step.dump(.c)
    #expect(source.contains("mt_scatter_set") && !source.contains("mt_copy_rows"))
    // Less than one block's keys.
    #expect(step.program.report.arenaBytes < 4096 * 8 * 4 / 2)
  }

  // MARK: Positions

  @Test func positionsAreTheFormulas() throws {
    let learned = LearnedPositions(5, 4)
    let sinusoidal = SinusoidalPositions(5, 4)
    let (halves, pairs) = (RotaryPositions(9), RotaryPositions(9, pairing: .neighbours))
    let x = try values([2, 3, 4])
    let function = try compile(
      [TensorSpec([2, 3, 4]), TensorSpec([2], .int32)], options: testOptions()
    ) { v in
      let heads = v[0].reshaped([2, 3, 1, 4])
      return [
        sinusoidal(v[0]) - v[0], sinusoidal(v[0], from: v[1]) - v[0],
        learned(v[0], from: v[1]) - v[0], halves(heads, from: v[1]), pairs(heads),
      ]
    }
    let y = try function.run([x, try NDArray([Int32(2), 0])])
    func sine(_ p: Int, _ i: Int) -> Double {
      let angle = Double(p) * LibM.pow(10_000, -Double(i - i % 2) / 4)
      return i % 2 == 0 ? LibM.sin(angle) : LibM.cos(angle)
    }
    func expectValues(_ got: NDArray, _ name: String, _ value: (Int, Int, Int) -> Double) {
      for (n, v) in got.doubles.enumerated() {
        #expect(abs(v - value(n / 12, n / 4 % 3, n % 4)) < 1e-5, "\(name), element \(n)")
      }
    }
    let all = x.doubles
    expectValues(y[0], "sinusoidal") { _, t, i in sine(t, i) }
    expectValues(y[1], "sinusoidal from") { b, t, i in sine(t + (b == 0 ? 2 : 0), i) }
    let table = try learned.vectors.value().doubles
    expectValues(y[2], "learned from") { b, t, i in table[(t + (b == 0 ? 2 : 0)) * 4 + i] }
    func turned(_ b: Int, _ t: Int, _ i: Int, _ p: Int, pair: (Int, Int), isFirst: Bool, k: Int)
      -> Double
    {
      let angle = Double(p) * LibM.pow(10_000, -Double(k) / 2)
      let at = (b * 3 + t) * 4
      let (a, c) = (all[at + pair.0], all[at + pair.1])
      return isFirst
        ? a * LibM.cos(angle) - c * LibM.sin(angle) : c * LibM.cos(angle) + a * LibM.sin(angle)
    }
    expectValues(y[3], "rotary, halves") { b, t, i in
      turned(b, t, i, t + (b == 0 ? 2 : 0), pair: (i % 2, i % 2 + 2), isFirst: i < 2, k: i % 2)
    }
    expectValues(y[4], "rotary, neighbours") { b, t, i in
      turned(b, t, i, t, pair: (i / 2 * 2, i / 2 * 2 + 1), isFirst: i % 2 == 0, k: i / 2)
    }
  }

  // MARK: Refusals

  @Test func mistakesAreNamed() throws {
    func message(_ specs: [TensorSpec], _ body: @escaping ([Tensor]) -> [Tensor]) -> String {
      do {
        _ = try compile(specs, options: testOptions(), body)
        return "no error"
      } catch {
        return "\(error)"
      }
    }
    let x = TensorSpec([2, 5, 6])
    #expect(
      message([x]) { [MultiHeadAttention(6, heads: 4)($0[0])] }.contains(
        "4 heads do not divide a width of 6"))
    let layer = MultiHeadAttention(6, heads: 2)
    #expect(message([TensorSpec([2, 5, 7])]) { [layer($0[0])] }.contains("takes [B, T, 6]"))
    #expect(message([TensorSpec([2, 0, 6])]) { [layer($0[0])] }.contains("length zero"))
    #expect(
      message([x, TensorSpec([5, 4], .bool)]) { [layer($0[0], mask: $0[1])] }.contains(
        "does not broadcast to [2,2,5,5]"))
    #expect(
      message([x, TensorSpec([5, 5], .int32)]) { [layer($0[0], mask: $0[1])] }.contains(
        "a mask is bool"))
    #expect(
      message([x, TensorSpec([3], .int32)]) { [layer($0[0], keyLengths: $0[1])] }.contains(
        "key lengths are i32[2]"))
    let head = TensorSpec([1, 2, 4, 3])
    #expect(
      message([head, TensorSpec([1, 2, 4, 3]), TensorSpec([1, 2, 5, 3])]) {
        [scaledDotProductAttention($0[0], $0[1], $0[2])]
      }.contains("keys and values differ"))
    #expect(
      message([head, TensorSpec([1, 3, 4, 3])]) {
        [scaledDotProductAttention($0[0], $0[1], $0[1])]
      }.contains("cannot share 3 heads"))
    #expect(
      message([TensorSpec([2, 3, 6]), TensorSpec([2, 4, 6]), TensorSpec([2, 5, 6])]) {
        [AdditiveAttention(query: 6, key: 6, hidden: 3)($0[0], $0[1], values: $0[2]).context]
      }.contains("differ in length"))
    #expect(
      message([x]) { v in
        let cache = KeyValues(layer, batches: 2, capacity: 4, like: v[0])
        return [layer(v[0], cache: cache, position: iota([2])).output]
      }.contains("5 new positions for a capacity of 4"))
    #expect(message([x]) { [LearnedPositions(4, 6)($0[0])] }.contains("T ≤ 4"))
    // Lengths beyond S are data: refused when the program runs.
    let f = try compile([x, TensorSpec([2], .int32)], options: testOptions()) {
      [layer($0[0], keyLengths: $0[1])]
    }
    #expect(throws: RunError.self) {
      try f.run([try NDArray(zeros: [2, 5, 6]), try NDArray([Int32(6), 1])])
    }
  }
}
