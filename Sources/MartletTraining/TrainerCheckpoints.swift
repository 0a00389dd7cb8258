// Saving a run and going on from where it was saved.

import MartletExecution
import MartletIR
import MartletNN

extension Trainer {
  private static let bestPrefix = "best/"
  private static let optimizerPrefix = "optimizer/"
  private static let statePrefix = "state/"
  private static let runningPrefix = "running/"

  /// State that the step works on and that is no parameter of the model: names and variables.
  var trainingState: [(name: String, variable: StateVariable)] {
    var seen = Set(model.parameters.map { ObjectIdentifier($0.variable) })
    var result: [(name: String, variable: StateVariable)] = []
    for variable in step.optimizerState where seen.insert(ObjectIdentifier(variable)).inserted {
      result.append((Trainer.optimizerPrefix + variable.path, variable))
    }
    // Cells that a closure holds and no field of the model shows.
    for (index, item) in step.program.state.enumerated()
    where seen.insert(ObjectIdentifier(item.variable)).inserted {
      result.append(("\(Trainer.statePrefix)\(index)/\(item.variable.path)", item.variable))
    }
    return result
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
    try Checkpoint.write(
      Checkpoint.Contents(
        step: position.step, seed: seed, batch: batch, examples: self.training.count,
        history: history, plateau: position.plateau?.memory, stopping: position.stopping,
        keptBest: position.keptBest,
        weights: zip(parameters, values).map { NamedArray($0.path, $1) }, training: training),
      to: path)
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
    let pairs = try matched(checkpoint, arrays)
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

  /// Every variable with its value; the first difference is the error.
  private func matched(
    _ checkpoint: Checkpoint, _ arrays: [String: NDArray]
  ) throws(DataError) -> [(variable: StateVariable, array: NDArray)] {
    var pairs: [(variable: StateVariable, array: NDArray)] = []
    func match(
      _ name: String, _ variable: StateVariable, _ found: NDArray?, _ what: String
    ) throws(DataError) {
      guard let found, found.type == variable.type else {
        throw DataError(
          .mismatch, "a checkpoint of another \(what)", at: "\(checkpoint.path), \(name)",
          got: found.map { "\($0.type)" } ?? "nothing", expected: "\(variable.type)")
      }
      pairs.append((variable, found))
    }
    var weights: [ByteString: NDArray] = [:]
    for item in checkpoint.weights { weights[ByteString(item.name)] = item.array }
    for parameter in model.parameters {
      let found = weights.removeValue(forKey: ByteString(parameter.path))
      try match(parameter.path, parameter.variable, found, "model")
    }
    if let extra = weights.keys.min() {
      throw DataError(
        .mismatch, "a checkpoint of another model", at: checkpoint.path, got: extra.text,
        expected: "no parameter of that name")
    }
    let state = trainingState
    for (name, variable) in state { try match(name, variable, arrays[name], "optimizer") }
    let known = Set(state.map(\.name))
    let extra = arrays.keys.filter {
      ($0.hasPrefix(Trainer.optimizerPrefix) || $0.hasPrefix(Trainer.statePrefix))
        && !known.contains($0)
    }.min()
    if let extra {
      throw DataError(
        .mismatch, "a checkpoint of another optimizer", at: checkpoint.path, got: extra,
        expected: "no state of that name")
    }
    return pairs
  }

  // MARK: - During a run

  /// Locks the policy's directory, and goes on from what is in it if the policy says so.
  func openCheckpoints() throws -> CheckpointFolder? {
    guard let policy = checkpoints else { return nil }
    let folder = try CheckpointFolder(policy.directory)
    let newest = CheckpointFolder.steps(in: policy.directory).last
    if policy.resumes, position.step == 0, newest != nil { try resume(from: policy.directory) }
    // Older ones would be taken for newer ones, and these removed in their favour.
    if let newest, newest > position.step {
      throw DataError(
        .inUse, "the directory holds checkpoints of a longer run", at: policy.directory,
        got: CheckpointFolder.name(newest), expected: "none beyond step \(position.step)",
        hint: "resume that run, or name another directory")
    }
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
