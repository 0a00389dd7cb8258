// The interpreter runs graphs, checks what it is given, and traces that go wrong report, not trap.

import MartletIR
import MartletOps
import MartletTestSupport
import Testing

@Suite struct InterpreterTests {
  private let type = TensorType(.float64, [2])

  @Test func runsAGraphAndItsBodies() throws {
    let f = try TracedFunction([type, type]) { x in [tanh(x[0] * x[1]) + x[0], x[1]] }
    let result = try f([HostArray(type, [0.5, -1.0]), HostArray(type, [2.0, 0.0])])
    #expect(result[0].doubles == [LibM.tanh(1) + 0.5, -1])
    #expect(result[1].doubles == [2, 0])
    for sample in Call.samples {
      var generator = SplitMix64("bodies")
      let inputs = sample.draw(&generator)
      let direct = try sample.op.evaluate(inputs, sample.regions)
      #expect(try Interpreter().run(sample.regions[0], inputs) == direct)
    }
  }

  @Test func aParameterMayBeAnOutputAndUnused() throws {
    let f = try TracedFunction([type, type]) { x in [x[0], x[0]] }
    let inputs = [HostArray(type, [1.0, 2]), HostArray(type, [3.0, 4])]
    #expect(try f(inputs) == [inputs[0], inputs[0]])
  }

  @Test func refusesOtherInputs() throws {
    let f = try TracedFunction([type]) { x in [x[0] + 1] }
    #expect(throws: TypeError.self) { try f([]) }
    #expect(throws: TypeError.self) { try f([HostArray(TensorType(.float64, [3]), [1.0, 2, 3])]) }
    #expect(throws: TypeError.self) { try f([HostArray(TensorType(.float32, [2]), [1.0, 2])]) }
  }

  /// Each of these is one diagnostic of the trace, thrown when it ends.
  @Test(arguments: Mistake.all) func mistakesAreReported(_ mistake: Mistake) {
    let error = #expect(throws: CompileError.self) {
      try TracedFunction([TensorType(.float32, [2, 3]), TensorType(.int32, [4])], mistake.body)
    }
    #expect(error?.code == .type, "\(mistake.name): \(error?.description ?? "no error")")
    #expect(error?.furtherErrors == 0, "\(mistake.name): \(error?.description ?? "no error")")
    #expect((error?.description.split(separator: "\n").count ?? 9) <= 6)
  }

  struct Mistake: Sendable, CustomTestStringConvertible {
    var name: String
    var body: @Sendable ([Tensor]) -> [Tensor]
    var testDescription: String { name }
    init(_ name: String, _ body: @escaping @Sendable ([Tensor]) -> [Tensor]) {
      self.name = name
      self.body = body
    }

    static let all: [Mistake] = [
      Mistake("dtypes differ") { [$0[0] + $0[1]] },
      Mistake("shapes do not broadcast") { [$0[0] * $0[0].transposed] },
      Mistake("exp of integers") { [exp($0[1])] },
      Mistake("not of floats") { [.!$0[0]] },
      Mistake("and of floats") { [$0[0] .& $0[0]] },
      Mistake("condition of floats") { [select($0[0], $0[0], $0[0])] },
      Mistake("select of two dtypes") { [select($0[0] .> 0, $0[0], $0[1])] },
      Mistake("axis too large") { [$0[0].sum(axes: [2])] },
      Mistake("axis twice") { [$0[0].max(axes: [0, -2])] },
      Mistake("axis too small") { [$0[0].min(axes: [-3], keepDims: true)] },
      Mistake("argmax axis") { [$0[0].argmax(axis: 5, keepDims: true)] },
      Mistake("all of floats") { [$0[0].all()] },
      Mistake("product of bools") { [($0[0] .> 0).product()] },
      Mistake("slice out of range") { [$0[0].sliced(2..<5, axis: 1)] },
      Mistake("slice rank") { [$0[0].sliced(start: [0], limit: [1])] },
      Mistake("slice stride") { [$0[0].sliced(start: [0, 0], limit: [1, 1], stride: [0, 1])] },
      Mistake("slice axis") { [$0[0].sliced(0..<1, axis: -3)] },
      Mistake("pad cuts too much") { [$0[0].padded(low: [-3, 0], high: [0, 0])] },
      Mistake("pad rank") { [$0[0].padded(low: [1], high: [1])] },
      Mistake("pad overflows") { [$0[0].padded(low: [Int.max, 0], high: [Int.max, 0])] },
      Mistake("reverse axis") { [$0[0].reversed(axes: [7])] },
      Mistake("concatenate dtypes") { [concatenate([$0[0], $0[1]])] },
      Mistake("concatenate shapes") { [concatenate([$0[0], $0[0].transposed], axis: 1)] },
      Mistake("concatenate nothing") { _ in [concatenate([])] },
      Mistake("concatenate axis") { [concatenate([$0[0], $0[0]], axis: 2)] },
      Mistake("iota axis") { _ in [iota([2, 3], axis: 2)] },
      Mistake("iota of a scalar") { _ in [iota([], axis: -1)] },
      Mistake("iota of bools") { _ in [iota([2], dtype: .bool)] },
      Mistake("iota of a negative shape") { _ in [iota([-2])] },
      Mistake("reshape") { [$0[0].reshaped([4, -1])] },
      Mistake("transpose") { [$0[0].transposed([0, 0])] },
      Mistake("matmul") { [matmul($0[0], $0[0])] },
      Mistake("the first of many") { x in
        let bad = x[0] + x[1]
        return [tanh(bad * 2 - x[0]).sum(axes: [1]).max(), bad]
      },
    ]
  }

  /// Outside of a trace there is nothing to report to; the tensor is refused where it is used.
  @Test func detachedTensorsAreForeign() {
    let error = #expect(throws: CompileError.self) {
      let detached = iota([2], dtype: .float64)
      _ = try TracedFunction([TensorType(.float64, [2])]) { [$0[0] + detached] }
    }
    #expect(error?.code == .foreignTensor)
  }

  @Test func compositesOverBools() throws {
    let type = TensorType(.float32, [2, 3])
    let f = try TracedFunction([type]) { x in
      let positive = x[0] .> 0
      return [
        positive.any(axes: [1]), positive.all(axes: [1]), positive.any(),
        positive.all(axes: [0], keepDims: true),
        positive.sliced(0..<0, axis: 1).any(axes: [1]),
        positive.sliced(0..<0, axis: 1).all(axes: [1]),
        (.!positive .| (x[0] .< 3)) .^ (x[0] .!= 1),
      ]
    }
    let results = try f([HostArray(type, [1.0, 2, 3, 0, -1, 4])]).map(\.integers)
    #expect(results[0] == [1, 1])
    #expect(results[1] == [1, 0])
    #expect(results[2] == [1])
    #expect(results[3] == [0, 0, 1])
    #expect(results[4] == [0, 0])
    #expect(results[5] == [1, 1])
    #expect(results[6] == [1, 0, 1, 0, 0, 1])
  }

  @Test func questionsAboutSingleElements() throws {
    let floats = TensorType(.float32, [5]), integers = TensorType(.int32, [5])
    let f = try TracedFunction([floats, integers]) { x in
      x.flatMap { [isNaN($0), isInf($0), isFinite($0)] }
    }
    let values = [Double.nan, .infinity, -.infinity, 3.4e38, -0.0]
    let results = try f([
      HostArray(floats, values), HostArray(integers, [0.0, 1, -1, 2_147_483_647, -2_147_483_648]),
    ]).map(\.integers)
    #expect(results[0] == [1, 0, 0, 0, 0])
    #expect(results[1] == [0, 1, 1, 0, 0])
    #expect(results[2] == [0, 0, 0, 1, 1])
    #expect(results[3] == [0, 0, 0, 0, 0])
    #expect(results[4] == [0, 0, 0, 0, 0])
    #expect(results[5] == [1, 1, 1, 1, 1])
  }

  @Test func operatorsTakeLiteralsOnBothSides() throws {
    let type = TensorType(.float64, [2])
    let f = try TracedFunction([type]) { x in
      var y = 1 - x[0] / 2 + 3 * x[0]
      y += 1
      y *= x[0]
      y -= x[0]
      y /= 2
      return [y, -(2 / x[0]), 7 - x[0] % 2, pow(x[0], 2), maximum(x[0], 3) - minimum(x[0], 3)]
    }
    let results = try f([HostArray(type, [2.0, 5])]).map(\.doubles)
    #expect(results == [[6, 33.75], [-1, -0.4], [7, 6], [4, 25], [1, 2]])
  }
}
