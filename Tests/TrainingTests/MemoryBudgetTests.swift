// Under a memory budget values are computed again: the arena keeps to it, results keep their bits.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTestSupport
import Testing

/// Convolution, batch norm, residual: a small resnet.
private struct Residual: Layer {
  let first = Conv2D(3, 8, kernel: 3, padding: .same)
  let norm = BatchNorm(8)
  let second = Conv2D(8, 8, kernel: 3, padding: .same)
  let secondNorm = BatchNorm(8)
  let third = Conv2D(8, 8, kernel: 3, padding: .same)
  let thirdNorm = BatchNorm(8)
  let output = Linear(8, 10)
  func callAsFunction(_ x: Tensor) -> Tensor {
    var h = relu(norm(first(x)))
    h = relu(secondNorm(second(h)) + h)
    h = relu(thirdNorm(third(h)) + h)
    return output(h.mean(axes: [1, 2]))
  }
}

private struct Outcome: Equatable {
  var losses: [UInt32]
  var weights: [[UInt32]]
}

private func train(
  _ model: some Layer, _ input: Shape, budget: Int?, disable: [String] = []
) throws -> (outcome: Outcome, report: CompileReport) {
  var options = try testOptions(disable: disable)
  options.memoryBudget = budget
  options.seed = 5
  let batch = input[0]
  let step = try compile(
    training: model, with: Momentum(learningRate: 0.01, momentum: 0.9), TensorSpec(input),
    TensorSpec([batch], .int32), options: options
  ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
  var losses: [UInt32] = []
  for round in 0..<3 {
    let pixels = (0..<input.count).map { Float(($0 * 7919 + round * 31) % 256) / 128 - 1 }
    let labels = (0..<batch).map { Int32(($0 + round) % 10) }
    let loss = try step(try NDArray(pixels, shape: input), try NDArray(labels)).item()
    losses.append(Float(loss).bitPattern)
  }
  let weights = try model.parameters.map { try $0.value().floats.map(\.bitPattern) }
  return (Outcome(losses: losses, weights: weights), step.program.report)
}

private func check(_ name: String, _ input: Shape, least: Double, _ make: () -> some Layer) throws {
  let free = try train(make(), input, budget: nil)
  // A budget that is met already changes nothing.
  let kept = try train(make(), input, budget: free.report.arenaBytes)
  #expect(kept.report.kernels == free.report.kernels, "\(name)")
  for share in [0.9, least] {
    let budget = Int(Double(free.report.arenaBytes) * share)
    let tight = try train(make(), input, budget: budget)
    #expect(tight.report.arenaBytes <= budget, "\(name): \(share)")
    #expect(tight.outcome == free.outcome, "\(name): other bits at \(share)")
  }
  do {
    _ = try train(make(), input, budget: 64)
    Issue.record("\(name): a budget of 64 bytes was met")
  } catch let error as CompileError {
    #expect(error.code == .memoryBudget)
    #expect("\(error)".contains("the least that was found is"), "\(error)")
  }
}

@Suite struct MemoryBudgetTests {
  @Test func residualNetwork() throws {
    try check("residual", [8, 16, 16, 3], least: 0.75) { Residual() }
  }

  @Test func perceptron() throws {
    try check("perceptron", [256, 32], least: 0.8) { MLP([32, 64, 64, 64, 64, 10]) }
  }

  @Test func lenet() throws {
    try check("lenet", [16, 28, 28, 1], least: 0.9) { LeNet5() }
  }

  /// The order of steps does not matter to the bits, nor whether it is chosen.
  @Test func withoutSchedule() throws {
    let chosen = try train(Residual(), [8, 16, 16, 3], budget: nil)
    let written = try train(Residual(), [8, 16, 16, 3], budget: nil, disable: ["schedule"])
    #expect(chosen.outcome == written.outcome)
    #expect(chosen.report.arenaBytes <= written.report.arenaBytes)
  }
}
