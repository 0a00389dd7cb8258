// A text as numbers, one for each character, and windows of it to learn the next character from.

import MartletExecution
import MartletIR
import MartletTraining

/// A text as tokens, one for each Unicode scalar, with the vocabulary that they are indices of.
///
///     let hamlet = try TextCorpus.hamlet()
///     let (training, heldOut) = try hamlet.split(heldOut: 0.1)
///     let windows = try training.windows(of: 64, random: true)    // inputs i32[64], targets i32[64]
public struct TextCorpus: Sendable {
  /// What the text is called, for messages.
  public let name: String
  /// The characters in the order of their numbers.
  public let vocabulary: Vocabulary
  /// The text, character by character.
  public let tokens: [Int32]

  /// A text.
  ///
  /// - Parameters:
  ///   - text: The text.
  ///   - name: What it is called in messages.
  ///   - vocabulary: The characters, one a value; nil for those of the text, sorted.
  /// - Throws: ``DataError`` when the text is empty or has a character that the vocabulary lacks.
  public init(
    _ text: String, name: String = "text", vocabulary: Vocabulary? = nil
  ) throws(DataError) {
    let vocabulary =
      vocabulary
      ?? Vocabulary(sorted: Set(text.unicodeScalars).sorted().map { String(Character($0)) })
    guard !text.isEmpty, vocabulary.count <= Int(Int32.max) else {
      throw DataError(.truncated, "the text is empty", at: name, expected: "characters")
    }
    self.name = name
    self.vocabulary = vocabulary
    tokens = try vocabulary.encode(text, at: name)
  }

  /// A text from a file in UTF-8, plain or gzip-compressed, of at most 1 GB.
  ///
  /// - Throws: ``DataError`` when the file is missing, empty, not in UTF-8, or has a character that
  ///   the vocabulary lacks.
  public init(
    contentsOf path: String, vocabulary: Vocabulary? = nil
  ) throws(DataError) {
    let limit = 1 << 30
    let file = try FileSystem.read(path, limit: limit)
    let bytes =
      file.starts(with: [0x1f, 0x8b])
      ? try GzipReader.inflated(file, limit: limit, location: path) : file
    try UTF8Check.check(bytes, path)
    try self.init(String(decoding: bytes, as: UTF8.self), name: path, vocabulary: vocabulary)
  }

  private init(_ name: String, _ vocabulary: Vocabulary, _ tokens: [Int32]) {
    self.name = name
    self.vocabulary = vocabulary
    self.tokens = tokens
  }

  /// The Tragedy of Hamlet, embedded: 175,176 characters, 66 different ones.
  ///
  /// - Throws: ``DataError`` where the embedded bytes are damaged.
  public static func hamlet() throws(DataError) -> TextCorpus {
    try TextCorpus(
      String(decoding: EmbeddedFile.inflated("hamlet.txt.gz"), as: UTF8.self), name: "hamlet")
  }

  /// The number of characters.
  public var count: Int { tokens.count }

  /// The text that tokens stand for; tokens that are no index of the vocabulary give `�`.
  public func text(_ tokens: some Sequence<Int32>) -> String {
    var result = ""
    for token in tokens {
      let index = Int(token)
      result += vocabulary.values.indices.contains(index) ? vocabulary.values[index] : "\u{fffd}"
    }
    return result
  }

  /// The beginning of the text, and its end as a held-out part; both with the whole vocabulary.
  ///
  /// - Throws: ``DataError`` unless both parts have characters.
  public func split(
    heldOut share: Double
  ) throws(DataError) -> (training: TextCorpus, heldOut: TextCorpus) {
    guard share > 0, share < 1, case let cut = count - Int((Double(count) * share).rounded()),
      cut > 0, cut < count
    else {
      throw DataError(
        .outOfRange, "a part of the text would be empty", at: name, got: "a share of \(share)",
        expected: "a share between 0 and 1 of \(count) characters")
    }
    return (
      TextCorpus("\(name), training part", vocabulary, Array(tokens[..<cut])),
      TextCorpus("\(name), held-out part", vocabulary, Array(tokens[cut...]))
    )
  }

  /// Pieces of the text with the characters that follow them.
  ///
  /// - Parameters:
  ///   - length: The number of characters of a window.
  ///   - random: True to begin each window anywhere, a place that depends on (seed, epoch, index);
  ///     false to cut the text up, which is what held-out text wants.
  /// - Throws: ``DataError`` when the text is shorter than a window and a character.
  public func windows(of length: Int, random: Bool = false) throws(DataError) -> TextWindows {
    try TextWindows(self, length: length, streams: nil, random: random)
  }

  /// The text as `streams` texts side by side, for training that carries state from step to step.
  ///
  /// Example `i * streams + s` is piece `i` of stream `s`: read in order, in batches of `streams`,
  /// row s of a batch goes on where row s of the batch before it ended.
  ///
  /// - Throws: ``DataError`` when a stream is shorter than a window and a character.
  public func streams(_ streams: Int, of length: Int) throws(DataError) -> TextWindows {
    try TextWindows(self, length: length, streams: streams, random: false)
  }
}

/// Pieces of a text: `inputs` i32[length], and `targets` i32[length], the same one character on.
public struct TextWindows: Examples {
  /// The text.
  public let corpus: TextCorpus
  /// The number of characters of a window.
  public let length: Int
  /// The number of windows.
  public let count: Int
  private let streams: Int
  // Characters of one stream.
  private let streamLength: Int
  private let isRandom: Bool

  init(_ corpus: TextCorpus, length: Int, streams: Int?, random: Bool) throws(DataError) {
    let number = streams ?? 1
    // Every input needs a successor.
    let pairs = corpus.count - 1
    guard length > 0, number > 0, length <= pairs, number <= pairs / length else {
      throw DataError(
        .outOfRange, "the text is too short for its windows", at: corpus.name,
        got: "\(corpus.count) characters",
        expected: streams == nil
          ? "at least \(length) + 1" : "\(number) streams of at least \(length) + 1")
    }
    self.corpus = corpus
    self.length = length
    self.streams = number
    streamLength = pairs / number
    count = streamLength / length * number
    isRandom = random
  }

  /// `inputs` and `targets`.
  public var fields: [TensorSpec] {
    [TensorSpec([length], .int32, name: "inputs"), TensorSpec([length], .int32, name: "targets")]
  }

  /// Writes windows.
  public func write(
    _ indices: [Int], seed: UInt64, epoch: Int, into arrays: inout [NDArray]
  ) throws(DataError) {
    try checkBatch(indices, arrays)
    for (field, shift) in [0, 1].enumerated() {
      try arrays[field].fill { (bytes) throws(DataError) in
        let target = bytes.bindMemory(to: Int32.self)
        for (row, index) in indices.enumerated() {
          let start = start(of: index, seed: seed, epoch: epoch) + shift
          for i in 0..<length { target[row * length + i] = corpus.tokens[start + i] }
        }
      }
    }
  }

  private func start(of index: Int, seed: UInt64, epoch: Int) -> Int {
    if isRandom {
      var random = CounterRandom(seed: seed, epoch: epoch, index: index)
      return random.below(corpus.count - length)
    }
    return index % streams * streamLength + index / streams * length
  }
}

extension Vocabulary {
  /// The indices of a text's Unicode scalars.
  ///
  /// - Throws: ``DataError`` that names a scalar which is not in the vocabulary.
  public func encode(_ text: String, at location: String = "text") throws(DataError) -> [Int32] {
    var codes: [Unicode.Scalar: Int32] = [:]
    var result: [Int32] = []
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      if let code = codes[scalar] {
        result.append(code)
        continue
      }
      guard let code = index(of: String(Character(scalar))) else {
        throw DataError(
          .outOfRange, "a character is not in the vocabulary", at: location,
          got: "\"\(scalar)\" (U+\(String(scalar.value, radix: 16, uppercase: true)))",
          expected: "one of \(count) characters, such as \(values.prefix(8).joined(separator: " "))"
        )
      }
      codes[scalar] = Int32(code)
      result.append(Int32(code))
    }
    return result
  }
}
