// A run of a built-in model: MartletTraining's loop on images, with the tool's progress line.

import Martlet
import MartletData

/// What `martlet train MODEL` trains, and on what.
struct TrainingRun {
  let trainer: Trainer
  let scaling: PixelScaling
  private let test: ImageExamples

  init(
    architecture: Architecture, dataset: Dataset, recipe: Recipe, learningRate: Double,
    validation: Double?, stopping: EarlyStopping?, checkpoints: CheckpointPolicy?,
    options: CompileOptions
  ) throws {
    scaling = dataset.train.normalization()
    let plain = try dataset.train.examples(scaling: scaling)
    let augmented = try dataset.train.examples(
      scaling: scaling, augmentation: recipe.augmentation)
    test = try dataset.test.examples(scaling: scaling)
    var training: any Examples = augmented
    var held: (any Examples)?
    if let validation {
      // The same images in both: what is held out is never augmented.
      let parts = try plain.split(
        [1 - validation, validation], seed: options.seed, stratified: true)
      training = try Subset(augmented, parts[0].indices)
      held = parts[1]
    }
    var trainerOptions = TrainerOptions(compile: options)
    trainerOptions.evaluationBatch = 100
    trainerOptions.isInterrupted = { Interruption.wasRequested }
    let decay = recipe.decay
    trainer = try Trainer(
      architecture.build(), recipe.optimizer.make(learningRate: learningRate), training: training,
      validation: held, batch: recipe.batch, epochs: recipe.epochs, seed: options.seed,
      schedule: .perStep { total in Schedule { decay.factor(Int($0), of: total) } },
      metrics: [.accuracy], callbacks: [ProgressLine()], stopping: stopping,
      checkpoints: checkpoints, options: trainerOptions
    ) { softmaxCrossEntropy(logits: $0, labels: $1) }
  }

  /// The share of test images whose largest logit is at their label.
  func testAccuracy() throws -> Double {
    try trainer.evaluate(test, metrics: [.accuracy])["accuracy"] ?? .nan
  }
}

/// One line that is drawn again on a terminal, a line for each epoch elsewhere.
final class ProgressLine: Callback {
  private var start = 0.0
  private var firstStep = 0
  private var lastDrawn = 0.0

  func begin(_ trainer: Trainer) {
    start = nowMilliseconds()
    firstStep = trainer.history.steps
  }

  func step(_ trainer: Trainer, _ report: StepReport) {
    guard Output.isTerminal else { return }
    let now = nowMilliseconds()
    guard now - lastDrawn >= 100 else { return }
    lastDrawn = now
    let rate = Double(report.step - firstStep) / max(1e-9, (now - start) / 1e3)
    let left = Double(report.totalSteps - report.step) / rate
    let running = report.running
    let text =
      "epoch \(report.epoch + 1)/\(trainer.epochs)  \(fixed(rate, 0)) it/s  ETA \(duration(left))"
      + "  loss \(fixed(running["loss"] ?? .nan, 4))"
      + "  accuracy \(fixed((running["accuracy"] ?? .nan) * 100, 2)) %"
    Output.write("\r" + String(text.prefix(max(10, Output.width - 1))) + "\u{1B}[K", to: 1)
  }

  func epoch(_ trainer: Trainer, _ record: EpochRecord) {
    clear()
    let seconds = max(1e-9, record.seconds)
    var text =
      "epoch \("\(record.epoch + 1)".padded("\(trainer.epochs)".count, left: true))/\(trainer.epochs)"
      + "  loss \(fixed(record.training["loss"] ?? .nan, 4))"
      + "  training accuracy \(fixed((record.training["accuracy"] ?? .nan) * 100, 2)) %"
    if let loss = record.validation["loss"], let accuracy = record.validation["accuracy"] {
      text += "  validation \(fixed(loss, 4)), \(fixed(accuracy * 100, 2)) %"
    }
    Output.line(
      text
        + "  \(grouped(Int(Double(trainer.stepsPerEpoch) / seconds))) it/s  \(fixed(seconds, 2)) s"
    )
  }

  func end(_ trainer: Trainer, _ history: History) { clear() }

  private func clear() { if Output.isTerminal { Output.write("\r\u{1B}[K", to: 1) } }
}
