// Counter-based draws: known answers of the generator, moments, and what dropout makes of them.

import MartletIR
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

@Suite struct RandomTests {
  // The known-answer vectors of Random123's kat_vectors for philox4x32-10.
  @Test func philoxKnownAnswers() {
    let ones = UInt32.max
    #expect(
      Philox.block(key: (0, 0), counter: [0, 0, 0, 0])
        == [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
    #expect(
      Philox.block(key: (ones, ones), counter: [ones, ones, ones, ones])
        == [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd])
    #expect(
      Philox.block(
        key: (0xa409_3822, 0x299f_31d0),
        counter: [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344])
        == [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1])
  }

  /// A program's draws, with its seed and step appended to the inputs.
  private func draw(
    _ type: TensorType, seed: Int64 = 1, step: Int64 = 0, training: Bool = true,
    _ body: (Tensor) -> [Tensor]
  ) throws -> [HostArray] {
    let trace = Trace(name: "draw", isTraining: training)
    let x = trace.argument(type, name: "x")
    let results = body(x)
    try trace.finish()
    var graph = trace.graph
    for result in results { graph.addOutput(try #require(result.value)) }
    let key = [seed, step].map { HostArray(TensorType(.int64, []), [$0]) }
    let inputs = [HostArray(splat: 1, type)] + (trace.usesRandom ? key : [])
    return try Interpreter().run(graph, inputs)
  }

  /// Frequencies of draws are the softmax; what has probability 0 is never drawn; draws without
  /// replacement differ, and the first of them is the draw with replacement.
  @Test(arguments: [DType.float32, .float64])
  func categoricalFrequencies(_ dtype: DType) throws {
    let logits: [Double] = [0, 1, -.infinity, 2, -1]
    let weights = logits.map { LibM.exp($0) }
    let total = weights.reduce(0, +)
    let rows = 20_000
    let results = try draw(TensorType(dtype, [rows, logits.count])) { x in
      let row = x.trace.constant(HostArray(TensorType(dtype, [logits.count]), logits))
      let all = row.broadcasted(to: x.shape)
      return [categorical(logits: all), multinomial(logits: all, count: 3)]
    }
    var counts = [Int](repeating: 0, count: logits.count)
    for draw in results[0].integers { counts[Int(draw)] += 1 }
    for (count, weight) in zip(counts, weights) {
      let p = weight / total
      // Four standard errors.
      #expect(
        abs(Double(count) / Double(rows) - p) <= 4 * (p * (1 - p) / Double(rows)).squareRoot())
    }
    var firsts = [Int](repeating: 0, count: logits.count)
    let several = results[1].integers
    for row in 0..<rows {
      let draws = Set(several[(3 * row)..<(3 * row + 3)])
      #expect(draws.count == 3 && !draws.contains(2))
      firsts[Int(several[3 * row])] += 1
    }
    #expect(firsts[2] == 0 && abs(Double(firsts[3]) / Double(rows) - weights[3] / total) < 0.015)
  }

  @Test(arguments: [DType.float32, .float64])
  func moments(_ dtype: DType) throws {
    let results = try draw(TensorType(dtype, [20_000])) {
      [$0.randomUniformLike(), $0.randomNormalLike(), $0.randomUniformLike(low: -3, high: 5)]
    }
    func moment(_ x: [Double], _ power: Int) -> Double {
      x.reduce(0) { sum, v in sum + (0..<power).reduce(1.0) { p, _ in p * v } } / Double(x.count)
    }
    let (uniform, normal, wide) = (results[0].doubles, results[1].doubles, results[2].doubles)
    #expect(uniform.allSatisfy { $0 >= 0 && $0 < 1 })
    #expect(wide.allSatisfy { $0 >= -3 && $0 < 5 })
    // Four standard errors each.
    #expect(abs(moment(uniform, 1) - 1 / 2) < 0.0082)
    #expect(abs(moment(uniform, 2) - 1 / 3) < 0.0085)
    #expect(abs(moment(normal, 1)) < 0.029)
    #expect(abs(moment(normal, 2) - 1) < 0.04)
    #expect(abs(moment(normal, 4) - 3) < 0.28)
    #expect(abs(moment(wide, 1) - 1) < 0.066)
  }

  @Test func drawsDependOnSeedStepAndPlaceOnly() throws {
    let type = TensorType(.float32, [64])
    func two(_ seed: Int64, _ step: Int64) throws -> [HostArray] {
      try draw(type, seed: seed, step: step) { [$0.randomUniformLike(), $0.randomUniformLike()] }
    }
    let first = try two(1, 0)
    #expect(try two(1, 0) == first)
    #expect(first[0] != first[1])
    #expect(try two(2, 0)[0] != first[0])
    #expect(try two(1, 1)[0] != first[0])
    #expect(try two(1 << 32, 0)[0] != first[0])
    #expect(try two(1, 1 << 32)[0] != first[0])
  }

  @Test func dropoutKeepsScalesAndStopsAtInference() throws {
    let type = TensorType(.float64, [10_000])
    let trained = try draw(type) { x in
      let y = dropout(x, rate: 0.25)
      return [y, dropout(x, rate: 0.25, scaling: .atInference)]
        + gradients(of: y.sum(), wrt: [x])
    }
    let kept = trained[0].doubles.filter { $0 != 0 }
    #expect(kept.allSatisfy { $0 == 1 / 0.75 })
    #expect(abs(Double(kept.count) - 7500) < 4 * 43.3)
    #expect(Set(trained[1].doubles) == [0, 1])
    // The gradient passes under the same mask and scale.
    #expect(trained[2] == trained[0])

    let inferred = try draw(type, training: false) {
      [dropout($0, rate: 0.25), dropout($0, rate: 0.25, scaling: .atInference)]
    }
    #expect(Set(inferred[0].doubles) == [1])
    #expect(Set(inferred[1].doubles) == [0.75])
    let edges = try draw(type) { [dropout($0, rate: 0), dropout($0, rate: 1)] }
    #expect(Set(edges[0].doubles) == [1])
    #expect(Set(edges[1].doubles) == [0])
  }
}
