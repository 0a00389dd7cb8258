// Weights stored as bfloat16 or float16: the step's arithmetic and the optimizer's state stay float32,
// and weight plus remainder is the float32 weight, bit for bit.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTestSupport
import Testing

@Suite struct HalfWeightTests {
  private static let halves: [WeightStorage] = [.bfloat16, .float16]

  private struct Net: Layer {
    let stem = Conv2D(1, 4, kernel: 3)
    let norm = BatchNorm(4)
    let hidden = Linear(64, 24)
    let output = Linear(24, 3)
    func callAsFunction(_ x: Tensor) -> Tensor {
      output(tanh(hidden(Flatten()(relu(norm(stem(x)))))))
    }
  }

  /// Pictures of three kinds of stripes in noise.
  private func batch(_ index: Int) throws -> (NDArray, NDArray) {
    var generator = SplitMix64(seed: UInt64(100 + index))
    var pixels: [Float] = []
    let labels = (0..<24).map { Int32($0 % 3) }
    for label in labels {
      for y in 0..<6 {
        for x in 0..<6 {
          let stripe = label == 0 ? x % 2 : label == 1 ? y % 2 : (x + y) % 2
          pixels.append(Float(stripe) - 0.5 + Float.random(in: -0.6...0.6, using: &generator))
        }
      }
    }
    return (try NDArray(pixels, shape: [24, 6, 6, 1]), try NDArray(labels))
  }

  private func step(_ model: Net, _ optimizer: some Optimizer) throws -> TrainingStep {
    try compile(
      training: model, with: optimizer, TensorSpec([24, 6, 6, 1]), TensorSpec([24], .int32),
      options: testOptions()
    ) { softmaxCrossEntropy(logits: model($0), labels: $1) }
  }

  /// The same first weights, rounded: what a half cannot hold is no part of the comparison.
  private func pair(_ storage: WeightStorage) throws -> (half: Net, single: Net) {
    let half = withWeights(storedAs: storage) { Net() }
    let single = Net()
    let values = try half.snapshot().values
    for parameter in single.parameters {
      let value = try #require(values[parameter.path])
      try parameter.set(NDArray(value.floats, shape: value.shape))
    }
    return (half, single)
  }

  @Test(arguments: halves) func fiftyStepsStayNearThoseOfFloat32(_ storage: WeightStorage) throws {
    let optimizers: [any Optimizer] = [
      Adam(learningRate: 3e-3), Momentum(learningRate: 0.05),
      AdamW(learningRate: 3e-3).clipping(globalNorm: 1).accumulating(2),
    ]
    for optimizer in optimizers {
      let (half, single) = try pair(storage)
      let (a, b) = (try step(half, optimizer), try step(single, optimizer))
      var (first, last) = (0.0, 0.0)
      for index in 0..<50 {
        let (x, y) = try batch(index % 8)
        let (loss, reference) = (try a(x, y).item(), try b(x, y).item())
        // Eight bits of significand leave 0.4 % of each weight, eleven 0.05 %.
        let tolerance = storage == .bfloat16 ? 0.02 : 0.003
        #expect(
          abs(loss - reference) <= tolerance * (1 + reference),
          "\(optimizer), step \(index): \(loss), float32 \(reference)")
        if index == 0 { first = loss }
        last = loss
      }
      #expect(last < 0.5 * first, "\(optimizer): from \(first) to \(last)")
      for variable in a.optimizerState { #expect(variable.type.dtype == .float32) }
      try expectSplit(half, a)
    }
  }

  /// Each weight is the rounding of weight plus remainder.
  private func expectSplit(_ model: Net, _ step: TrainingStep) throws {
    for parameter in model.parameters {
      let isWeight = parameter.isTrainable && parameter.shape.rank >= 2
      #expect((parameter.type.dtype == .float32) == !isWeight, "\(parameter.path)")
      guard isWeight else { continue }
      let variable = try #require(
        step.optimizerState.first { $0.path == "\(parameter.path).remainder" })
      let rest = try #require(try variable.read())
      let weight = try parameter.value()
      let master = zip(weight.floats, rest.floats).map { $0 + $1 }
      #expect(
        master.map { parameter.type.dtype.rounded(Double($0)) } == weight.doubles,
        "\(parameter.path)")
    }
  }

  /// Where gradients do not depend on the weights, the float32 weights are those of float32, exactly,
  /// however small the steps are: rounded to halves alone they would never move.
  @Test(arguments: halves) func smallStepsAddUp(_ storage: WeightStorage) throws {
    struct Product: Layer {
      let weight = Parameter([3, 40], initializer: .uniform(-1, 1))
      func callAsFunction(_ x: Tensor) -> Tensor {
        guard let w = weight.tensor else { return x }
        return (x * w).sum()
      }
    }
    let half = withWeights(storedAs: storage) { Product() }
    let single = Product()
    let start = try half.weight.value()
    try single.weight.set(NDArray(start.floats, shape: start.shape))
    let optimizer = Adam(learningRate: 2e-6)
    func made(_ model: Product) throws -> TrainingStep {
      try compile(
        training: model, with: optimizer, [TensorSpec([3, 40])], options: testOptions(),
        auxiliary: { (model($0[0]), [:]) })
    }
    let (a, b) = (try made(half), try made(single))
    var generator = SplitMix64(seed: 4)
    for _ in 0..<200 {
      let x = try NDArray(
        (0..<120).map { _ in Float.random(in: 0.5...1, using: &generator) }, shape: [3, 40])
      _ = try a(x)
      _ = try b(x)
    }
    let variable = try #require(a.optimizerState.first { $0.path.hasSuffix("remainder") })
    let rest = try #require(try variable.read())
    let master = zip(try half.weight.value().floats, rest.floats).map { $0 + $1 }
    #expect(master.map(\.bitPattern) == (try single.weight.value().floats.map(\.bitPattern)))
    #expect(try half.weight.value().doubles != start.doubles)
  }

  @Test func averagesAndFilesKeepTheirDTypes() throws {
    let (half, _) = try pair(.bfloat16)
    let step = try step(half, Adam(learningRate: 3e-3).averagingWeights(decay: 0.9))
    let (x, y) = try batch(0)
    for _ in 0..<5 { _ = try step(x, y) }
    let before = try half.snapshot().values.mapValues(\.doubles)
    let averages = try step.averages()
    #expect(averages["hidden.weight"]?.dtype == .float32)
    try step.swapAverages()
    let swapped = try half.hidden.weight.value()
    #expect(swapped.dtype == .bfloat16)
    #expect(swapped.doubles == averages["hidden.weight"]?.doubles.map(DType.bfloat16.rounded))
    try step.swapAverages()
    #expect(try half.snapshot().values.mapValues(\.doubles) == before)
    // A frozen program, which folds the norm into the filter, and one over the state agree.
    let live = try compile(TensorSpec([24, 6, 6, 1]), options: testOptions()) { half($0) }
    let frozen = try compile(
      frozen: half, TensorSpec([24, 6, 6, 1]), options: testOptions()
    ) { half($0) }
    expectClose(try frozen(x), try live(x), "frozen")
    #expect(
      throws: RunError.self,
      performing: {
        try LBFGS().minimize(half, [x, y], options: testOptions()) {
          softmaxCrossEntropy(logits: half($0[0]), labels: $0[1])
        }
      })
  }
}
