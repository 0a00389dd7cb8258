// Whole models against PyTorch: the same weights, the same batches, the same numbers.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTestSupport
import Testing

private let images = TensorSpec([32, 28, 28, 1], name: "images")
private let labels = TensorSpec([32], .int32, name: "labels")

/// Batch `index` of the fixture: pixels in 0 ..< 1.
private func batch(_ fixture: Fixture, _ index: Int) throws -> (NDArray, NDArray) {
  let pixels = try fixture.row("images", index)
  let floats = try pixels.elements(as: UInt8.self).map { Float($0) / 256 }
  return (try NDArray(floats, shape: pixels.shape), try fixture.row("labels", index))
}

@Test func leNetLogitsAndGradients() throws {
  let fixture = try Fixture("lenet5")
  let model = LeNet5()
  try fixture.load("initial", into: model)
  let parameters = model.parameters
  let function = try compile([images, labels], options: testOptions()) { inputs in
    let logits = model(inputs[0])
    let (loss, grads) = valueAndGrad(
      softmaxCrossEntropy(logits: logits, labels: inputs[1]), wrt: model)
    return [logits, loss] + parameters.compactMap { grads[$0] }
  }
  let (x, y) = try batch(fixture, 0)
  let results = try function.run([x, y])
  try #require(results.count == 2 + parameters.count)
  #expect(parameters.count == 10)
  expectClose(results[0], try fixture["logits"], "logits")
  for (parameter, gradient) in zip(parameters, results.dropFirst(2)) {
    expectClose(
      gradient, try fixture["gradient.\(parameter.path)"], "gradient of \(parameter.path)")
  }
}

@Test(arguments: ["sgd", "momentum", "adam"]) func leNetLosses(_ name: String) throws {
  let optimizers: [String: any Optimizer] = [
    "sgd": SGD(learningRate: 0.05), "momentum": Momentum(learningRate: 0.02, momentum: 0.9),
    "adam": Adam(learningRate: 1e-3),
  ]
  let optimizer = try #require(optimizers[name])
  let fixture = try Fixture("lenet5")
  let model = LeNet5()
  try fixture.load("initial", into: model)
  let step = try trainingStep(model, optimizer, testOptions(threads: 2))
  let expected = try fixture["losses.\(name)"].doubles
  #expect(expected.count == 10)
  for (index, loss) in expected.enumerated() {
    let (x, y) = try batch(fixture, index)
    let got = try step(x, y).item()
    #expect(abs(got - loss) <= 1e-4, "loss \(index): \(got), PyTorch \(loss)")
  }
}

private func trainingStep(
  _ model: LeNet5, _ optimizer: some Optimizer, _ options: CompileOptions
) throws -> TrainingStep {
  try compile(training: model, with: optimizer, images, labels, options: options) { x, y in
    softmaxCrossEntropy(logits: model(x), labels: y)
  }
}

// MARK: - Batch normalisation

private struct Normed: Layer {
  let hidden = Linear(12, 16)
  let norm = BatchNorm(16)
  let dropout = Dropout(0)
  let output = Linear(16, 4)
  func callAsFunction(_ x: Tensor) -> Tensor { output(dropout(relu(norm(hidden(x))))) }
}

@Test func batchNormTrainsAndPredicts() throws {
  let fixture = try Fixture("batchnorm")
  let model = Normed()
  try fixture.load("initial", into: model)
  let x = TensorSpec([8, 12])
  // Compiled before training, to see the running statistics that training leaves.
  let predict = try compile(x, options: testOptions()) { model($0) }
  let step = try compile(
    training: model, with: SGD(learningRate: 0.1), x, TensorSpec([8], .int32),
    options: testOptions()
  ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
  let losses = try fixture["losses"].doubles
  for index in 0..<5 {
    let loss = try step(try fixture.row("inputs", index), try fixture.row("labels", index)).item()
    #expect(abs(loss - losses[index]) <= 1e-4, "loss \(index): \(loss), PyTorch \(losses[index])")
  }
  let paths = model.parameters.map(\.path)
  #expect(paths.contains("norm.runningMean") && paths.contains("norm.runningVariance"))
  for parameter in model.parameters {
    expectClose(try parameter.value(), try fixture["final.\(parameter.path)"], parameter.path)
  }
  expectClose(try predict(try fixture.row("inputs", 0)), try fixture["evaluated"], "eval()")
}

// MARK: - Optimizers

private struct Point: Layer {
  let w = Parameter([16], initializer: .zeros)
  func callAsFunction(_ x: Tensor) -> Tensor { w.tensor(in: x.trace) - x }
}

/// 100 steps down a bowl, `0.5 · Σ a (w − b)²`.
@Test(arguments: ["sgd", "momentum", "adam"]) func optimizerFollowsPyTorch(_ name: String) throws {
  let fixture = try Fixture("optimizers")
  let model = Point()
  try model.w.set(try fixture["initial"])
  let a = try fixture["a"]
  let b = try fixture["b"]
  let spec = TensorSpec([16])
  func make(_ optimizer: some Optimizer) throws -> TrainingStep {
    try compile(training: model, with: optimizer, spec, spec, options: testOptions()) { a, b in
      let distance = model(b)
      return (a * distance * distance).sum() * 0.5
    }
  }
  let step =
    switch name {
    case "sgd": try make(SGD(learningRate: 0.1))
    case "momentum": try make(Momentum(learningRate: 0.02, momentum: 0.9))
    default: try make(Adam(learningRate: 0.05))
    }
  let losses = try fixture["losses.\(name)"].doubles
  for index in 0..<100 {
    let loss = try step(a, b).item()
    #expect(
      abs(loss - losses[index]) <= 1e-5 + 1e-4 * losses[index],
      "loss \(index): \(loss), PyTorch \(losses[index])")
    let place = try model.w.value()
    expectClose(place, try fixture.row("path.\(name)", index), "w after step \(index)")
  }
}
