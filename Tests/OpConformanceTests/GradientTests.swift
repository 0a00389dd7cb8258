// Every gradient rule against central differences, twice; and the conventions at ties and zeros.

import MartletIR
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

@Suite struct GradientTests {
  @Test(arguments: OpCase.all) func rulesMatchDifferencesTwice(_ op: OpCase) throws {
    var generator = SplitMix64("gradient " + op.type.name)
    var seen = Set<String>()
    for sample in op.type.samples where sample.isSmooth {
      guard let sample = sample.over(.float64),
        sample.operands.contains(where: { $0.dtype == .float64 })
      else { continue }
      let results = try sample.op.infer(sample.operands, sample.regions)
      guard results.contains(where: { $0.dtype == .float64 }), seen.insert(sample.label).inserted
      else { continue }
      let point = sample.drawSeparated(&generator)
      let derivatives = try checkGradient(sample.operands, at: point, &generator) { x in
        recordAll(sample.op, x, regions: sample.regions)
      }
      if let mismatch = derivatives.mismatch(1e-6) {
        Issue.record("\(sample.label): \(mismatch)")
      }
    }
  }

  /// The set is closed: two derivatives exist, without a diagnostic, in every float dtype and also
  /// where the function jumps.
  @Test(arguments: OpCase.all) func everyOperationDifferentiatesTwice(_ op: OpCase) throws {
    var generator = SplitMix64("twice " + op.type.name)
    for sample in op.type.samples {
      let free = sample.operands.indices.filter { sample.operands[$0].dtype.isFloatingPoint }
      let results = try sample.op.infer(sample.operands, sample.regions)
      guard let dtype = free.first.map({ sample.operands[$0].dtype }),
        results.contains(where: { $0.dtype == dtype })
      else { continue }
      func total(_ tensors: [Tensor]) -> Tensor {
        tensors.filter { $0.dtype == dtype }.map { ($0 * $0).sum() }.reduce(
          tensors[0].trace.constant(0, dtype), +)
      }
      let twice = try TracedFunction(sample.operands) { x in
        let y = total(recordAll(sample.op, x, regions: sample.regions))
        let first = gradients(of: y, wrt: free.map { x[$0] })
        return gradients(of: total(first), wrt: free.map { x[$0] })
      }
      let derivatives = try twice(sample.draw(&generator))
      #expect(derivatives.map(\.type) == free.map { sample.operands[$0] }, "\(sample.label)")
    }
  }

  // MARK: Conventions

  private func gradient(
    _ values: [Double]..., of body: @escaping ([Tensor]) -> Tensor
  ) throws -> [[Double]] {
    let types = values.map { TensorType(.float64, [$0.count]) }
    let f = try TracedFunction(types) { x in gradients(of: body(x).sum(), wrt: x) }
    return try f(zip(types, values).map { HostArray($0, $1) }).map(\.doubles)
  }

  @Test func tiesAndZeros() throws {
    #expect(try gradient([-1, 0, 2]) { maximum($0[0], 0) } == [[0, 0, 1]])
    #expect(
      try gradient([1, 2, 3], [2, 2, 2]) { maximum($0[0], $0[1]) } == [[0, 0, 1], [1, 1, 0]])
    #expect(
      try gradient([1, 2, 3], [2, 2, 2]) { minimum($0[0], $0[1]) } == [[1, 0, 0], [0, 1, 1]])
    #expect(try gradient([-2, 0, 3]) { abs($0[0]) } == [[-1, 0, 1]])
    #expect(try gradient([-2, 0, 3]) { sign($0[0]) } == [[0, 0, 0]])
    #expect(try gradient([3, 1, 3, 3]) { $0[0].max() } == [[1, 0, 0, 0]])
    #expect(try gradient([3, 1, 2, 1]) { $0[0].min() } == [[0, 1, 0, 0]])
  }

  @Test func selectKeepsNaNOut() throws {
    // The logarithm of the side that is not chosen is NaN, and its derivative infinite at 0.
    let dx = try gradient([-1, 0, 2]) { x in
      select(x[0] .> 0, log(select(x[0] .> 0, x[0], 1)), 0)
    }
    #expect(dx == [[0, 0, 0.5]])
  }

  @Test func powerAtZero() throws {
    let dx = try gradient([0, 0, 0, 2, -2], [0, 1, 2, 3, 3]) { pow($0[0], $0[1]) }
    #expect(dx[0] == [0, 1, 0, 12, 12])
    #expect(dx[1][..<3] == [0, 0, 0])
    #expect(dx[1][4].isNaN)
    // The second derivative at 0, where a masked infinity would be NaN.
    let second = try gradient([0, 0, 0, 0]) { x in
      let p = x[0].trace.constant(HostArray(TensorType(.float64, [4]), [0.0, 1, 2, 3]))
      return gradients(of: pow(x[0], p).sum(), wrt: x)[0]
    }
    #expect(second == [[0, 0, 2, 0]])
  }

  @Test func productIsExactWithZeros() throws {
    #expect(try gradient([2, 3, 4]) { $0[0].product() } == [[12, 8, 6]])
    #expect(try gradient([2, 0, 4]) { $0[0].product() } == [[0, 8, 0]])
    #expect(try gradient([0, 3, 0]) { $0[0].product() } == [[0, 0, 0]])
    #expect(try gradient([5]) { $0[0].product() } == [[1]])
    // ∂²/∂x₀∂x₂ of x₀x₁x₂ is x₁, also where x₀ = x₂ = 0.
    let second = try gradient([0, 3, 0]) { x in gradients(of: x[0].product(), wrt: x)[0] }
    #expect(second == [[3, 0, 3]])
  }

  @Test func nothingFlowsThroughAStop() throws {
    #expect(try gradient([1, 2]) { $0[0] * stopGradient($0[0]) } == [[1, 2]])
    #expect(
      try gradient([1, 2]) { $0[0].converted(to: .int32).converted(to: .float64) } == [[0, 0]])
  }

  @Test func sharedUsesAreSummed() throws {
    // e = (a+b)(b+1) at a = 2, b = 1: ∂e/∂a = b + 1, ∂e/∂b = (b+1) + (a+b).
    #expect(try gradient([2], [1]) { ($0[0] + $0[1]) * ($0[1] + 1) } == [[2], [5]])
  }

  @Test func padGivesTheFillItsShare() throws {
    let types = [TensorType(.float64, [2]), TensorType(.float64, [])]
    let pad = Pad(low: [2], high: [-1], interior: [1])
    let f = try TracedFunction(types) { x in gradients(of: record(pad, x[0], x[1]).sum(), wrt: x) }
    // [f, f, a, f] of [f, f, a, f, b] cut by one
    let result = try f([HostArray(types[0], [1.0, 2]), HostArray(types[1], [9.0])])
    #expect(result.map(\.doubles) == [[1, 0], [3]])
  }
}
