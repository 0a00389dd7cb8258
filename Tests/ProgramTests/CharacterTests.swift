// Character models: what they learn, what their directories keep, what they refuse.

import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletPrograms
import MartletTestSupport
import Testing

/// A text with a period of eleven characters: a model with memory knows all but its beginning.
private func periodic() throws -> TextCorpus {
  try TextCorpus(String(repeating: "abcabdabcé\n", count: 120), name: "periodic")
}

private func recipe(_ cell: SequenceCell) -> CharacterRecipe {
  var recipe = CharacterRecipe()
  recipe.cell = cell
  (recipe.embedding, recipe.hidden, recipe.batch, recipe.length) = (8, 24, 4, 16)
  (recipe.epochs, recipe.dropout, recipe.learningRate) = (12, 0, 0.02)
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
      CharacterModel(architecture), architecture, corpus.vocabulary, notes: [])
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

  @Test func stopsWhenAsked() throws {
    let training = try CharacterTraining(
      try periodic(), recipe(.rnn), options: try testOptions())
    var steps = 0
    let isDone = try training.run(isInterrupted: { steps >= 3 }) { _ in steps += 1 }
    #expect(!isDone && steps == 3)
  }
}
