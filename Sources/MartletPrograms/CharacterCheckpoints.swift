// Checkpoints of a character model's run: as those of a Trainer, with the state that steps carry on.

import MartletExecution
import MartletIR
import MartletNN
import MartletTraining

extension CharacterTraining {
  private static let carriedPrefix = "carried/"
  private static let positionName = "position"

  /// Epochs, characters of a step, and the sum of this epoch's losses: what a checkpoint keeps beside
  /// weights, moments and counters.
  private var place: [Double] {
    [Double(recipe.epochs), Double(recipe.length), position.sum]
  }

  /// Locks the directory; a run that is further than this one is not overwritten.
  func open(_ policy: CheckpointPolicy?) throws -> CheckpointFolder? {
    guard let policy else { return nil }
    let folder = try CheckpointFolder(policy.directory)
    try folder.refuseLater(than: position.step)
    return folder
  }

  func isDue(_ policy: CheckpointPolicy) -> Bool {
    switch policy.every {
    case .steps(let count): position.step % count == 0
    case .epochs(let count): position.step % (stepsPerEpoch * count) == 0
    }
  }

  func write(to folder: CheckpointFolder, keeping count: Int) throws {
    let parameters = model.parameters
    let state = step.checkpointState(beside: parameters)
    // At one moment, weights and moments of the same step.
    let values = try StateVariable.read(parameters.map(\.variable) + state.map(\.variable))
    var arrays = zip(state, values[parameters.count...]).map { NamedArray($0.name, $1) }
    for (index, array) in position.state.enumerated() {
      arrays.append(NamedArray("\(CharacterTraining.carriedPrefix)\(index)", array))
    }
    arrays.append(NamedArray(CharacterTraining.positionName, try NDArray(place)))
    try Checkpoint.write(
      Checkpoint.Contents(
        step: position.step, seed: options.seed, batch: recipe.batch, examples: training.count,
        weights: zip(parameters, values).map { NamedArray($0.path, $1) }, training: arrays),
      to: FileSystem.join(folder.path, CheckpointFolder.name(position.step)))
    folder.prune(keeping: count)
  }

  /// Takes the place of a run that was saved: ``run(checkpoints:isInterrupted:report:)`` goes on with
  /// its next step, and ends with the bits that the run would have had without the pause.
  ///
  /// - Parameter path: A checkpoint, or a directory of them, whose newest is taken.
  /// - Throws: ``DataError`` for a checkpoint that is damaged, or of another model, text or recipe;
  ///   nothing is changed then.
  package func resume(from path: String) throws {
    let checkpoint = try Checkpoint(path)
    func refuse(_ what: String, _ got: String, _ expected: String) -> DataError {
      DataError(
        .mismatch, what, at: checkpoint.path, got: got, expected: expected,
        hint: "a run is resumed with the options that it began with")
    }
    guard checkpoint.seed == options.seed else {
      throw refuse(
        "a checkpoint of another seed", "seed \(checkpoint.seed)", "seed \(options.seed)")
    }
    guard checkpoint.batch == recipe.batch else {
      throw refuse("another size of batch", "\(checkpoint.batch)", "\(recipe.batch)")
    }
    guard checkpoint.examples == training.count else {
      throw refuse(
        "a checkpoint of another text", "\(checkpoint.examples) characters",
        "\(training.count) characters")
    }
    var arrays: [String: NDArray] = [:]
    for item in checkpoint.training { arrays[item.name] = item.array }
    let saved = arrays[CharacterTraining.positionName]?.doubles ?? []
    guard saved.count == 3, saved[0] == place[0], saved[1] == place[1] else {
      throw refuse(
        "a checkpoint of a run of another length",
        saved.count == 3 ? "\(saved[0]) epochs, \(saved[1]) characters a step" : "nothing",
        "\(recipe.epochs) epochs, \(recipe.length) characters a step")
    }
    var state: [NDArray] = []
    if checkpoint.step > 0 {
      for (index, spec) in model.carriedSpecs(recipe.batch).enumerated() {
        let array = arrays["\(CharacterTraining.carriedPrefix)\(index)"]
        guard let array, array.type == spec.type else {
          throw refuse(
            "a checkpoint of another model", array.map { "\($0.type)" } ?? "no state",
            "\(spec.type)")
        }
        state.append(array)
      }
    }
    let pairs = try checkpoint.matched(
      model.parameters, step.checkpointState(beside: model.parameters), arrays)
    try StateVariable.write(pairs)
    position = Position(step: checkpoint.step, state: state, sum: saved[2])
  }

  /// Steps done.
  package var stepsDone: Int { position.step }
}
