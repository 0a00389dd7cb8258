// Tables that are updated by rows: the dense update's bits, PyTorch's numbers, and nothing but the rows
// touched.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTestSupport
import Testing

private struct Bag: Layer {
  let table: Embedding
  let output = Linear(3, 2)
  init(_ rows: Int, sparse: Bool) { table = Embedding(rows, 3, sparse: sparse) }
  func callAsFunction(_ tokens: Tensor) -> Tensor { output(tanh(table(tokens)).mean(axes: [1])) }
}

/// Steps of 2 × 4 tokens with repeats among 12 rows; some rows are never read, some not every time.
private let batches: [[Int32]] = [
  [3, 3, 0, 7, 3, 11, 0, 5], [1, 1, 1, 1, 1, 1, 1, 1], [11, 10, 7, 3, 0, 0, 10, 2],
  [7, 7, 3, 3, 11, 11, 0, 0],
]

private func train(
  _ optimizer: some Optimizer, sparse: Bool, threads: Int = 1
) throws -> (arrays: [[Double]], losses: [Double], source: String) {
  let model = Bag(12, sparse: sparse)
  let step = try compile(
    training: model, with: optimizer, TensorSpec([2, 4], .int32), TensorSpec([2], .int32),
    options: testOptions(threads: threads)
  ) { softmaxCrossEntropy(logits: model($0), labels: $1) }
  var losses: [Double] = []
  for round in 0..<8 {
    let tokens = try NDArray(batches[round % 4], shape: [2, 4])
    losses.append(try step(tokens, try NDArray([0 as Int32, 1])).item())
  }
  return (try model.parameters.map { try $0.value().doubles }, losses, step.dump(.c))
}

@Suite struct SparseTests {
  @Test func rowsTakeTheBitsOfTheDenseUpdate() throws {
    func expectEqual(_ optimizer: some Optimizer) throws {
      let dense = try train(optimizer, sparse: false)
      let sparse = try train(optimizer, sparse: true)
      #expect(dense.arrays == sparse.arrays && dense.losses == sparse.losses)
      #expect(
        sparse.source.contains("mt_scatter_set_") && !dense.source.contains("mt_scatter_set_"))
      #expect(try train(optimizer, sparse: true, threads: 2).arrays == sparse.arrays)
    }
    try expectEqual(SGD(learningRate: 0.3))
    try expectEqual(AdaGrad(learningRate: 0.3))
    try expectEqual(SGD(learningRate: 0.3).clipping(value: 0.05))
  }

  /// The norm of the rows' sums is that of the dense gradient, summed in another order.
  @Test func clippingSeesTheWholeGradient() throws {
    for optimizer in [
      SGD(learningRate: 0.5).clipping(globalNorm: 0.1), SGD(learningRate: 0.5).clipping(norm: 0.05),
    ] {
      let dense = try train(optimizer, sparse: false)
      let sparse = try train(optimizer, sparse: true)
      for (a, b) in zip(dense.arrays.joined(), sparse.arrays.joined()) {
        #expect(abs(a - b) < 1e-6)
      }
    }
  }

  /// Rules that need the whole table get it.
  @Test func otherRulesStayDense() throws {
    for optimizer: any Optimizer in [
      Momentum(learningRate: 0.1), RMSProp(), Adam().accumulating(2), Adam().maxNorm(1),
    ] {
      func check(_ optimizer: some Optimizer) throws {
        let dense = try train(optimizer, sparse: false)
        let sparse = try train(optimizer, sparse: true)
        #expect(dense.arrays == sparse.arrays)
        #expect(!sparse.source.contains("mt_scatter_set_"))
      }
      try check(optimizer)
    }
  }

  /// A table that is read as a matrix too (tied weights) has a dense gradient.
  @Test func tiedTablesStayDense() throws {
    struct Tied: Layer {
      let table = Embedding(6, 3, sparse: true)
      func callAsFunction(_ x: Tensor) -> Tensor {
        let rows = table(x)
        guard let whole = table.table.tensor else { return rows }
        return matmul(rows, whole.transposed([1, 0]))
      }
    }
    let model = Tied()
    let step = try compile(
      training: model, with: Adam(), TensorSpec([5], .int32), TensorSpec([5], .int32),
      options: testOptions()
    ) { softmaxCrossEntropy(logits: model($0), labels: $1) }
    #expect(!step.dump(.c).contains("mt_scatter_set_"))
    let before = try model.table.table.value().doubles
    _ = try step(try NDArray([0 as Int32, 1, 1, 2, 0]), try NDArray([1 as Int32, 2, 0, 2, 1]))
    // Row 5 was looked up by nobody, and moved all the same.
    #expect(zip(before, try model.table.table.value().doubles).suffix(3).allSatisfy { $0 != $1 })
  }

  /// `torch.optim.SparseAdam` over gradients of `torch.nn.Embedding(sparse=True)`.
  @Test(arguments: ["sgd", "adagrad", "adam"]) func followsPyTorch(_ rule: String) throws {
    let fixture = try Fixture("sequences")
    struct Table: Layer {
      let table = Embedding(9, 4, sparse: true)
      func callAsFunction(_ x: Tensor) -> Tensor { table(x) }
    }
    let model = Table()
    try model.table.table.set(try fixture["sparse.initial"])
    let specs = (TensorSpec([6], .int32), TensorSpec([6, 4]))
    func make(_ optimizer: some Optimizer) throws -> TrainingStep {
      try compile(
        training: model, with: optimizer, specs.0, specs.1, options: testOptions()
      ) { tokens, weights in (tanh(model(tokens)) * weights).sum() }
    }
    let step =
      switch rule {
      case "sgd": try make(SGD(learningRate: 0.1))
      case "adagrad": try make(AdaGrad(learningRate: 0.1, epsilonPlace: .outsideRoot))
      default: try make(Adam(learningRate: 0.05))
      }
    for index in 0..<6 {
      _ = try step(
        try fixture.row("sparse.tokens", index), try fixture.row("sparse.weights", index))
      expectClose(
        try model.table.table.value(), try fixture.row("sparse.\(rule)", index),
        "\(rule), step \(index)")
    }
  }

  /// No work, no copy and no memory that grows with the table.
  @Test func costsNothingForOtherRows() throws {
    func program(_ rows: Int) throws -> (arena: Int, source: String) {
      let model = Bag(rows, sparse: true)
      let step = try compile(
        training: model, with: Adam(), TensorSpec([2, 4], .int32), TensorSpec([2], .int32),
        options: testOptions()
      ) { softmaxCrossEntropy(logits: model($0), labels: $1) }
      return (step.program.report.arenaBytes, step.dump(.c))
    }
    let (small, large) = (try program(100), try program(100_000))
    #expect(small.arena == large.arena && large.arena < 4096)
    // The table, its two moments: three writes of rows, in place.
    #expect(large.source.components(separatedBy: "mt_scatter_set_i32_4(").count == 1 + 3)
    // 100,000 rows of three floats are never copied.
    #expect(!large.source.contains("1200000"))
    // The code knows the table by its number of rows alone.
    #expect(small.source.filter { !$0.isNumber } == large.source.filter { !$0.isNumber })
  }

  @Test func tokensOutOfRangeAreNamed() throws {
    let model = Bag(12, sparse: true)
    let step = try compile(
      training: model, with: Adam(), TensorSpec([2, 4], .int32, name: "tokens"),
      TensorSpec([2], .int32), options: testOptions()
    ) { softmaxCrossEntropy(logits: model($0), labels: $1) }
    let error = #expect(throws: RunError.self) {
      try step(
        try NDArray([0, 1, 2, 3, 4, 12, 6, 7] as [Int32], shape: [2, 4]),
        try NDArray([0 as Int32, 1]))
    }
    let text = "\(try #require(error))"
    #expect(text.contains("input 'tokens': 12 at position 5 is outside of 0 ..< 12"))
    #expect(text.contains("table"), "the layer: \(text)")
  }
}
