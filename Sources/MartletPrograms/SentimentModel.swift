// Classifiers of texts: the mean of word vectors, or a bidirectional LSTM over them.

import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletOps

/// What stands between the words' vectors and the classes.
package enum SentimentBody: String, CaseIterable, Hashable, Sendable {
  /// The mean of the words' vectors.
  case average
  /// The mean of what a bidirectional LSTM makes of them.
  case lstm
}

/// Words in, logits of classes out: tokens `[B, T]`, lengths `[B]` → `[B, classes]`.
package struct SentimentModel: Layer {
  package let embedding: Embedding
  package let body: Bidirectional<LSTM, LSTM>?
  package let output: Linear
  package let dropoutRate: Double

  package init(
    _ kind: SentimentBody, words: Int, embedding size: Int, hidden: Int, classes: Int,
    dropout: Double = 0
  ) {
    // Small vectors at first: the mean of large ones starts far from the classes' border.
    embedding = Embedding(words, size, initializer: .normal(standardDeviation: 0.1))
    body = kind == .lstm ? Bidirectional(LSTM(size, hidden), LSTM(size, hidden)) : nil
    output = Linear(kind == .lstm ? 2 * hidden : size, classes)
    dropoutRate = dropout
  }

  /// Every row as long as it is.
  package func callAsFunction(_ tokens: Tensor) -> Tensor { logits(tokens, lengths: nil) }

  package func logits(_ tokens: Tensor, lengths: Tensor?) -> Tensor {
    func thinned(_ x: Tensor) -> Tensor {
      dropoutRate > 0 ? dropout(x, rate: dropoutRate) : x
    }
    let words = tokens.shape[1]
    var x = thinned(embedding(tokens)).transposed([1, 0, 2])
    if let body { x = body.run(x, lengths: lengths).sequence }
    guard let lengths else { return output(thinned(x.mean(axes: [0]))) }
    // Padding counts neither in the sum nor in the number of words.
    let type = TensorType(lengths.dtype, [words, tokens.shape[0]])
    let isWord = tokens.trace.iota(type, axis: 0) .< lengths.broadcasted(to: type.shape)
    let kept = select(isWord.expandedDims(at: 2).broadcasted(to: x.shape), x, 0)
    let count = maximum(lengths.converted(to: x.dtype), 1).expandedDims(at: 1)
    return output(thinned(kept.sum(axes: [0]) / count))
  }
}

/// A classifier with its words and classes: what a model directory holds.
package struct SavedSentimentModel: Sendable {
  package static let name = "sentiment"
  package let kind: SentimentBody
  package let length: Int
  package let vocabulary: Vocabulary
  package let classes: [String]
  package let model: SentimentModel
  package let notes: [JSONValue.Member]

  package init(
    _ model: SentimentModel, _ kind: SentimentBody, length: Int, vocabulary: Vocabulary,
    classes: [String], notes: [JSONValue.Member]
  ) {
    self.model = model
    self.kind = kind
    self.length = length
    self.vocabulary = vocabulary
    self.classes = classes
    self.notes = notes
  }

  private static func described(
    _ kind: SentimentBody, words: Int, size: Int, hidden: Int, classes: Int
  ) -> [JSONValue] {
    var layers: [JSONValue] = [
      .object([
        .init("type", .string("embedding")), .init("count", .integer(words)),
        .init("size", .integer(size)),
      ])
    ]
    if kind == .lstm {
      layers.append(
        .object([.init("type", .string("bidirectionalLSTM")), .init("hidden", .integer(hidden))]))
    }
    let inputs = kind == .lstm ? 2 * hidden : size
    return layers + [
      .object([.init("type", .string("mean"))]),
      .object([
        .init("type", .string("linear")), .init("in", .integer(inputs)),
        .init("out", .integer(classes)),
      ]),
    ]
  }

  /// Writes the model; see ``ModelDirectory``. The words stand in `notes`.
  package func write(to path: String) throws {
    let size = model.embedding.table.shape[1]
    let hidden = model.body.map { $0.forward.outputSize } ?? 0
    let manifest = ModelManifest(
      name: SavedSentimentModel.name, inputShape: [length], classes: classes,
      layers: SavedSentimentModel.described(
        kind, words: vocabulary.count, size: size, hidden: hidden, classes: classes.count),
      notes: [.init("vocabulary", .array(vocabulary.values.map { .string($0) }))] + notes)
    try SavedModel.write(model, manifest, to: path)
  }

  /// Reads a model directory. Every parameter must be there, with its type, and nothing else.
  package init(_ path: String) throws {
    let (manifest, weights) = try ModelDirectory.read(path)
    let file = FileSystem.join(path, ModelDirectory.manifestName)
    guard manifest.name == SavedSentimentModel.name, manifest.inputShape.count == 1 else {
      throw DataError(
        .mismatch, "not a classifier of texts", at: file, got: manifest.name,
        expected: SavedSentimentModel.name, hint: "martlet train sentiment --output DIR makes one")
    }
    guard let words = manifest.notes.first(where: { $0.name == "vocabulary" })?.value.array,
      case let values = words.compactMap(\.string), values.count == words.count,
      values.starts(with: Words.special)
    else {
      throw DataError(
        .wrongFormat, "the model has no vocabulary", at: file,
        expected: "notes.vocabulary, texts that begin with \(Words.special.joined(separator: ", "))"
      )
    }
    let sizes = ManifestSizes(layers: manifest.layers, file: file)
    let size = try ManifestSizes.integer(
      try sizes.layer("embedding"), "size", 1...(1 << 16), file: file)
    let isRecurrent = manifest.layers.contains { $0["type"]?.string == "bidirectionalLSTM" }
    let hidden =
      isRecurrent
      ? try ManifestSizes.integer(
        try sizes.layer("bidirectionalLSTM"), "hidden", 1...(1 << 16), file: file) : 0
    let kind: SentimentBody = isRecurrent ? .lstm : .average
    guard
      SavedSentimentModel.described(
        kind, words: values.count, size: size, hidden: hidden, classes: manifest.classes.count)
        == manifest.layers
    else {
      throw DataError(
        .mismatch, "the layers in model.json do not fit one another", at: file,
        got: "\(values.count) words, \(manifest.classes.count) classes",
        expected: "the sizes of all layers in agreement")
    }
    let model = SentimentModel(
      kind, words: values.count, embedding: size, hidden: hidden, classes: manifest.classes.count)
    try SavedModel.load(
      weights, into: model, file: FileSystem.join(path, ModelDirectory.weightsName))
    self.init(
      model, kind, length: manifest.inputShape[0], vocabulary: try Vocabulary(values),
      classes: manifest.classes,
      notes: manifest.notes.filter { $0.name != "vocabulary" })
  }

  /// The probabilities of the classes for a text.
  ///
  /// - Throws: ``DataError`` for a text without words.
  package func classify(_ text: String, options: CompileOptions) throws -> [Double] {
    let words = Words.split(text).prefix(length)
    guard !words.isEmpty else {
      throw DataError(
        .truncated, "the text has no words", at: "the text", expected: "letters or digits")
    }
    let tokens = words.map { Int32(vocabulary.index(of: $0) ?? 1) }
    let model = model
    let function = try compile(
      TensorSpec([1, tokens.count], .int32, name: "tokens"), options: options
    ) { softmax(model($0), axis: -1) }
    return try function(try NDArray(tokens, shape: [1, tokens.count])).doubles
  }
}
