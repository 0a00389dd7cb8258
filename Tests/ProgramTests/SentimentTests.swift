// Classifiers of texts: padding that counts nowhere, words that decide, directories.

import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletPrograms
import MartletTestSupport
import MartletTraining
import Testing

/// Texts whose class one word decides, among others that do not, of different lengths.
private func texts(_ count: Int, from first: Int) -> (texts: [String], labels: [String]) {
  let filling = ["the", "film", "of", "a", "hero", "is", "long", "tonight"]
  var (texts, labels): ([String], [String]) = ([], [])
  for i in first..<(first + count) {
    let words = (0..<(2 + i % 5)).map { filling[(i * 7 + $0 * 3) % filling.count] }
    let isGood = (i / 3) % 2 == 0
    texts.append(
      (words + [isGood ? "splendid" : "dreadful"] + words.prefix(i % 3)).joined(separator: " "))
    labels.append(isGood ? "good" : "bad")
  }
  return (texts, labels)
}

@Suite struct SentimentTests {
  @Test(arguments: SentimentBody.allCases) func learnsTheDecidingWord(
    _ kind: SentimentBody
  ) throws {
    let (there, labels) = texts(160, from: 0)
    let (other, truths) = texts(40, from: 160)
    let vocabulary = Words.vocabulary(of: there)
    let training = try LabelledTexts(there, labels: labels, vocabulary: vocabulary, length: 10)
    let heldOut = try LabelledTexts(
      other, labels: truths, classes: training.classes, vocabulary: vocabulary, length: 10)
    var recipe = SentimentRecipe()
    recipe.kind = kind
    (recipe.embedding, recipe.hidden, recipe.batch, recipe.epochs) = (8, 6, 16, 25)
    (recipe.dropout, recipe.learningRate) = (0.1, 0.02)
    let run = try SentimentTraining(
      training, heldOut, recipe, options: TrainerOptions(compile: try testOptions()))
    _ = try run.trainer.run()
    #expect(try run.accuracy() > 0.95)

    // What stands behind a text's end is not seen: rows of other lengths classify alike.
    let folder = try TemporaryFolder()
    let path = folder.path + "/m"
    try SavedSentimentModel(
      run.model, kind, length: 10, vocabulary: vocabulary, classes: training.classes.values,
      notes: []
    ).write(to: path)
    let saved = try SavedSentimentModel(path)
    #expect(saved.kind == kind && saved.vocabulary == vocabulary && saved.notes.isEmpty)
    let model = saved.model
    let padded = try compile(
      [TensorSpec([1, 10], .int32), TensorSpec([1], .int32)], options: testOptions()
    ) { [softmax(model.logits($0[0], lengths: $0[1]), axis: -1)] }
    for text in ["a splendid film", "Dreadful!", "the hero is zzz long of"] {
      let short = try saved.classify(text, options: testOptions())
      let words = Words.split(text).map { Int32(vocabulary.index(of: $0) ?? 1) }
      let row = words + [Int32](repeating: 3, count: 10 - words.count)
      let long = try padded.run([
        try NDArray(row, shape: [1, 10]), try NDArray([Int32(words.count)]),
      ])[0].doubles
      for (a, b) in zip(short, long) { #expect(abs(a - b) < 1e-5) }
    }
    let good = try #require(saved.classes.firstIndex(of: "good"))
    #expect(try saved.classify("a splendid film", options: testOptions())[good] > 0.9)
    #expect(try saved.classify("dreadful", options: testOptions())[good] < 0.1)
    #expect(throws: DataError.self) { try saved.classify(" … ", options: testOptions()) }

    // Damaged descriptions.
    let file = path + "/model.json"
    let text = String(decoding: try FileSystem.read(file, limit: 1 << 20), as: UTF8.self)
    for (old, new) in [
      ("\"size\": 8", "\"size\": 9"), ("\"sentiment\"", "\"char-lm\""),
      ("\"splendid\"", "\"dreadful\""), ("\"<pad>\",", ""),
    ] {
      #expect(text.contains(old))
      try FileSystem.write(Array(text.replacing(old, with: new).utf8), to: file)
      #expect(throws: DataError.self, "\(old) → \(new)") { try SavedSentimentModel(path) }
    }
  }
}
