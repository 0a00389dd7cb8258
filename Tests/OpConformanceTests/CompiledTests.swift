// Compiled operations: within their bounds of the oracle and of NumPy on special values, the same
// bits fused and unfused; and their gradients.

import MartletExecution
import MartletIR
import MartletJIT
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

@Suite struct CompiledTests {
  /// The error that an operation's order of summing may cause is one of the whole result.
  private static func isScaled(_ op: any Op) -> Bool {
    switch op.lowering {
    case .reduction(.sum, _), .contraction, .call: true
    // A cosine near its zero has the error of its angle.
    case .random(.normal, _): true
    default: false
    }
  }

  private static func cases(_ type: any Op.Type) -> [(case: CompiledCase, ulp: Double)] {
    var generator = SplitMix64("compiled " + type.name)
    return type.samples.map {
      (CompiledCase($0.op, regions: $0.regions, $0.draw(&generator)), $0.ulp)
    }
  }

  @Test(arguments: OpCase.all) func tilesMatchTheOracle(_ op: OpCase) throws {
    let cases = Self.cases(op.type)
    let results = try runCompiled(cases.map(\.case), testOptions())
    for (item, actual) in zip(cases, results) {
      let expected = try item.case.op.evaluate(item.case.inputs, item.case.regions)
      for (x, y) in zip(actual, expected) {
        // Compiled code flushes what is below the smallest normal float to zero.
        let scaled = Self.isScaled(item.case.op)
        if let found = difference(x, y, ulp: item.ulp, scaled: scaled, absolute: 1.2e-38) {
          Issue.record("\(item.case.label): \(found)")
        }
      }
    }
  }

  /// NaN, infinities, −0 and the integers' edges, against NumPy.
  @Test(arguments: OracleTests.cases) func tilesMatchNumPy(_ op: OpCase) throws {
    let fixtures = try Fixture.load(op.type.name)
    let bound = op.type.samples.map(\.ulp).max() ?? 4
    let results = try runCompiled(
      fixtures.map { CompiledCase($0.op, $0.inputs) }, testOptions())
    for (number, (fixture, actual)) in zip(fixtures, results).enumerated() {
      for (x, y) in zip(actual, fixture.outputs) {
        let ulp = max(bound, fixture.ulp)
        if let found = difference(x, y, ulp: ulp, scaled: fixture.isScaled, absolute: 1e-37) {
          Issue.record("case \(number), \(fixture.op.attributes): \(found)")
        }
      }
    }
  }

  @Test(arguments: OpCase.all) func unfusedIsFused(_ op: OpCase) throws {
    let cases = Self.cases(op.type).map(\.case)
    let fused = try runCompiled(cases, testOptions())
    let options = try testOptions(disable: ["fuse", "plan"])
    try expectEqualBits(fused, try runCompiled(cases, options), cases)
  }

  /// Both forms give the same bits on NaN, infinities and the integers' edges, in one program.
  @Test(.enabled(if: SystemCompiler.find() != nil)) func scalarIsTileOnSpecialValues() throws {
    let cases = try OracleTests.cases.flatMap { try Fixture.load($0.type.name) }.map {
      CompiledCase($0.op, $0.inputs)
    }
    let tile = try runCompiled(cases, testOptions())
    try expectEqualBits(tile, try runCompiled(cases, testOptions(.cc)), cases)
  }

  private func expectEqualBits(
    _ a: [[HostArray]], _ b: [[HostArray]], _ cases: [CompiledCase]
  ) throws {
    for (item, (x, y)) in zip(cases, zip(a, b)) where x != y {
      for (p, q) in zip(x, y) where p != q {
        // NaN has many bit patterns, of which none is promised.
        if let found = difference(p, q, ulp: 0) { Issue.record("\(item.label): \(found)") }
      }
    }
  }

  /// The compiled gradients of every sample, with whatever fusion makes of them.
  @Test(arguments: OpCase.all) func gradientsMatchTheInterpreter(_ op: OpCase) throws {
    for (item, _) in Self.cases(op.type) {
      let free = item.inputs.indices.filter { item.inputs[$0].dtype.isFloatingPoint }
      let results = try item.op.infer(item.inputs.map(\.type), item.regions)
      guard let dtype = free.first.map({ item.inputs[$0].dtype }),
        results.contains(where: { $0.dtype == dtype })
      else { continue }
      let f = try TracedFunction(item.inputs.map(\.type)) { x in
        let y = recordAll(item.op, x, regions: item.regions).filter { $0.dtype == dtype }
        let loss = y.map { ($0 * $0).sum() }.reduce(x[0].trace.constant(0, dtype), +)
        return gradients(of: loss, wrt: free.map { x[$0] })
      }
      let actual = try runCompiled(f.graph, item.inputs, options: testOptions())
      for (x, y) in zip(actual, try f(item.inputs)) {
        // Rules like y · (1 − y) cancel: the error is one of the operands' size.
        let absolute = dtype == .float32 ? 1e-6 : 1e-15
        if let found = difference(x, y, ulp: 512, scaled: true, absolute: absolute) {
          Issue.record("\(item.label): \(found)")
        }
      }
    }
  }
}
