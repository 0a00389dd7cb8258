// Character models: what they learn, what their directories keep, what they refuse.

import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletPrograms
import MartletTestSupport
import MartletTraining
import Testing

/// A text with a period of eleven characters: a model with memory knows all but its beginning.
private func periodic() throws -> TextCorpus {
  try TextCorpus(String(repeating: "abcabdabcé\n", count: 120), name: "periodic")
}

private func recipe(_ cell: SequenceCell) -> CharacterRecipe {
  var recipe = CharacterRecipe(cell)
  (recipe.embedding, recipe.hidden, recipe.batch, recipe.length) = (8, 24, 4, 16)
  (recipe.epochs, recipe.dropout, recipe.learningRate) = (12, 0, 0.02)
  if cell == .transformer {
    (recipe.layers, recipe.length, recipe.learningRate, recipe.warmUp) = (2, 24, 0.01, 5)
  }
  return recipe
}

@Suite struct CharacterTests {
  @Test(arguments: SequenceCell.allCases) func learnsAndComesBack(_ cell: SequenceCell) throws {
    let corpus = try periodic()
    let training = try CharacterTraining(corpus, recipe(cell), options: testOptions())
    let before = try training.bitsPerCharacter()
    var epochs: [Double] = []
    let isDone = try training.run(report: { progress in
      if let bits = progress.heldOutBits { epochs.append(bits) }
    })
    #expect(isDone && epochs.count == 12)
    let after = try training.bitsPerCharacter()
    #expect(before > 2 && after < 0.2, "\(before) → \(after) bits per character")

    // Written, read, and continued greedily: the period.
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/\(cell.rawValue).martlet"
    try SavedCharacterModel(
      training.model, training.architecture, corpus.vocabulary, notes: []
    ).write(to: path)
    let saved = try SavedCharacterModel(path)
    let generator = CharacterGenerator(saved, options: try testOptions())
    var text = ""
    try generator.sample("abcabdabcé\nabc", length: 19, with: .greedy) { text += $0 }
    #expect(text == "abdabcé\nabcabdabcé\n")

    // The same draws again, and the likeliest continuation from a beam.
    let sampler = try TokenSampler(temperature: 1, seed: 3)
    var (first, second) = ("", "")
    try generator.sample("a", length: 40, with: sampler) { first += $0 }
    try generator.sample("a", length: 40, with: sampler) { second += $0 }
    #expect(first == second && first.count == 40)
    let end = try #require(corpus.vocabulary.index(of: "\n"))
    let found = try generator.beam(
      "abcabdabcé\nabc", BeamSearch(width: 4, maximumLength: 12, end: Int32(end)))
    #expect(found.count == 4 && found[0].text == "abdabcé\n")
    #expect(found.allSatisfy { $0.1.score <= found[0].1.score })

    // A beam's log-probability is the sum over its characters, however the branches were batched.
    let alone = try generator.beam("abcabdabcé\nabc", BeamSearch(width: 1, maximumLength: 8))
    #expect(abs(alone[0].1.logProbability - found[0].1.logProbability) < 1e-6)
  }

  /// Streams measured one by one and side by side differ by what their beginnings miss, and one
  /// stream in pieces is the whole text.
  @Test func measuresInPieces() throws {
    let training = try CharacterTraining(
      try periodic(), recipe(.lstm), options: try testOptions())
    _ = try training.run()
    let whole = try training.bitsPerCharacter()
    let cut = try training.bitsPerCharacter(streams: 4)
    #expect(whole > 0 && cut > whole)
  }

  @Test func refusesWhatItDoesNotKnow() throws {
    let corpus = try periodic()
    let architecture = CharacterArchitecture(
      cell: .gru, vocabulary: corpus.vocabulary.count, embedding: 3, hidden: 4)
    let model = SavedCharacterModel(
      architecture.model(), architecture, corpus.vocabulary, notes: [])
    let generator = CharacterGenerator(model, options: try testOptions())
    let unseen = #expect(throws: DataError.self) {
      try generator.sample("abz", length: 3, with: .greedy) { _ in }
    }
    #expect("\(try #require(unseen))".contains("\"z\" (U+7A)"))
    #expect(throws: DataError.self) {
      try generator.beam("Q", BeamSearch(width: 2, maximumLength: 3))
    }
    #expect(throws: DataError.self) { try SavedCharacterModel("/nonexistent/model") }
    // An empty prompt is a line break, or the first character where there is none.
    try generator.sample("", length: 2, with: .greedy) { _ in }

    var long = recipe(.gru)
    long.length = 5_000
    let short = #expect(throws: DataError.self) {
      try CharacterTraining(corpus, long, options: testOptions())
    }
    #expect("\(try #require(short))".contains("too short"))

    // A description that contradicts itself, and one of another kind.
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/damaged.martlet"
    try model.write(to: path)
    let file = path + "/model.json"
    let text = String(decoding: try FileSystem.read(file, limit: 1 << 20), as: UTF8.self)
    for (old, new) in [
      ("\"hidden\": 4", "\"hidden\": 5"), ("\"cell\": \"gru\"", "\"cell\": \"mgu\""),
      ("\"char-lm\"", "\"lenet5\""), ("\"hidden\": 4", "\"hidden\": 99999999"),
      ("\"hidden\": 4,", ""), ("\"é\"", "\"éa\""), ("\"é\"", "\"a\""),
    ] {
      #expect(text.contains(old))
      try FileSystem.write(
        Array(text.replacing(old, with: new).utf8), to: file)
      #expect(throws: DataError.self, "\(old) → \(new)") { try SavedCharacterModel(path) }
    }
    try FileSystem.write(Array(text.utf8), to: file)
    _ = try SavedCharacterModel(path)
  }

  /// A transformer's text goes on behind its context, from a cache; a model without one, that reads its
  /// window anew for each character, draws the same.
  @Test func decodesBehindItsContext() throws {
    let corpus = try periodic()
    let architecture = CharacterArchitecture(
      cell: .transformer, vocabulary: corpus.vocabulary.count, hidden: 8, layers: 2, heads: 2,
      context: 8)
    let model = architecture.model()
    let saved = SavedCharacterModel(model, architecture, corpus.vocabulary, notes: [])
    let generator = CharacterGenerator(saved, options: try testOptions())
    let sampler = try TokenSampler(temperature: 1, seed: 5)
    var drawn = ""
    try generator.sample("abca", length: 30, with: sampler) { drawn += $0 }

    var programs: [Int: Function] = [:]
    var seen = try corpus.vocabulary.encode("abca")
    var expected = ""
    for position in 0..<30 {
      let count = seen.count
      let program =
        try programs[count]
        ?? compile(TensorSpec([count, 1], .int32), options: testOptions()) { model($0) }
      programs[count] = program
      let logits = try program(NDArray(seen, shape: [count, 1])).floats
      let token = try sampler.token(
        Array(logits.suffix(corpus.vocabulary.count)), position: position)
      expected += corpus.vocabulary.values[token]
      seen.append(Int32(token))
      if seen.count > 8 { seen = Array(seen.suffix(4)) }
    }
    #expect(drawn == expected)

    // Beams longer than the context; width 1 is the likeliest character each time.
    var greedy = ""
    try generator.sample("ab", length: 25, with: .greedy) { greedy += $0 }
    let found = try generator.beam("ab", BeamSearch(width: 1, maximumLength: 25))
    #expect(found[0].text == greedy)
    #expect(try generator.beam("ab", BeamSearch(width: 3, maximumLength: 25)).count == 3)
    // Of a prompt longer than the context its end counts.
    var (long, short) = ("", "")
    try generator.sample("bbbbbbabcabdab", length: 6, with: .greedy) { long += $0 }
    try generator.sample("abcabdab", length: 6, with: .greedy) { short += $0 }
    #expect(long == short)
  }

  /// A run that is interrupted and resumed from its checkpoint ends with the bits of one that was not.
  @Test(arguments: [SequenceCell.lstm, .transformer])
  func resumesBitForBit(_ cell: SequenceCell) throws {
    let corpus = try periodic()
    var recipe = recipe(cell)
    (recipe.epochs, recipe.dropout) = (2, 0.2)
    func weights(_ training: CharacterTraining) throws -> [[Double]] {
      try training.model.parameters.map { try $0.value().doubles }
    }
    let whole = try CharacterTraining(corpus, recipe, options: testOptions())
    #expect(try whole.run())
    let folder = try TemporaryFolder()
    let policy = CheckpointPolicy("\(folder.path)/run", every: .steps(3))
    let stop = whole.stepsPerEpoch + 2
    let first = try CharacterTraining(corpus, recipe, options: testOptions())
    #expect(
      try !first.run(checkpoints: policy, isInterrupted: { first.stepsDone == stop }))
    let second = try CharacterTraining(corpus, recipe, options: testOptions())
    // Before it is resumed, the directory is one of a longer run.
    #expect(throws: DataError.self) { try second.run(checkpoints: policy) }
    try second.resume(from: policy.directory)
    #expect(second.stepsDone == stop)
    var sums: [Double] = []
    #expect(try second.run(checkpoints: policy, report: { sums.append($0.trainingBits) }))
    #expect(second.stepsDone == whole.totalSteps && sums.count == whole.totalSteps - stop)
    #expect(try weights(second) == weights(whole))

    for change in [\CharacterRecipe.epochs, \.hidden, \.batch, \.length] {
      var other = recipe
      other[keyPath: change] *= 2
      let training = try CharacterTraining(corpus, other, options: testOptions())
      #expect(throws: DataError.self) { try training.resume(from: policy.directory) }
      #expect(training.stepsDone == 0)
    }
    #expect(throws: DataError.self) { try second.resume(from: folder.path + "/nothing") }
  }

  /// Windows that overlap by half count every character once.
  @Test func measuresATransformerOnce() throws {
    var recipe = recipe(.transformer)
    recipe.length = 10
    let training = try CharacterTraining(try periodic(), recipe, options: testOptions())
    // A model that knows nothing: log2 of the characters, whatever the windows.
    for parameter in training.model.parameters {
      try parameter.set(try NDArray(zeros: parameter.shape))
    }
    let bits = try training.bitsPerCharacter()
    let expected = LibM.log(Double(training.architecture.vocabulary)) / LibM.log(2)
    #expect(abs(bits - expected) < 1e-5)
    recipe.heads = 5
    #expect(throws: DataError.self) {
      try CharacterTraining(periodic(), recipe, options: testOptions())
    }
  }

  @Test func stopsWhenAsked() throws {
    let training = try CharacterTraining(
      try periodic(), recipe(.rnn), options: try testOptions())
    var steps = 0
    let isDone = try training.run(isInterrupted: { steps >= 3 }) { _ in steps += 1 }
    #expect(!isDone && steps == 3)
  }
}
