// Trains a character model by truncated backpropagation: each step goes on from the state that the
// step before left, and gradients stop at the seam.

import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletOps

/// How a character model is trained.
package struct CharacterRecipe: Hashable, Sendable {
  package var cell = SequenceCell.lstm
  package var embedding = 64
  package var hidden = 256
  package var layers = 1
  package var dropout = 0.3
  /// Texts side by side: the training part is cut into as many streams.
  package var batch = 16
  /// Characters of a step.
  package var length = 64
  package var epochs = 24
  package var learningRate = 4e-3
  /// The norm that all gradients together are clipped to.
  package var clipping = 1.0
  /// The share of the text, its end, that is held out.
  package var heldOut = 0.1

  package init() {}
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
  package let model: CharacterModel
  package let training: TextCorpus
  package let heldOut: TextCorpus
  package let step: TrainingStep
  package let stepsPerEpoch: Int
  private let options: CompileOptions

  /// - Throws: ``DataError`` for a text that is too short; ``CompileError``.
  package init(
    _ corpus: TextCorpus, _ recipe: CharacterRecipe, options: CompileOptions
  ) throws {
    self.recipe = recipe
    self.options = options
    (training, heldOut) = try corpus.split(heldOut: recipe.heldOut)
    architecture = CharacterArchitecture(
      cell: recipe.cell, vocabulary: corpus.vocabulary.count, embedding: recipe.embedding,
      hidden: recipe.hidden, layers: recipe.layers)
    // Says with numbers what is wrong with a text that is too short.
    stepsPerEpoch =
      try training.streams(recipe.batch, of: recipe.length).count / recipe.batch
    let model = CharacterModel(architecture, dropout: recipe.dropout)
    self.model = model
    let tokens = TensorSpec([recipe.length, recipe.batch], .int32, name: "tokens")
    let targets = TensorSpec([recipe.length, recipe.batch], .int32, name: "targets")
    step = try compile(
      training: model,
      with: Adam(learningRate: recipe.learningRate).clipping(globalNorm: recipe.clipping),
      [tokens, targets] + model.stateSpecs(recipe.batch), options: options
    ) { inputs in
      let made = model.run(inputs[0], state: Array(inputs[2...]))
      let loss = softmaxCrossEntropy(logits: made.logits, labels: inputs[1])
      let carried = made.state.enumerated().map { ("state\($0)", $1) }
      return (loss, Dictionary(carried, uniquingKeysWith: { a, _ in a }))
    }
  }

  /// The steps of all epochs.
  package var totalSteps: Int { stepsPerEpoch * recipe.epochs }

  /// Trains to the end, or until `isInterrupted` says so; true when it got to the end.
  package func run(
    isInterrupted: () -> Bool = { false }, report: (CharacterProgress) throws -> Void = { _ in }
  ) throws -> Bool {
    let start = nowMilliseconds()
    let schedule = Schedule.cosine(to: 0.05, over: totalSteps).warmUp(over: 20, from: 0.1)
    var number = 0
    for epoch in 0..<recipe.epochs {
      var state = try model.zeroState(recipe.batch)
      var sum = 0.0
      for index in 0..<stepsPerEpoch {
        if isInterrupted() { return false }
        let (tokens, targets) = try window(index)
        let result = try step.run(
          [tokens, targets] + state,
          learningRate: recipe.learningRate * schedule.factor(at: number))
        for index in state.indices {
          state[index] = result.auxiliary["state\(index)"] ?? state[index]
        }
        number += 1
        sum += try result.item()
        let isLast = index == stepsPerEpoch - 1
        try report(
          CharacterProgress(
            epoch: epoch, step: number, steps: totalSteps,
            trainingBits: sum / Double(index + 1) / naturalLogarithmOf2,
            heldOutBits: isLast ? try bitsPerCharacter(streams: 16) : nil,
            seconds: (nowMilliseconds() - start) / 1e3))
      }
    }
    return true
  }

  /// Piece `index` of each stream, and the characters that follow, both `[T, B]`.
  private func window(_ index: Int) throws -> (tokens: NDArray, targets: NDArray) {
    let stream = (training.count - 1) / recipe.batch
    return try CharacterTraining.window(
      training, streams: recipe.batch, of: stream, from: index * recipe.length,
      length: recipe.length)
  }

  private static func window(
    _ corpus: TextCorpus, streams: Int, of stream: Int, from first: Int, length: Int
  ) throws -> (tokens: NDArray, targets: NDArray) {
    var tokens: [Int32] = []
    tokens.reserveCapacity(streams * (length + 1))
    for t in first...(first + length) {
      for s in 0..<streams { tokens.append(corpus.tokens[s * stream + t]) }
    }
    let shape: Shape = [length, streams]
    return (
      try NDArray(Array(tokens[..<(length * streams)]), shape: shape),
      try NDArray(Array(tokens[streams...]), shape: shape)
    )
  }

  /// The held-out text in bits per character, `−log2 p` of each character after all before it, on
  /// average.
  ///
  /// With one stream every character but the first counts; several are faster, and each begins
  /// without a past.
  package func bitsPerCharacter(streams: Int = 1) throws -> Double {
    let stream = (heldOut.count - 1) / streams
    var length = min(stream, 128)
    guard length > 0 else {
      throw DataError(
        .outOfRange, "the held-out text is too short to measure", at: heldOut.name,
        got: "\(heldOut.count) characters", expected: "at least \(streams + 1)")
    }
    var state = try model.zeroState(streams)
    var (first, sum) = (0, 0.0)
    while first < stream {
      length = min(length, stream - first)
      let (tokens, targets) = try CharacterTraining.window(
        heldOut, streams: streams, of: stream, from: first, length: length)
      let results = try measuring(length, streams).run([tokens, targets] + state)
      sum += try results[0].item()
      state = Array(results[1...])
      first += length
    }
    return sum / Double(stream * streams) / naturalLogarithmOf2
  }

  /// The sum of losses over a piece of text, and the state behind it.
  private func measuring(_ length: Int, _ streams: Int) throws -> Function {
    let key = [length, streams]
    if let known = measures[key] { return known }
    let model = model
    let spec = TensorSpec([length, streams], .int32, name: "tokens")
    let targets = TensorSpec([length, streams], .int32, name: "targets")
    let function = try compile(
      [spec, targets] + model.stateSpecs(streams), options: options
    ) { inputs in
      let made = model.run(inputs[0], state: Array(inputs[2...]))
      return [
        softmaxCrossEntropy(logits: made.logits, labels: inputs[1], reduction: .sum)
      ] + made.state
    }
    measures[key] = function
    return function
  }

  private var measures: [[Int]: Function] = [:]
}

let naturalLogarithmOf2 = 0.693_147_180_559_945_3
