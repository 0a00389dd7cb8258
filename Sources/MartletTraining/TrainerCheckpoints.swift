// Saving a run and going on from where it was saved.

import MartletExecution
import MartletIR
import MartletNN

extension Trainer {
  private static let bestPrefix = "best/"
  private static let runningPrefix = "running/"

  /// State that the step works on and that is no parameter of the model: names and variables.
  var trainingState: [(name: String, variable: StateVariable)] {
    step.checkpointState(beside: model.parameters)
  }

  /// Writes the run as it is now to a directory of its own, replacing a checkpoint that is there.
  ///
  /// - Throws: ``DataError`` where it cannot be written; what was there before stays.
  public func save(to path: String) throws {
    let parameters = model.parameters
    let state = trainingState
    // At one moment, weights and moments of the same step.
    let values = try StateVariable.read(parameters.map(\.variable) + state.map(\.variable))
    var training = zip(state, values[parameters.count...]).map { NamedArray($0.name, $1) }
    for (name, sums) in position.running.state {
      training.append(NamedArray(Trainer.runningPrefix + name, try NDArray(sums)))
    }
    for (name, array) in position.bestWeights?.values ?? [:] {
      training.append(NamedArray(Trainer.bestPrefix + name, array))
    }
    var contents = Checkpoint.Contents(
      step: position.step, seed: seed, batch: batch, examples: self.training.count,
      weights: zip(parameters, values).map { NamedArray($0.path, $1) }, training: training)
    contents.history = history
    contents.plateau = position.plateau?.memory
    contents.stopping = position.stopping
    contents.keptBest = position.keptBest
    try Checkpoint.write(contents, to: path)
  }

  /// Takes the place of a run that was saved: the next ``run()`` goes on with its next step, and
  /// ends with the bits that the run would have had without the pause.
  ///
  /// - Parameter path: A checkpoint, or a directory of them, whose newest is taken.
  /// - Returns: The checkpoint.
  /// - Throws: ``DataError`` for a checkpoint that is damaged, or of another model, optimizer, seed,
  ///   batch or number of examples; nothing is changed then.
  @discardableResult
  public func resume(from path: String) throws -> Checkpoint {
    let checkpoint = try Checkpoint(path)
    try check(checkpoint)
    var arrays: [String: NDArray] = [:]
    for item in checkpoint.training { arrays[item.name] = item.array }
    let pairs = try checkpoint.matched(model.parameters, trainingState, arrays)
    var next = position
    var running: [String: [Double]] = [:]
    var best: [String: NDArray] = [:]
    for (name, array) in arrays {
      if name.hasPrefix(Trainer.runningPrefix) {
        running[String(name.dropFirst(Trainer.runningPrefix.count))] = array.doubles
      } else if name.hasPrefix(Trainer.bestPrefix) {
        best[String(name.dropFirst(Trainer.bestPrefix.count))] = array
      }
    }
    next.running.reset()
    // With other metrics, a saved epoch's sums are of no use; between epochs there are none.
    if !next.running.restore(running), checkpoint.step % order.perEpoch != 0 {
      throw DataError(
        .mismatch, "the checkpoint lies within an epoch and was measured by other metrics",
        at: checkpoint.path, expected: metrics.map(\.name).joined(separator: ", "))
    }
    next.step = checkpoint.step
    if let memory = checkpoint.plateau { next.plateau?.memory = memory }
    next.stopping = checkpoint.stopping
    next.keptBest = checkpoint.keptBest
    next.bestWeights = best.isEmpty ? nil : ModelSnapshot(values: best)
    try StateVariable.write(pairs)
    position = next
    history = checkpoint.history
    history.steps = next.step
    history.bestEpoch = next.stopping.epoch ?? next.keptBest.epoch
    history.checkpoint = checkpoint.path
    return checkpoint
  }

  private func check(_ checkpoint: Checkpoint) throws(DataError) {
    func refuse(_ what: String, _ got: String, _ expected: String) -> DataError {
      DataError(
        .mismatch, what, at: checkpoint.path, got: got, expected: expected,
        hint: "a run is resumed with the options that it began with")
    }
    guard checkpoint.seed == seed else {
      throw refuse("a checkpoint of another seed", "seed \(checkpoint.seed)", "seed \(seed)")
    }
    guard checkpoint.batch == batch else {
      throw refuse("another size of batch", "\(checkpoint.batch)", "\(batch)")
    }
    guard checkpoint.examples == training.count else {
      throw refuse(
        "a checkpoint of another training set", "\(checkpoint.examples) examples",
        "\(training.count) examples")
    }
  }

  // MARK: - During a run

  /// Locks the policy's directory, and goes on from what is in it if the policy says so.
  func openCheckpoints() throws -> CheckpointFolder? {
    guard let policy = checkpoints else { return nil }
    let folder = try CheckpointFolder(policy.directory)
    if policy.resumes, position.step == 0, !CheckpointFolder.steps(in: policy.directory).isEmpty {
      try resume(from: policy.directory)
    }
    try folder.refuseLater(than: position.step)
    return folder
  }

  /// Writes the checkpoint of this step.
  func writeCheckpoint(_ folder: CheckpointFolder?) throws {
    guard let folder, let policy = checkpoints else { return }
    let path = FileSystem.join(folder.path, CheckpointFolder.name(position.step))
    try save(to: path)
    history.checkpoint = path
    folder.prune(keeping: policy.keepLast)
    lastSaved = position.step
  }

  /// Keeps the best epoch's checkpoint.
  func keepBest(_ record: EpochRecord, _ folder: CheckpointFolder?) throws {
    guard let policy = checkpoints, policy.keepsBest else { return }
    let measure = policy.measure ?? stopping?.measure ?? defaultMeasure
    let improved = position.keptBest.update(
      record[measure] ?? .nan, epoch: record.epoch, rising: rises(measure))
    if stopping == nil { history.bestEpoch = position.keptBest.epoch }
    if improved, let folder {
      try save(to: FileSystem.join(folder.path, CheckpointFolder.best))
    }
  }

  /// Whether a checkpoint is due after this step.
  var isCheckpointDue: Bool {
    switch checkpoints?.every {
    case .steps(let count): position.step % count == 0
    case .epochs(let count):
      position.step % order.perEpoch == 0 && position.step / order.perEpoch % count == 0
    case nil: false
    }
  }
}
