// Bits depend on shapes and the instruction set: not on threads, fusion or the plan.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

private struct Run: Hashable {
  var losses: [UInt32] = []
  var weights: [String: [UInt32]] = [:]
}

/// Twenty steps of LeNet-5 with dropout on the logits' input, on random images.
private func train(
  _ backend: CompileOptions.Backend = .tcc, threads: Int = 1, disable: [String] = [],
  steps: Int = 20, checks: Bool = false, seed: UInt64 = 3
) throws -> Run {
  let model = LeNet5()
  let dropout = Dropout(0.25)
  var options = try testOptions(backend, threads: threads, disable: disable)
  options.seed = seed
  options.checks = checks
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
  for _ in 0..<steps {
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
  for pass in Pipeline.passNames {
    #expect(try train(threads: 2, disable: [pass]) == reference, "without \(pass)")
  }
  #expect(try train(checks: true) == reference, "with checks")
  #expect(try train(seed: 4) != reference)
}

@Test func formsAreEqualBitForBit() throws {
  #expect(try train(.cc, steps: 3) == train(steps: 3))
}

@Test func theInterpreterTrainsAlike() throws {
  let exact = try train(.interpreter, steps: 2).losses.map { Float(bitPattern: $0) }
  let compiled = try train(steps: 2).losses.map { Float(bitPattern: $0) }
  for (a, b) in zip(exact, compiled) { #expect(abs(a - b) < 1e-5, "\(a), compiled \(b)") }
}

/// A row's result does not depend on how many rows stand around it.
@Test func rowsDoNotSeeTheirBatch() throws {
  let model = LeNet5()
  let pixels = (0..<33 * 784).map { Float($0 * 7919 % 256) / 255 }
  let predict = try compile(TensorSpec([33, 28, 28, 1]), options: testOptions(threads: 2)) {
    softmax(model($0))
  }
  let all = try predict(try NDArray(pixels, shape: [33, 28, 28, 1])).floats.map(\.bitPattern)
  for batch in [1, 2, 7, 32] {
    let x = try NDArray(Array(pixels.prefix(batch * 784)), shape: [batch, 28, 28, 1])
    let part = try predict.resized(batch: batch)(x).floats.map(\.bitPattern)
    #expect(part == Array(all.prefix(batch * 10)), "a batch of \(batch)")
  }
}
