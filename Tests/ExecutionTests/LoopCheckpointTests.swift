// Loops that keep their carries at the ends of segments: the same values and gradients from less memory.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

/// A net with draws in its body, so that a step that is run again must draw the same.
private func noisy(_ v: [Tensor], reversed: Bool, every segment: Int?) -> [Tensor] {
  let (last, ys) = scan(
    over: [v[0]], carrying: [v[1]], reversed: reversed, checkpointEvery: segment
  ) { carry, x in
    let sum = matmul(x[0], v[2]) + matmul(carry[0], v[3])
    let next = tanh(sum) * (1 + 0.1 * carry[0].randomUniformLike())
    return ([next], [next, sum])
  }
  return ys + last
}

private func specs(_ length: Int, _ dtype: DType = .float64) -> [TensorSpec] {
  [[length, 3, 4], [3, 5], [4, 5], [5, 5]].map { TensorSpec($0, dtype) }
}

private func arrays(_ specs: [TensorSpec], _ name: String) throws -> [NDArray] {
  var generator = SplitMix64(name)
  return try specs.map {
    try NDArray(HostArray.random($0.type, in: -1...1, &generator).doubles, shape: $0.type.shape)
  }
}

@Suite struct LoopCheckpointTests {
  /// Segments that divide the steps and that do not, of one step, and longer than the sequence.
  @Test(arguments: [(6, 3), (7, 3), (5, 1), (4, 9)], [false, true])
  func segmentsChangeNothing(_ lengths: (steps: Int, segment: Int), _ reversed: Bool) throws {
    let types = specs(lengths.steps)
    func derivatives(_ v: [Tensor], _ segment: Int?) -> [Tensor] {
      let y = noisy(v, reversed: reversed, every: segment)
      let loss = (y[0] * y[0]).sum() + (y[1] * y[2].sum()).sum()
      let first = gradients(of: loss, wrt: v)
      let norm = first.map { ($0 * $0).sum() }.reduce(v[0].trace.constant(0, .float64), +)
      return y + first + gradients(of: norm, wrt: v)
    }
    let inputs = try arrays(types, "segments")
    let whole = try compile(types, options: testOptions()) { derivatives($0, nil) }
    let expected = try whole.run(inputs)
    for options in [try testOptions(), try testOptions(disable: ["loops", "fuse"])] {
      let cut = try compile(types, options: options) { derivatives($0, lengths.segment) }
      cut.session.seed = whole.session.seed
      let found = try cut.run(inputs)
      #expect(found.count == expected.count)
      for (index, (x, y)) in zip(found, expected).enumerated() {
        // Values to the bit; sums over the steps are taken in another order.
        if index < 3 { #expect(try x.doubles == y.doubles, "result \(index)") }
        for (a, b) in zip(try x.doubles, try y.doubles) {
          #expect(Swift.abs(a - b) <= 1e-11 * (1 + Swift.abs(b)), "result \(index)")
        }
      }
    }
  }

  /// A budget that nothing else meets: the loops are cut, the losses stay.
  @Test func budgetCutsLoops() throws {
    func losses(_ budget: Int?) throws -> (losses: [Double], arena: Int) {
      var options = try testOptions()
      options.memoryBudget = budget
      options.seed = 3
      let cell = LSTM(8, 16)
      let step = try compile(
        training: cell, with: SGD(learningRate: 0.05), TensorSpec([144, 4, 8]), options: options,
        auxiliary: { x in
          let h = cell.run(x[0]).state[0]
          return ((h * h).mean(), [:])
        })
      var made: [Double] = []
      for round in 0..<3 {
        let values = (0..<(144 * 32)).map { Float(($0 * 7919 + round * 31) % 256) / 128 - 1 }
        made.append(try step(try NDArray(values, shape: [144, 4, 8])).item())
      }
      return (made, step.program.report.arenaBytes)
    }
    let free = try losses(nil)
    let budget = free.arena / 3
    let tight = try losses(budget)
    #expect(tight.arena <= budget)
    for (a, b) in zip(tight.losses, free.losses) { #expect(Swift.abs(a - b) <= 1e-6 * b) }
  }

  /// The stored values of a thousand steps: those of 2.2 √T steps at most.
  @Test func storesTheRootOfTheSteps() throws {
    let (steps, width, hidden) = (1000, 8, 32)
    func arena(_ segment: Int?, _ steps: Int) throws -> Int {
      let f = try compile(
        [[steps, width, hidden], [width, hidden], [hidden, hidden]].map { TensorSpec($0) },
        options: testOptions()
      ) { v in
        let last = scan(over: [v[0]], carrying: [v[1]], checkpointEvery: segment) { carry, x in
          let a = tanh(matmul(carry[0], v[2]) + x[0])
          let b = logistic(a * x[0])
          return ([a * b], [])
        }.carry[0]
        return gradients(of: (last * last).sum(), wrt: [v[1], v[2]])
      }
      return f.program.report.arenaBytes
    }
    let whole = try arena(nil, steps)
    let half = try arena(nil, steps / 2)
    let perStep = Double(whole - half) / Double(steps / 2)
    let cut = try arena(25, steps)
    #expect(Double(cut) <= 2.2 * Double(steps).squareRoot() * perStep, "\(cut) of \(whole)")
  }

  @Test func refusesNoSteps() {
    #expect(throws: CompileError.self) {
      _ = try compile(specs(4), options: testOptions()) {
        noisy($0, reversed: false, every: 0)
      }
    }
  }
}
