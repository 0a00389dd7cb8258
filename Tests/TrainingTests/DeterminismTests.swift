// Bits depend on shapes and the instruction set: not on threads, fusion or the plan.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTestSupport
import Testing

private struct Run: Hashable {
  var losses: [UInt32] = []
  var weights: [String: [UInt32]] = [:]
}

/// Twenty steps of LeNet-5 with dropout on the logits' input, on random images.
private func train(threads: Int = 1, disable: [String] = []) throws -> Run {
  let model = LeNet5()
  let dropout = Dropout(0.25)
  var options = try testOptions(threads: threads, disable: disable)
  options.seed = 3
  let step = try compile(
    training: model, with: Adam(learningRate: 1e-3), TensorSpec([16, 28, 28, 1]),
    TensorSpec([16], .int32), options: options
  ) { x, y in softmaxCrossEntropy(logits: model(dropout(x)), labels: y) }
  var run = Run()
  var state: UInt64 = 1
  func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 33
  }
  for _ in 0..<20 {
    let pixels = (0..<16 * 784).map { _ in Float(next() % 256) / 255 }
    let x = try NDArray(pixels, shape: [16, 28, 28, 1])
    let y = try NDArray((0..<16).map { _ in Int32(next() % 10) })
    run.losses.append(Float(try step(x, y).item()).bitPattern)
  }
  for parameter in model.parameters {
    run.weights[parameter.path] = try parameter.value().floats.map(\.bitPattern)
  }
  return run
}

@Test func stepsAreEqualBitForBit() throws {
  let reference = try train()
  #expect(reference.losses.first != reference.losses.last)
  for threads in [2, 3, 8] {
    #expect(try train(threads: threads) == reference, "\(threads) threads")
  }
  for pass in ["fuse", "plan", "cse", "dce"] {
    #expect(try train(threads: 2, disable: [pass]) == reference, "without \(pass)")
  }
}
