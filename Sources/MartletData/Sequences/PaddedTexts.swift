// Texts of different lengths as rows of one length: names to generate, sentences to classify.

import MartletExecution
import MartletIR
import MartletTraining

/// Lines of text to generate, such as names: `inputs` i32[length], `targets` i32[length] and
/// `lengths` i32[].
///
/// Token 0 is the mark between lines: a line's inputs begin with it, its targets end with it. What
/// follows in the row, from its length on, is 0 too.
public struct TextLines: Examples {
  /// What the lines are called, for messages.
  public let name: String
  /// The mark (as "\n") and the characters.
  public let vocabulary: Vocabulary
  /// The number of tokens of a row: the longest line and its mark.
  public let length: Int
  private let tokens: [Int32]
  // Line i is tokens[ends[i]..<ends[i + 1]].
  private let ends: [Int]

  /// Lines that hold no line breaks.
  ///
  /// - Throws: ``DataError`` when there is none, or one holds a line break.
  public init(_ lines: [String], name: String = "lines") throws(DataError) {
    let scalars = lines.reduce(into: Set<Unicode.Scalar>()) { $0.formUnion($1.unicodeScalars) }
    guard !lines.isEmpty, !scalars.contains("\n") else {
      throw DataError(
        .wrongFormat, lines.isEmpty ? "there are no lines" : "a line holds a line break", at: name)
    }
    vocabulary = Vocabulary(sorted: ["\n"] + scalars.sorted().map { String(Character($0)) })
    var (tokens, ends): ([Int32], [Int]) = ([], [0])
    for line in lines {
      tokens += try vocabulary.encode(line, at: name)
      ends.append(tokens.count)
    }
    self.name = name
    self.tokens = tokens
    self.ends = ends
    length = 1 + (zip(ends.dropFirst(), ends).map { $0 - $1 }.max() ?? 0)
  }

  /// 88,799 surnames of the United States Census of 1990, the most frequent first, embedded.
  ///
  /// - Throws: ``DataError`` where the embedded bytes are damaged.
  public static func surnames() throws(DataError) -> TextLines {
    let text = String(decoding: try EmbeddedFile.inflated("surnames.txt.gz"), as: UTF8.self)
    return try TextLines(text.split(separator: "\n").map(String.init), name: "surnames")
  }

  /// The number of lines.
  public var count: Int { ends.count - 1 }

  /// `inputs`, `targets` and `lengths`.
  public var fields: [TensorSpec] {
    [
      TensorSpec([length], .int32, name: "inputs"), TensorSpec([length], .int32, name: "targets"),
      TensorSpec([], .int32, name: "lengths"),
    ]
  }

  /// Writes lines; neither seed nor epoch matter.
  public func write(
    _ indices: [Int], seed: UInt64, epoch: Int, into arrays: inout [NDArray]
  ) throws(DataError) {
    try checkBatch(indices, arrays)
    for (field, shift) in [1, 0].enumerated() {
      try arrays[field].fill { (bytes) throws(DataError) in
        let target = bytes.bindMemory(to: Int32.self)
        target.update(repeating: 0)
        for (row, index) in indices.enumerated() {
          for (i, token) in tokens[ends[index]..<ends[index + 1]].enumerated() {
            target[row * length + i + shift] = token
          }
        }
      }
    }
    try arrays[2].fill { (bytes) throws(DataError) in
      let target = bytes.bindMemory(to: Int32.self)
      for (row, index) in indices.enumerated() {
        target[row] = Int32(ends[index + 1] - ends[index] + 1)
      }
    }
  }
}

/// The words of texts in lower case: letters, digits and apostrophes between them.
public enum Words {
  /// The words of a text.
  public static func split(_ text: String) -> [String] {
    var words: [String] = []
    var word = ""
    func end() {
      while word.last == "'" { word.removeLast() }
      if !word.isEmpty { words.append(word) }
      word = ""
    }
    for character in text.lowercased() {
      if character.isLetter || character.isNumber {
        word.append(character)
      } else if character == "'" || character == "\u{2019}" {
        if !word.isEmpty { word.append("'") }
      } else {
        end()
      }
    }
    end()
    return words
  }

  /// What pads a text, and what stands for words that a vocabulary lacks: its first two words.
  public static let special = ["<pad>", "<unknown>"]

  /// The words of training texts that occur at least `minimum` times, the most frequent first,
  /// behind the two special ones.
  public static func vocabulary(
    of texts: some Sequence<String>, minimum: Int = 1, limit: Int = 1 << 20
  ) -> Vocabulary {
    var counts: [String: Int] = [:]
    for text in texts { for word in split(text) { counts[word, default: 0] += 1 } }
    let kept = counts.filter { $0.value >= minimum }.sorted {
      $0.value != $1.value
        ? $0.value > $1.value
        : $0.key.unicodeScalars.lexicographicallyPrecedes($1.key.unicodeScalars)
    }
    return Vocabulary(sorted: special + kept.prefix(max(0, limit)).map(\.key))
  }
}

/// Texts with a class each: `tokens` i32[length], words as indices of a vocabulary and 0 behind the
/// last one; `lengths` i32[]; `labels` i32[].
public struct LabelledTexts: Examples, ClassLabelled {
  /// The words; 0 pads, 1 is any word that is not here.
  public let vocabulary: Vocabulary
  /// The classes in the order of their numbers.
  public let classes: Vocabulary
  /// The number of words of a row; of a longer text the beginning is taken.
  public let length: Int
  package let labels: [Int32]
  private let tokens: [[Int32]]

  /// Texts and their classes.
  ///
  /// - Parameters:
  ///   - texts: The texts; one without any word counts as one unknown word.
  ///   - labels: The class of each.
  ///   - classes: The classes in order; nil for those of the labels, sorted.
  ///   - vocabulary: ``Words/vocabulary(of:minimum:limit:)`` of the training texts.
  ///   - length: The number of words of a row.
  /// - Throws: ``DataError`` when the parts do not fit each other or a label is no class.
  public init(
    _ texts: [String], labels: [String], classes: Vocabulary? = nil, vocabulary: Vocabulary,
    length: Int
  ) throws(DataError) {
    guard texts.count == labels.count, (1...(1 << 20)).contains(length),
      vocabulary.values.starts(with: Words.special)
    else {
      throw DataError(
        .mismatch, "texts, labels, length and vocabulary do not make a set", at: "labelled texts",
        got: "\(texts.count) texts, \(labels.count) labels, length \(length)",
        expected: "a label for each text, a length of at least 1, a vocabulary of Words")
    }
    let classes = classes ?? Vocabulary(collecting: labels)
    var codes: [Int32] = []
    for (row, label) in labels.enumerated() {
      guard let code = classes.index(of: label) else {
        throw DataError(
          .outOfRange, "a label is no class", at: "labelled texts, text \(row + 1)", got: label,
          expected: classes.values.prefix(12).joined(separator: ", "))
      }
      codes.append(Int32(code))
    }
    self.vocabulary = vocabulary
    self.classes = classes
    self.length = length
    self.labels = codes
    tokens = texts.map { text in
      let words = Words.split(text).prefix(length).map { Int32(vocabulary.index(of: $0) ?? 1) }
      return words.isEmpty ? [1] : words
    }
  }

  /// The number of texts.
  public var count: Int { tokens.count }

  /// `tokens`, `lengths` and `labels`.
  public var fields: [TensorSpec] {
    [
      TensorSpec([length], .int32, name: "tokens"), TensorSpec([], .int32, name: "lengths"),
      TensorSpec([], .int32, name: "labels"),
    ]
  }

  /// Writes texts; neither seed nor epoch matter.
  public func write(
    _ indices: [Int], seed: UInt64, epoch: Int, into arrays: inout [NDArray]
  ) throws(DataError) {
    try checkBatch(indices, arrays)
    try arrays[0].fill { (bytes) throws(DataError) in
      let target = bytes.bindMemory(to: Int32.self)
      target.update(repeating: 0)
      for (row, index) in indices.enumerated() {
        for (i, token) in tokens[index].enumerated() { target[row * length + i] = token }
      }
    }
    try arrays[1].fill { (bytes) throws(DataError) in
      let target = bytes.bindMemory(to: Int32.self)
      for (row, index) in indices.enumerated() { target[row] = Int32(tokens[index].count) }
    }
    try arrays[2].fill { (bytes) throws(DataError) in
      let target = bytes.bindMemory(to: Int32.self)
      for (row, index) in indices.enumerated() { target[row] = labels[index] }
    }
  }
}

// MARK: - Reviews

extension LabelledTexts {
  /// 12,808 snippets of film reviews, `fresh` or `rotten`, which `make data` fetches: a training
  /// part and a held-out one, divided film by film.
  ///
  /// - Parameters:
  ///   - path: The file; `downloads/reviews.csv` is where `make data` puts it.
  ///   - length: The number of words of a row.
  ///   - heldOut: The share of the films whose reviews are held out.
  ///   - minimum: How often a word must occur in the training part to have a number.
  ///   - seed: Another seed holds out other films.
  /// - Throws: ``DataError`` when the file is not there, or damaged.
  public static func reviews(
    path: String = "downloads/reviews.csv", length: Int = 48, heldOut: Double = 0.2,
    minimum: Int = 2, seed: UInt64 = 0
  ) throws(DataError) -> (training: LabelledTexts, heldOut: LabelledTexts) {
    guard FileSystem.exists(path) else {
      throw DataError(
        .notFound, "the reviews are not fetched", at: path, expected: "a CSV file",
        hint: "make data")
    }
    let table = try Table(csv: path, options: CSVOptions(separator: .comma, hasHeader: true))
    let (texts, categories) = (try table.texts("text"), try table.texts("category"))
    let films = try table.texts("movie_name")
    // Snippets of one film share names and plot: no film is in both parts.
    let names = Vocabulary(collecting: films)
    let parts = try Partition.indices(names.count, shares: [1 - heldOut, heldOut], seed: seed)
    let outside = Set(parts[1].map { names.values[$0] })
    let classes = try Vocabulary(["rotten", "fresh"])
    let rows = texts.indices.filter { classes.index(of: categories[$0]) != nil }
    let training = rows.filter { !outside.contains(films[$0]) }
    let vocabulary = Words.vocabulary(of: training.map { texts[$0] }, minimum: minimum)
    func part(_ rows: [Int]) throws(DataError) -> LabelledTexts {
      try LabelledTexts(
        rows.map { texts[$0] }, labels: rows.map { categories[$0] }, classes: classes,
        vocabulary: vocabulary, length: length)
    }
    return (try part(training), try part(rows.filter { outside.contains(films[$0]) }))
  }
}
