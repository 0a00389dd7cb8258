// Error analysis, transfer, frozen parts, numbers that are none, whole-set statistics.

import Foundation
import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTraining
import Testing

private func trained(_ model: some Layer, epochs: Int = 4) throws -> Trainer {
  let trainer = try Trainer(
    model, Adam(learningRate: 2e-2), training: Blobs(count: 64),
    validation: Blobs(count: 50, jitters: false), batch: 16, epochs: epochs, metrics: [.accuracy],
    options: try quickOptions(), loss: crossEntropy)
  try trainer.run()
  return trainer
}

@Test func worstExamplesAreThoseOfTheHighestLoss() throws {
  let model = Net()
  let trainer = try trained(model)
  let set = Blobs(count: 50, jitters: false)
  let worst = try trainer.worst(50, on: set)
  #expect(Set(worst.map(\.index)).count == 50)
  #expect(zip(worst, worst.dropFirst()).allSatisfy { $0.loss >= $1.loss })
  // The loss of each one from its own probability, and all together the loss of the set.
  for example in worst {
    let probability = try #require(example.probability)
    #expect(abs(-Foundation.log(probability) - example.loss) < 1e-4 * max(1, example.loss))
    #expect((example.label == example.predicted) || probability <= 0.5)
  }
  let mean = worst.map(\.loss).reduce(0, +) / 50
  let evaluation = try trainer.evaluate(set)
  #expect(abs(mean - evaluation.loss) < 1e-5)
  let matrix = try trainer.confusionMatrix(on: set)
  #expect(matrix.accuracy == evaluation["accuracy"])
  #expect(worst.count { $0.label == $0.predicted } == Int((matrix.accuracy * 50).rounded()))
}

@Test func biasAndVariance() throws {
  func diagnosis(_ training: Double, _ validation: Double, _ target: Double) -> String {
    BiasVarianceReport(
      measure: "error", training: training, validation: validation, target: target
    ).diagnosis.rawValue
  }
  // Andrew Ng's examples: human 1 %, training 8 %, validation 10 %; human 7.5 % with the same.
  #expect(diagnosis(0.08, 0.10, 0.01) == "bias")
  #expect(diagnosis(0.08, 0.10, 0.075) == "variance")
  #expect(diagnosis(0.01, 0.11, 0) == "variance")
  #expect(diagnosis(0.004, 0.006, 0) == "neither")
  let trainer = try trained(Net())
  let report = try trainer.biasVariance(.accuracy, target: 0.02)
  let evaluation = try trainer.evaluate(Blobs(count: 50, jitters: false))
  #expect(report.validation == 1 - (evaluation["accuracy"] ?? 0))
  #expect(report.description.contains("target 2.0 %"))
}

@Test func loadingByName() throws {
  let source = Net()
  _ = try trained(source, epochs: 1)
  var arrays = try source.parameters.map { NamedArray($0.path, try $0.value()) }
  arrays.append(NamedArray("extra.weight", try NDArray(zeros: [2])))
  arrays.removeAll { $0.name == "norm.bias" }
  let target = Net(classes: 5)
  let before = try target.output.weight.value().floats
  let report = try target.load(arrays)
  #expect(report.missing == ["norm.bias"])
  #expect(report.unexpected == ["extra.weight"])
  #expect(report.mismatched.map(\.path) == ["output.weight", "output.bias"])
  #expect(!report.isComplete && report.loaded.count == 5)
  #expect(try target.input.weight.value().floats == source.input.weight.value().floats)
  #expect(try target.output.weight.value().floats == before)
  #expect(
    report.description.contains("output.weight (got f32[16,3], expected f32[16,5])"))
}

/// A trunk as at inference under a head that is trained.
private struct Tuned: Layer {
  let trunk = Frozen(Net(classes: 8))
  let head = Linear(8, 3)
  func callAsFunction(_ x: Tensor) -> Tensor { head(relu(trunk(x))) }
}

@Test func whatIsFrozenStays() throws {
  let model = Tuned()
  let before = try model.snapshot()
  let trainer = try Trainer(
    model, Adam(learningRate: 1e-2).clipping(globalNorm: 1).freezing(.path("trunk")),
    training: Blobs(count: 64), batch: 16, epochs: 3, options: try quickOptions(),
    loss: crossEntropy)
  // Moments for the head alone.
  #expect(trainer.step.optimizerState.allSatisfy { !$0.path.hasPrefix("trunk") })
  let history = try trainer.run()
  let after = try model.snapshot()
  for (path, value) in after.values {
    let isSame = value.floats == before.values[path]?.floats
    #expect(isSame == path.hasPrefix("trunk"), "\(path)")
  }
  let losses = history[.training("loss")]
  #expect(losses[2] < losses[0])
}

/// Goes wrong where a row sums up to less than zero.
private struct Rooted: Layer {
  let hidden = Linear(4, 3)
  func callAsFunction(_ x: Tensor) -> Tensor {
    let y = hidden(x)
    return y + log(x.sum(axes: [1], keepDims: true)) * 0
  }
}

@Test(arguments: [NonFiniteGuard.replaying(every: 2), .everyStep])
func numbersThatAreNoneAreFound(_ guardian: NonFiniteGuard) throws {
  var options = try quickOptions()
  options.nonFinite = guardian
  options.shuffles = false
  // The input of the sixth step of seven.
  let bad = try Trainer(
    Net(), Adam(learningRate: 1e-2), training: Blobs(count: 112, poisoned: 85), batch: 16,
    epochs: 3, options: options, loss: crossEntropy)
  let error = #expect(throws: RunError.self) { try bad.run() }
  #expect(error?.code == .nonFinite)
  #expect(error?.message.contains("'x'") == true, "\(String(describing: error))")
  #expect(bad.history.steps == 5)
  // The weights are those before that step.
  struct Stop: Callback {
    func step(_ trainer: Trainer, _ report: StepReport) throws {
      if report.step == 5 { trainer.stop(because: "there") }
    }
  }
  options.nonFinite = .off
  let reference = try Trainer(
    Net(), Adam(learningRate: 1e-2), training: Blobs(count: 112), batch: 16, epochs: 3,
    callbacks: [Stop()], options: options, loss: crossEntropy)
  try reference.run()
  for (a, b) in zip(bad.model.parameters, reference.model.parameters) {
    #expect(try a.value().floats == b.value().floats, "\(a.path)")
  }
}

@Test func theFirstBadOperationHasALayerAndALine() throws {
  let trainer = try Trainer(
    Rooted(), SGD(learningRate: 0.1), training: Blobs(count: 32), batch: 32,
    options: try quickOptions(), loss: crossEntropy)
  let error = #expect(throws: RunError.self) { try trainer.run() }
  #expect(error?.message.hasPrefix("step 1: ") == true)
  #expect(error?.message.contains("log(") == true)
  #expect(error?.place.contains("AnalysisTests.swift") == true, "\(String(describing: error))")
}

@Test func stepsTellOfGradientsAndActivations() throws {
  var options = try quickOptions()
  options.observes = [.gradientNorms, .activations]
  options.observesEvery = 3
  func run(_ options: TrainerOptions) throws -> (Trainer, History) {
    let trainer = try Trainer(
      Net(), Adam(learningRate: 1e-2), training: Blobs(count: 60), batch: 16, epochs: 2,
      options: options, loss: crossEntropy)
    return (trainer, try trainer.run())
  }
  let (trainer, history) = try run(options)
  #expect(history.observations.map(\.step) == [1, 4, 7])
  #expect(history.observations.allSatisfy { $0.gradientNorms["output"] ?? 0 > 0 })
  #expect(history.observations[0].activations.keys.contains("input"))
  let (other, plain) = try run(try quickOptions())
  #expect(try Trace(trainer, history) == Trace(other, plain))
  // A checkpoint holds them, bit for bit, and a run that goes on adds to them.
  let path = NSTemporaryDirectory() + "martlet-observations-\(UUID().uuidString)"
  defer { try? FileManager.default.removeItem(atPath: path) }
  try trainer.save(to: path)
  #expect(try Checkpoint(path).history.observations == history.observations)
  let longer = try Trainer(
    Net(), Adam(learningRate: 1e-2), training: Blobs(count: 60), batch: 16, epochs: 3,
    options: options, loss: crossEntropy)
  try longer.resume(from: path)
  #expect(try longer.run().observations.map(\.step) == [1, 4, 7, 10])
}

private struct TwoNorms: Layer {
  let a = Linear(4, 6)
  let first = BatchNorm(6)
  let b = Linear(6, 5)
  let second = BatchNorm(5)
  let c = Linear(5, 3)
  func callAsFunction(_ x: Tensor) -> Tensor { c(second(b(relu(first(a(x)))))) }
}

/// PyTorch's `update_bn`: statistics of the whole set in place of running averages.
@Test func wholeSetStatisticsArePyTorchs() throws {
  let fixture = try Fixture("statistics").arrays
  let model = TwoNorms()
  let report = try model.load(
    fixture.filter { !$0.key.contains("running") }.map { NamedArray($0.key, $0.value) })
  #expect(report.loaded.count == 6)
  let inputs = try #require(fixture["inputs"])
  let set = try ArrayExamples(["x": inputs, "y": try NDArray(zeros: [32], .int32)])
  let trainer = try Trainer(
    model, SGD(learningRate: 0), training: set, batch: 8, options: try quickOptions(),
    loss: crossEntropy)
  let weights = try model.a.weight.value().floats
  try trainer.recomputeBatchNormStatistics()
  for (name, norm) in [("first", model.first), ("second", model.second)] {
    for (field, parameter) in [
      ("runningMean", norm.runningMean), ("runningVariance", norm.runningVariance),
    ] {
      let expected = try #require(fixture["\(name).\(field)"]).floats
      for (x, y) in zip(try parameter.value().floats, expected) {
        #expect(abs(x - y) <= 1e-5 * max(1, abs(y)), "\(name).\(field): \(x), PyTorch \(y)")
      }
    }
  }
  let predict = try compile(TensorSpec([8, 4])) { model($0) }
  let evaluated = try predict(inputs.rows(0..<8)).floats
  for (x, y) in zip(evaluated, try #require(fixture["evaluated"]).floats) {
    #expect(abs(x - y) < 2e-5)
  }
  #expect(try model.a.weight.value().floats == weights)
}

/// Weight scaling: at inference the weights behind are multiplied by the probability of keeping.
@Test func dropoutOnInputsByWeightScaling() throws {
  let dropout = Dropout(0.2, scaling: .atInference)
  let layer = Linear(4, 3, bias: false)
  let x = try NDArray((0..<20).map { Float($0) / 7 - 1 }, shape: [5, 4])
  let dropped = try compile(TensorSpec([5, 4])) { layer(dropout($0)) }(x).floats
  let scaled = try compile(TensorSpec([5, 4])) { x in
    guard let weight = layer.weight.tensor else { return x }
    return matmul(x, weight * 0.8)
  }(x).floats
  for (a, b) in zip(dropped, scaled) { #expect(abs(a - b) < 1e-6) }
  // Inverted, the expected value is made up for while training: inference leaves the input alone.
  let inverted = try compile(TensorSpec([5, 4])) { Dropout(0.2)($0) }(x).floats
  #expect(inverted == x.floats)
  // Trained on, the two forms see masks of one kind: their means differ by the factor alone.
  for (scaling, mean) in [(DropoutScaling.inverted, 1.0), (.atInference, 0.8)] {
    let ones = try NDArray([Float](repeating: 1, count: 4000), shape: [1000, 4])
    let trainer = try MartletNN.compile(
      training: layer, with: SGD(learningRate: 0), TensorSpec([1000, 4]), TensorSpec([1000])
    ) { x, _ in Dropout(0.2, scaling: scaling)(x).mean() }
    #expect(abs(try trainer(ones, NDArray(zeros: [1000])).item() - mean) < 0.03)
  }
}
