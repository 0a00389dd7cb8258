// Trains a character model. A recurrent one by truncated backpropagation: each step goes on from the
// state that the step before left, and gradients stop at the seam. A transformer on windows that begin
// anywhere in the text.

import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTraining

/// How a character model is trained.
package struct CharacterRecipe: Hashable, Sendable {
  package var cell: SequenceCell
  /// Of a recurrent model; a transformer's characters have `hidden` elements.
  package var embedding = 64
  package var hidden = 256
  package var layers = 1
  /// Of a transformer.
  package var heads = 4
  package var dropout = 0.3
  /// Texts side by side; for a recurrent model the training part is cut into as many streams.
  package var batch = 16
  /// Characters of a step; those that a transformer sees.
  package var length = 64
  package var epochs = 24
  package var learningRate = 4e-3
  /// The norm that all gradients together are clipped to.
  package var clipping = 1.0
  /// The share of the text, its end, that is held out.
  package var heldOut = 0.1
  /// Steps of rising learning rate.
  package var warmUp = 20

  /// What suits a cell.
  package init(_ cell: SequenceCell = .lstm) {
    self.cell = cell
    switch cell {
    case .lstm: break
    case .gru: learningRate = 3e-3
    case .rnn: learningRate = 2e-3
    case .transformer:
      (hidden, layers, length, batch) = (128, 3, 64, 16)
      (epochs, learningRate, dropout, warmUp) = (40, 4e-3, 0.2, 100)
    }
  }
}

/// What a run of ``CharacterTraining`` has reached.
package struct CharacterProgress: Sendable {
  package var epoch: Int
  package var step: Int
  package var steps: Int
  /// Means over the epoch so far, in bits per character of the training text.
  package var trainingBits: Double
  /// In the last step of an epoch: bits per character of the held-out text.
  package var heldOutBits: Double?
  package var seconds: Double
}

package final class CharacterTraining {
  package let recipe: CharacterRecipe
  package let architecture: CharacterArchitecture
  package let model: any CharacterModel
  package let training: TextCorpus
  package let heldOut: TextCorpus
  package let step: TrainingStep
  package let stepsPerEpoch: Int
  let options: CompileOptions
  var position = Position()
  var measures: [[Int]: Function] = [:]

  /// Where a run is.
  struct Position {
    /// Steps done.
    var step = 0
    /// What the last step carries on.
    var state: [NDArray] = []
    /// Of the losses of this epoch.
    var sum = 0.0
  }

  /// - Throws: ``DataError`` for a text that is too short, or heads that do not divide the width;
  ///   ``CompileError``.
  package init(
    _ corpus: TextCorpus, _ recipe: CharacterRecipe, options: CompileOptions
  ) throws {
    self.recipe = recipe
    self.options = options
    (training, heldOut) = try corpus.split(heldOut: recipe.heldOut)
    guard recipe.cell != .transformer || recipe.hidden % recipe.heads == 0 else {
      throw DataError(
        .outOfRange, "heads of a transformer share its width evenly", at: "the recipe",
        got: "hidden \(recipe.hidden), heads \(recipe.heads)",
        expected: "heads that divide hidden")
    }
    architecture = CharacterArchitecture(
      cell: recipe.cell, vocabulary: corpus.vocabulary.count, embedding: recipe.embedding,
      hidden: recipe.hidden, layers: recipe.layers, heads: recipe.heads, context: recipe.length)
    // Says with numbers what is wrong with a text that is too short.
    stepsPerEpoch =
      try training.streams(recipe.batch, of: recipe.length).count / recipe.batch
    let model = architecture.model(dropout: recipe.dropout)
    self.model = model
    let tokens = TensorSpec([recipe.length, recipe.batch], .int32, name: "tokens")
    let targets = TensorSpec([recipe.length, recipe.batch], .int32, name: "targets")
    let carried = model.carriedSpecs(recipe.batch)
    step = try compile(
      training: model,
      with: Adam(learningRate: recipe.learningRate).clipping(globalNorm: recipe.clipping),
      [tokens, targets] + carried, options: options
    ) { inputs in
      let state = carried.isEmpty ? nil : Array(inputs[2...])
      let made = model.run(inputs[0], state: state, position: nil)
      let loss = softmaxCrossEntropy(logits: made.logits, labels: inputs[1])
      let after = made.state.enumerated().map { ("state\($0)", $1) }
      return (loss, Dictionary(after, uniquingKeysWith: { a, _ in a }))
    }
  }

  /// The steps of all epochs.
  package var totalSteps: Int { stepsPerEpoch * recipe.epochs }

  /// Trains to the end, or until `isInterrupted` says so; true when it got to the end. With
  /// `checkpoints` the run is saved there: as often as the policy says, and at either end.
  package func run(
    checkpoints: CheckpointPolicy? = nil, isInterrupted: () -> Bool = { false },
    report: (CharacterProgress) throws -> Void = { _ in }
  ) throws -> Bool {
    let start = nowMilliseconds()
    let (first, folder) = (position.step, try open(checkpoints))
    var saved: Int?
    func save() throws {
      guard let folder, let checkpoints, saved != position.step else { return }
      try write(to: folder, keeping: checkpoints.keepLast)
      saved = position.step
    }
    let schedule = Schedule.cosine(to: 0.05, over: totalSteps)
      .warmUp(over: recipe.warmUp, from: 0.1)
    while position.step < totalSteps {
      if isInterrupted() {
        try save()
        return false
      }
      let (epoch, index) = position.step.quotientAndRemainder(dividingBy: stepsPerEpoch)
      if index == 0 {
        position.state = try carriedZeros()
        position.sum = 0
      }
      try takeStep(index, rate: recipe.learningRate * schedule.factor(at: position.step))
      let isLast = index == stepsPerEpoch - 1
      try report(
        CharacterProgress(
          epoch: epoch, step: position.step, steps: totalSteps,
          trainingBits: position.sum / Double(index + 1) / naturalLogarithmOf2,
          heldOutBits: isLast ? try bitsPerCharacter(streams: 16) : nil,
          seconds: (nowMilliseconds() - start) / 1e3))
      if let checkpoints, isDue(checkpoints) { try save() }
    }
    if position.step != first { try save() }
    return true
  }

  private func takeStep(_ index: Int, rate: Double) throws {
    // Random draws belong to the step of the run, resumed or not.
    step.session.seed = options.seed
    step.session.step = Int64(position.step)
    let (tokens, targets) = try window(index)
    let result = try step.run([tokens, targets] + position.state, learningRate: rate)
    for index in position.state.indices {
      position.state[index] = result.auxiliary["state\(index)"] ?? position.state[index]
    }
    position.sum += try result.item()
    position.step += 1
  }

  func carriedZeros() throws(RunError) -> [NDArray] {
    var state: [NDArray] = []
    for spec in model.carriedSpecs(recipe.batch) {
      state.append(try NDArray(zeros: spec.type.shape))
    }
    return state
  }

  /// The characters of a step and those that follow them, both `[T, B]`: piece `index` of each stream,
  /// or windows that depend on seed and step alone.
  private func window(_ index: Int) throws -> (tokens: NDArray, targets: NDArray) {
    if model.context == nil {
      let stream = (training.count - 1) / recipe.batch
      return try training.window(
        at: (0..<recipe.batch).map { $0 * stream + index * recipe.length }, length: recipe.length)
    }
    let starts = (0..<recipe.batch).map { row in
      var random = CounterRandom(seed: options.seed, epoch: position.step, index: row)
      return random.below(training.count - recipe.length)
    }
    return try training.window(at: starts, length: recipe.length)
  }
}

extension TextCorpus {
  /// Characters from each of some places on, side by side, and those that follow them: `[T, B]`.
  func window(at starts: [Int], length: Int) throws -> (tokens: NDArray, targets: NDArray) {
    var pieces: [Int32] = []
    pieces.reserveCapacity(starts.count * (length + 1))
    for t in 0...length {
      for start in starts { pieces.append(tokens[start + t]) }
    }
    let shape: Shape = [length, starts.count]
    return (
      try NDArray(Array(pieces[..<(length * starts.count)]), shape: shape),
      try NDArray(Array(pieces[starts.count...]), shape: shape)
    )
  }
}

let naturalLogarithmOf2 = 0.693_147_180_559_945_3
