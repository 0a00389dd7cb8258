// Layers that combine layers, and layers with state of their own: shapes, names, and that they learn.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTestSupport
import Testing

private struct Net: Layer {
  let stem = Conv2D(3, 8, kernel: 3, padding: .same)
  let norm = GroupNorm(8, groups: 4)
  let block = Residual {
    Conv2D(8, 8, kernel: 3, padding: .same)
    PReLU(8)
  }
  let branches = Parallel {
    Conv2D(8, 4, kernel: 1)
    Conv2D(8, 6, kernel: 3, padding: .same)
  }
  let down = Residual {
    Conv2D(10, 12, kernel: 3, strides: [2, 2], padding: .same)
  } shortcut: {
    Conv2D(10, 12, kernel: 1, strides: [2, 2])
  }
  let pool = GlobalAveragePool2D()
  let last = RMSNorm(12)
  let output = Linear(12, 5)
  func callAsFunction(_ x: Tensor) -> Tensor {
    output(last(pool(down(branches(block(relu(norm(stem(x)))))))))
  }
}

@Test func branchesJoinAndLearn() throws {
  let model = Net()
  let paths = model.parameters.map(\.path)
  for path in [
    "norm.scale", "block.body.0.weight", "block.body.1.slope", "branches.branches.1.weight",
    "down.shortcut.0.weight", "last.scale",
  ] {
    #expect(paths.contains(path), "\(path) is not in \(paths)")
  }
  let step = try compile(
    training: model, with: Adam(learningRate: 0.01), TensorSpec([4, 8, 8, 3]),
    TensorSpec([4], .int32), options: testOptions()
  ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
  var generator = SplitMix64(seed: 5)
  let pixels = (0..<4 * 8 * 8 * 3).map { _ in Float.random(in: -1...1, using: &generator) }
  let x = try NDArray(pixels, shape: [4, 8, 8, 3])
  let y = try NDArray([0, 3, 1, 4] as [Int32])
  let first = try step(x, y).item()
  var last = first
  for _ in 0..<40 { last = try step(x, y).item() }
  #expect(last < 0.2 * first, "from \(first) to \(last)")
}

/// The composite has PyTorch's numbers (FixtureTests); the layer gives it its parameters.
@Test func instanceNormIsGroupNormOfEachChannel() throws {
  let (instance, group) = (InstanceNorm(3), GroupNorm(3, groups: 3))
  for (a, b) in [(instance.scale, group.scale), (instance.bias, group.bias)] {
    let value = try NDArray([0.5, -2, 3] as [Float])
    try a.set(value)
    try b.set(value)
  }
  var generator = SplitMix64(seed: 9)
  let x = try NDArray(
    (0..<2 * 4 * 5 * 3).map { _ in Float.random(in: -3...3, using: &generator) },
    shape: [2, 4, 5, 3])
  let spec = TensorSpec([2, 4, 5, 3])
  let y = try compile(spec, options: testOptions()) { instance($0) }(x)
  #expect(try y.floats == compile(spec, options: testOptions()) { group($0) }(x).floats)
  // Each channel of each sample has the bias as its mean, and the scale as its spread.
  for (sample, channel) in [(0, 0), (1, 2)] {
    let values = (0..<20).map { y.doubles[(sample * 20 + $0) * 3 + channel] }
    let mean = values.reduce(0, +) / 20
    let spread = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 20).squareRoot()
    let expected = [0.5, -2, 3][channel]
    #expect(abs(mean - expected) < 1e-4 && abs(spread - abs(expected)) < 1e-3)
  }
}

@Test func embeddingsMoveOnlyWhereTheyWereRead() throws {
  struct Lookup: Layer {
    let table = Embedding(6, 3)
    func callAsFunction(_ x: Tensor) -> Tensor { table(x) }
  }
  let model = Lookup()
  let before = try model.table.table.value().doubles
  let step = try compile(
    training: model, with: SGD(learningRate: 1), TensorSpec([4], .int32), TensorSpec([4, 3]),
    options: testOptions()
  ) { i, y in meanSquaredError(model(i), y) }
  _ = try step(try NDArray([4, 1, 4, 1] as [Int32]), try NDArray(zeros: [4, 3]))
  let after = try model.table.table.value().doubles
  for row in 0..<6 {
    let moved = (0..<3).contains { before[row * 3 + $0] != after[row * 3 + $0] }
    #expect(moved == (row == 1 || row == 4), "row \(row)")
  }
  #expect(throws: RunError.self) {
    try step(try NDArray([4, 1, 6, 1] as [Int32]), try NDArray(zeros: [4, 3]))
  }
}

/// A net of every kind of convolution learns, and its shapes are what the formulas say.
@Test func convolutionVariantsLearn() throws {
  struct Mixed: Layer {
    let separable = SeparableConv2D(2, 6, kernel: 3, padding: .same)
    let up = ConvTranspose2D(6, 4, kernel: 4, strides: [2], padding: .all(1))
    let depthwise = DepthwiseConv2D(4, multiplier: 2, kernel: 3, strides: [2])
    let line = Conv1D(8, 6, kernel: 3, stride: 2, padding: .all(1))
    let volume = Conv3D(1, 3, kernel: 3, padding: .same)
    let output = Linear(3, 3)
    func callAsFunction(_ x: Tensor) -> Tensor {
      let images = depthwise(relu(up(relu(separable(x)))))  // [N, 5, 5, 8]
      let lines = relu(line(images.reshaped([x.shape[0], 25, 8])))  // [N, 13, 6]
      let volumes = relu(volume(lines.reshaped([x.shape[0], 13, 3, 2, 1])))
      return output(volumes.mean(axes: [1, 2, 3]))
    }
  }
  let model = Mixed()
  #expect(model.parameters.count == 13)
  let step = try compile(
    training: model, with: Adam(learningRate: 0.02), TensorSpec([3, 6, 6, 2]),
    TensorSpec([3], .int32), options: testOptions()
  ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
  var generator = SplitMix64(seed: 6)
  let x = try NDArray(
    (0..<3 * 6 * 6 * 2).map { _ in Float.random(in: -1...1, using: &generator) },
    shape: [3, 6, 6, 2])
  let y = try NDArray([0, 2, 1] as [Int32])
  let first = try step(x, y).item()
  var last = first
  for _ in 0..<60 { last = try step(x, y).item() }
  #expect(last < 0.3 * first, "from \(first) to \(last)")
}
