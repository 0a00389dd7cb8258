// Every operation, compiled: tile form = scalar form = oracle.

import MartletExecution
import MartletIR
import MartletOps
import MartletTestSupport
import Testing

/// What rounding may leave of a sum that cancels: a few units of its largest term.
private func cancellation(_ sample: OpSample, _ operands: [HostArray]) -> Double {
  func largest(_ x: HostArray) -> Double { x.doubles.map { abs($0) }.max() ?? 0 }
  guard let dtype = operands.first?.dtype, dtype.isFloatingPoint else { return 0 }
  switch sample.op.lowering {
  case .contraction: return 8 * ulp(operands.map(largest).reduce(1, *), dtype)
  case .reduction(.sum, _), .call: return 8 * ulp(largest(operands[0]), dtype)
  default: return 0
  }
}

@Suite struct CompiledConformanceTests {
  @Test(arguments: Registry.ops.map { $0.name })
  func tileFormMatchesTheOracle(_ name: String) throws {
    let op = try #require(Registry.ops.first { $0.name == name })
    let samples = op.samples
    var generator = SplitMix64("compiled \(name)")
    for sample in samples {
      let operands = sample.draw(&generator)
      let expected = try sample.op.evaluate(operands, sample.regions)
      let program = try graph(of: [sample], name: name)
      for threads in [1, 3] {
        let actual = try runCompiled(program, operands, options: try testOptions(threads: threads))
        for (a, e) in zip(actual, expected) {
          let message = difference(
            a, e, ulp: sample.ulp, scaled: true, absolute: cancellation(sample, operands))
          #expect(message == nil, "\(sample.label), \(threads) threads: \(message ?? "")")
        }
      }
    }
  }

  /// One program over all samples: the schedule, planner and printers at their widest.
  @Test func allSamplesInOneProgram() throws {
    var generator = SplitMix64("all samples")
    let all = Registry.ops.flatMap { $0.samples }
    let operands = all.map { $0.draw(&generator) }
    var expected: [HostArray] = []
    var labels: [String] = []
    var ulps: [Double] = []
    var absolutes: [Double] = []
    for (sample, inputs) in zip(all, operands) {
      let results = try sample.op.evaluate(inputs, sample.regions)
      expected += results
      labels += results.map { _ in sample.label }
      ulps += results.map { _ in sample.ulp }
      absolutes += results.map { _ in cancellation(sample, inputs) }
    }
    let program = try graph(of: all, name: "all")
    let inputs = operands.flatMap { $0 }
    let tiles = try runCompiled(program, inputs, options: try testOptions())
    for index in expected.indices {
      // Compiled code flushes what is below the smallest normal float to zero.
      let message = difference(
        tiles[index], expected[index], ulp: ulps[index], scaled: true,
        absolute: max(absolutes[index], 1.2e-38))
      #expect(message == nil, "\(labels[index]): \(message ?? "")")
    }
    // The scalar form needs a C compiler; its bits are those of the tile form.
    let scalars: [HostArray]
    do {
      scalars = try runCompiled(program, inputs, options: try testOptions(.cc))
    } catch let error as CompileError where error.code == .machineCode {
      withKnownIssue("no C compiler here") { Issue.record(error) }
      return
    }
    for index in expected.indices {
      #expect(
        tiles[index] == scalars[index] || difference(scalars[index], tiles[index], ulp: 0) == nil,
        "\(labels[index]): tile and scalar form differ")
    }
  }
}
