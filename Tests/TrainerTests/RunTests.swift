// Runs of the training loop: bits, batches, schedules, early stopping, callbacks, errors.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTraining
import Testing

private func run(
  prefetch: Int, threads: Int = 1, seed: UInt64 = 1, epochs: Int = 3
) throws -> Trace {
  let trainer = try Trainer(
    Net(), Adam(learningRate: 1e-2), training: Blobs(count: 75),
    validation: Blobs(count: 40, jitters: false), batch: 16, epochs: epochs, seed: seed,
    schedule: .perStep { .cosine(over: $0) }, metrics: [.accuracy, .auc],
    options: try quickOptions(prefetch: prefetch, threads: threads), loss: crossEntropy)
  return try Trace(trainer, try trainer.run())
}

@Test func bitsDoNotDependOnPrefetching() throws {
  let reference = try run(prefetch: 0)
  #expect(reference.training.count == 3)
  #expect(reference.training.first?["loss"] != reference.training.last?["loss"])
  #expect(reference.validation.last?.names == ["loss", "accuracy", "AUC"])
  #expect(try run(prefetch: 1) == reference)
  #expect(try run(prefetch: 4, threads: 2) == reference)
  #expect(try run(prefetch: 1, seed: 2) != reference)
}

/// The loop is what a user would write with `compile(training:)` by hand.
@Test func theLoopIsTheLoopByHand() throws {
  let set = Blobs(count: 40)
  let model = Net()
  let options = try quickOptions()
  let trainer = try Trainer(
    model, SGD(learningRate: 0.1), training: set, batch: 16, epochs: 2, seed: 5,
    schedule: .perEpoch(.exponential(0.5)), options: options, loss: crossEntropy)
  try trainer.run()

  let other = Net()
  var compile = options.compile
  compile.seed = 5
  let step = try MartletNN.compile(
    training: other, with: SGD(learningRate: 0.1), TensorSpec([16, 4]), TensorSpec([16], .int32),
    options: compile
  ) { crossEntropy(other($0), $1) }
  var number: Int64 = 0
  for epoch in 0..<2 {
    var order = (0..<40).map { $0 }
    var random = CounterRandom(seed: 5, epoch: epoch, index: -1)
    for i in stride(from: 39, to: 0, by: -1) { order.swapAt(i, random.below(i + 1)) }
    for start in stride(from: 0, to: 40, by: 16) {
      let indices = Array(order[start..<min(40, start + 16)])
      var arrays: [NDArray] = []
      try set.write(indices, seed: 5, epoch: epoch, into: &arrays)
      let sized = try step.resized(batch: indices.count)
      sized.session.step = number
      _ = try sized.run(arrays, learningRate: epoch == 0 ? 0.1 : 0.05)
      number += 1
    }
  }
  for (a, b) in zip(model.parameters, other.parameters) {
    #expect(try a.value().floats == b.value().floats, "\(a.path)")
  }
}

@Test func everyExampleOncePerEpoch() throws {
  var order = BatchOrder(count: 23, batch: 5, seed: 3, shuffles: true, dropsLast: false)
  #expect(order.perEpoch == 5)
  var epochs: [[Int]] = []
  for epoch in 0..<3 {
    var seen: [Int] = []
    for batch in 0..<5 {
      let (number, indices) = order.indices(of: epoch * 5 + batch)
      #expect(number == epoch && indices.count == order.size(of: epoch * 5 + batch))
      seen += indices
    }
    #expect(seen.sorted() == Array(0..<23))
    epochs.append(seen)
  }
  #expect(Set(epochs).count == 3)
  // Any batch may be asked for first.
  var late = BatchOrder(count: 23, batch: 5, seed: 3, shuffles: true, dropsLast: false)
  #expect(late.indices(of: 12).indices == Array(epochs[2][10..<15]))
  var dropping = BatchOrder(count: 23, batch: 5, seed: 3, shuffles: false, dropsLast: true)
  #expect(dropping.perEpoch == 4 && dropping.indices(of: 4).indices == [0, 1, 2, 3, 4])
}

/// Feeds a validation measure of its own: good until the third epoch, then worse.
private struct Script: Callback {
  let stopsAt: Int
  func step(_ trainer: Trainer, _ report: StepReport) throws {
    if report.step == stopsAt { trainer.stop(because: "enough") }
  }
}

@Test func callbacksMayStop() throws {
  let trainer = try Trainer(
    Net(), SGD(learningRate: 0.1), training: Blobs(count: 40), batch: 16, epochs: 9,
    callbacks: [Script(stopsAt: 4)], options: try quickOptions(), loss: crossEntropy)
  let history = try trainer.run()
  #expect(history.outcome == .stopped("enough"))
  #expect(history.steps == 4 && history.epochs.count == 1)
}

@Test func earlyStoppingRestoresTheBest() throws {
  // A rate that ruins the model after the fourth epoch.
  let rates = Schedule { $0 < 4 ? 1 : 300 }
  let trainer = try Trainer(
    Net(), SGD(learningRate: 0.05), training: Blobs(count: 64),
    validation: Blobs(count: 50, jitters: false), batch: 16, epochs: 30,
    schedule: .perEpoch(rates), metrics: [.accuracy],
    stopping: EarlyStopping(patience: 3), options: try quickOptions(), loss: crossEntropy)
  let history = try trainer.run()
  let losses = history[.validation("loss")]
  let best = try #require(history.bestEpoch)
  #expect(history.epochs.count == best + 4 && history.restoredBest)
  #expect(losses[best] == losses.min())
  if case .stopped(let reason) = history.outcome {
    #expect(reason.contains("validation loss"))
  } else {
    Issue.record("outcome \(history.outcome)")
  }
  let again = try trainer.evaluate(try #require(trainer.validation))
  #expect(again.loss == losses[best])
}

@Test func plateauLowersTheRate() throws {
  let trainer = try Trainer(
    Net(), SGD(learningRate: 0), training: Blobs(count: 32),
    validation: Blobs(count: 16, jitters: false), batch: 16, epochs: 6,
    schedule: .plateau(Plateau(factor: 0.5, patience: 1)), options: try quickOptions(),
    loss: crossEntropy)
  // Batch norm's running statistics move while no weight does: watch the factor alone.
  _ = try trainer.run()
  var plateau = Plateau(factor: 0.5, patience: 1)
  for loss in trainer.history[.validation("loss")] { _ = plateau.update(loss) }
  #expect(trainer.position.plateau?.rate == plateau.rate)
  var rising = Plateau(factor: 0.5, patience: 0)
  #expect([0.5, 0.6, 0.6, 0.7].map { rising.update($0, rising: true) } == [1, 1, 0.5, 0.5])
}

@Test func refusals() throws {
  func trainer(
    _ count: Int = 32, batch: Int = 16, epochs: Int = 1, stopping: EarlyStopping? = nil,
    validation: (any Examples)? = nil, prefetch: Int = 1
  ) throws -> Trainer {
    try Trainer(
      Net(), SGD(learningRate: 0.1), training: Blobs(count: count), validation: validation,
      batch: batch, epochs: epochs, stopping: stopping,
      options: try quickOptions(prefetch: prefetch), loss: crossEntropy)
  }
  #expect(throws: RunError.self) { try trainer(0) }
  #expect(throws: RunError.self) { try trainer(batch: 0) }
  #expect(throws: RunError.self) { try trainer(epochs: -1) }
  #expect(throws: RunError.self) { try trainer(epochs: .max) }
  #expect(throws: RunError.self) { try trainer(prefetch: 1000) }
  #expect(throws: RunError.self) { try trainer(validation: Blobs(count: 0)) }
  let error = #expect(throws: RunError.self) {
    try trainer(stopping: EarlyStopping(measure: .validation("accuracy")))
  }
  #expect(error?.description.contains("training loss") == true)
  #expect(try trainer(3, batch: 16).batch == 3)
  // A model that does not take the examples: the compiler's own error.
  #expect(throws: CompileError.self) {
    try Trainer(
      Linear(5, 3), SGD(learningRate: 0.1), training: Blobs(count: 8), loss: crossEntropy)
  }
}

@Test(arguments: [0, 1, 3]) func anUnreadableExampleEndsTheRun(_ prefetch: Int) throws {
  let trainer = try Trainer(
    Net(), SGD(learningRate: 0.1), training: Blobs(count: 64, failing: 17), batch: 16, epochs: 2,
    options: try quickOptions(prefetch: prefetch), loss: crossEntropy)
  let error = #expect(throws: DataError.self) { try trainer.run() }
  #expect(error?.location == "blobs, example 17")
}

/// One trunk, two heads: each loss is a measure of its own, the sum is what is minimised.
private struct TwoHeads: Layer {
  let trunk = Linear(4, 16)
  let label = Linear(16, 3)
  let isZero = Linear(16, 1)
  func callAsFunction(_ x: Tensor) -> Tensor { relu(trunk(x)) }
}

@Test func severalLossesOverASharedTrunk() throws {
  let model = TwoHeads()
  let trainer = try Trainer(
    model, Adam(learningRate: 1e-2), training: Blobs(count: 96),
    validation: Blobs(count: 60, jitters: false), batch: 32, epochs: 12,
    metrics: [Metric.accuracy.of("label"), Metric.auc.of("zero")], options: try quickOptions()
  ) { fields in
    let shared = model(fields[0])
    let isZero = (fields[1] .== 0).converted(to: .float32).reshaped([fields[1].shape[0], 1])
    let (label, zero) = (model.label(shared), model.isZero(shared))
    return try Objective([
      .init("label", crossEntropy(label, fields[1]), outputs: label, targets: fields[1]),
      .init(
        "zero", sigmoidCrossEntropy(logits: zero, labels: isZero), weight: 0.5, outputs: zero,
        targets: isZero),
    ])
  }
  let history = try trainer.run()
  let last = try #require(history.last)
  #expect(
    last.validation.names == ["loss", "label loss", "zero loss", "label accuracy", "zero AUC"])
  let (sum, label, zero) = (
    last.validation["loss"] ?? 0, last.validation["label loss"] ?? 0,
    last.validation["zero loss"] ?? 0
  )
  #expect(abs(sum - (label + 0.5 * zero)) < 1e-5)
  #expect(last.validation["zero AUC"] ?? 0 > 0.8)
  #expect(last.validation["label accuracy"] ?? 0 > 0.6)
}
