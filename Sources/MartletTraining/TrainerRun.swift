// The run of a trainer: steps, epochs, and what happens between them.

import MartletExecution
import MartletIR
import MartletNN

extension Trainer {
  /// Trains until the last epoch, or until early stopping, a callback or an interruption ends it.
  ///
  /// Called again after an interruption or a resumption, it goes on where it was.
  ///
  /// - Returns: What the run did, epoch by epoch.
  /// With checkpoints, the last step's is written before the best weights are put back.
  ///
  /// - Throws: What data, checkpoints and callbacks throw; ``RunError`` for a loss that is no
  ///   finite number.
  @discardableResult
  public func run() throws -> History {
    let start = nowMilliseconds()
    history.outcome = .running
    stopReason = nil
    let folder = try openCheckpoints()
    defer { withExtendedLifetime(folder) {} }
    lastSaved = nil
    let first = position.step
    rescue = nil
    defer { rescue = nil }
    if isExhausted { stop(because: patienceReason) }
    for callback in callbacks { try callback.begin(self) }
    let loader = BatchLoader(
      training, order, steps: position.step..<max(position.step, totalSteps),
      threads: options.loaderThreads)
    var epochStart = nowMilliseconds()
    while position.step < totalSteps, stopReason == nil {
      if options.isInterrupted() {
        history.outcome = .interrupted
        break
      }
      guard let batch = try loader.next() else { break }
      let rate = try takeStep(batch)
      loader.recycle(batch)
      if position.step % order.perEpoch == 0 {
        try endEpoch(rate, milliseconds: nowMilliseconds() - epochStart, folder)
        epochStart = nowMilliseconds()
      }
      if isCheckpointDue { try writeCheckpoint(folder) }
    }
    if history.outcome == .running {
      history.outcome = stopReason.map { .stopped($0) } ?? .completed
    }
    // With the weights of the last step: a run may be made longer.
    if lastSaved != position.step, position.step != first || history.checkpoint == nil {
      try writeCheckpoint(folder)
    }
    if history.outcome != .interrupted { try restoreBest() }
    history.seconds = (nowMilliseconds() - start) / 1e3
    for callback in callbacks { try callback.end(self, history) }
    return history
  }

  /// The learning rate of a step.
  func rate(of step: Int) -> Double {
    let time = schedule.unit == .step ? step : step / order.perEpoch
    return optimizer.learningRate * factors.factor(at: time) * (position.plateau?.rate ?? 1)
  }

  private func takeStep(_ batch: [NDArray]) throws -> Double {
    let number = position.step
    let rows = order.size(of: number)
    let rate = rate(of: number)
    let sized = try step.resized(batch: rows)
    // Random draws belong to the step of the run, whichever program takes it.
    sized.session.seed = seed
    sized.session.step = Int64(number)
    try keepRescue()
    let observes = number % options.observesEvery == 0 ? options.observes : []
    let result = try sized.run(batch, learningRate: rate, observing: observes)
    let loss = try result.item()
    if !loss.isFinite, options.nonFinite != .off { try replay(from: number, loss: loss) }
    if !observes.isEmpty {
      history.observations.append(
        Observation(
          step: number + 1, gradientNorms: result.gradientNorms, activations: result.activations))
    }
    try position.running.add(
      loss: loss, examples: rows, layout, batch: batch, results: result.auxiliary)
    position.step += 1
    history.steps = position.step
    if !callbacks.isEmpty {
      let (epoch, place) = number.quotientAndRemainder(dividingBy: order.perEpoch)
      let report = StepReport(
        step: position.step, totalSteps: totalSteps, epoch: epoch, batch: place,
        batchesPerEpoch: order.perEpoch, examples: rows, loss: loss,
        measures: position.running, learningRate: rate,
        observation: observes.isEmpty ? nil : history.observations.last)
      for callback in callbacks { try callback.step(self, report) }
    }
    return rate
  }

  private func endEpoch(
    _ rate: Double, milliseconds: Double, _ folder: CheckpointFolder?
  ) throws {
    let epoch = position.step / order.perEpoch - 1
    var record = EpochRecord(
      epoch: epoch, steps: position.step, learningRate: rate,
      training: position.running.measures, validation: [:], seconds: 0)
    position.running.reset()
    let start = nowMilliseconds()
    if let validation { record.validation = try evaluate(validation).measures }
    record.seconds = (milliseconds + nowMilliseconds() - start) / 1e3
    history.epochs.append(record)
    if var plateau = position.plateau {
      let measure = schedule.measure ?? defaultMeasure
      _ = plateau.update(record[measure] ?? .nan, rising: rises(measure))
      position.plateau = plateau
    }
    try watch(record)
    try keepBest(record, folder)
    for callback in callbacks { try callback.epoch(self, record) }
  }

  /// Early stopping.
  private func watch(_ record: EpochRecord) throws {
    guard let stopping else { return }
    let measure = stopping.measure ?? defaultMeasure
    let improved = position.stopping.update(
      record[measure] ?? .nan, epoch: record.epoch, rising: rises(measure),
      minimalChange: stopping.minimalChange)
    history.bestEpoch = position.stopping.epoch
    if improved {
      if stopping.restoresBest { position.bestWeights = try model.snapshot() }
    } else if isExhausted {
      stop(because: patienceReason)
    }
  }

  private var isExhausted: Bool {
    stopping.map { position.stopping.waited >= max(1, $0.patience) } ?? false
  }

  private var patienceReason: String {
    let best = position.stopping
    return "no better \(stopping?.measure ?? defaultMeasure) than \(best.value ?? .nan) of epoch "
      + "\((best.epoch ?? 0) + 1) in \(best.waited) epochs"
  }

  private func restoreBest() throws {
    guard let best = position.bestWeights, position.stopping.waited > 0 else { return }
    try best.restore(into: model)
    history.restoredBest = true
  }
}
