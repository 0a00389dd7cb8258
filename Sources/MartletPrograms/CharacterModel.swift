// A character language model: an embedding, recurrent layers, and a dense layer over the vocabulary.

import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletOps

/// The sizes of a ``CharacterModel``, as `model.json` keeps them.
package struct CharacterArchitecture: Hashable, Sendable {
  package var cell: SequenceCell
  package var vocabulary: Int
  package var embedding: Int
  package var hidden: Int
  package var layers: Int

  package init(
    cell: SequenceCell, vocabulary: Int, embedding: Int = 64, hidden: Int = 256, layers: Int = 1
  ) {
    self.cell = cell
    self.vocabulary = vocabulary
    self.embedding = embedding
    self.hidden = hidden
    self.layers = layers
  }

  /// The manifest's `layers`.
  var described: [JSONValue] {
    [
      .object([
        .init("type", .string("embedding")), .init("count", .integer(vocabulary)),
        .init("size", .integer(embedding)),
      ]),
      .object([
        .init("type", .string("recurrent")), .init("cell", .string(cell.rawValue)),
        .init("hidden", .integer(hidden)), .init("layers", .integer(layers)),
      ]),
      .object([
        .init("type", .string("linear")), .init("in", .integer(hidden)),
        .init("out", .integer(vocabulary)),
      ]),
    ]
  }

  /// The architecture that a manifest describes.
  init(_ manifest: ModelManifest, file: String) throws(DataError) {
    let sizes = ManifestSizes(layers: manifest.layers, file: file)
    let embedding = try sizes.layer("embedding")
    let body = try sizes.layer("recurrent")
    guard let name = body["cell"]?.string, let cell = SequenceCell(rawValue: name) else {
      throw DataError(
        .unsupported, "a cell that this version cannot build", at: file,
        got: body["cell"]?.string,
        expected: SequenceCell.allCases.map(\.rawValue).joined(separator: ", "))
    }
    self.init(
      cell: cell, vocabulary: manifest.classes.count,
      embedding: try ManifestSizes.integer(embedding, "size", 1...(1 << 16), file: file),
      hidden: try ManifestSizes.integer(body, "hidden", 1...(1 << 16), file: file),
      layers: try ManifestSizes.integer(body, "layers", 1...64, file: file))
    // Whoever edited one part of the file must have edited the others.
    guard described == manifest.layers else {
      throw DataError(
        .mismatch, "the layers in model.json do not fit one another", at: file,
        got: "\(manifest.classes.count) characters",
        expected: "the sizes of embedding, recurrent and linear layers in agreement")
    }
  }
}

/// Characters in, logits of the next character out: tokens `[T, B] → [T, B, V]`.
package struct CharacterModel: Layer {
  package let embedding: Embedding
  package let body: StackedRecurrent
  package let output: Linear
  package let dropoutRate: Double

  package init(_ architecture: CharacterArchitecture, dropout: Double = 0) {
    embedding = Embedding(architecture.vocabulary, architecture.embedding)
    body = architecture.cell.stack(
      architecture.embedding, architecture.hidden, layers: architecture.layers, dropout: dropout)
    output = Linear(architecture.hidden, architecture.vocabulary)
    dropoutRate = dropout
  }

  package func callAsFunction(_ tokens: Tensor) -> Tensor { run(tokens, state: nil).logits }

  /// The logits, and the state behind the last step.
  package func run(_ tokens: Tensor, state: [Tensor]?) -> (logits: Tensor, state: [Tensor]) {
    func thinned(_ x: Tensor) -> Tensor {
      dropoutRate > 0 ? dropout(x, rate: dropoutRate) : x
    }
    let made = body.run(thinned(embedding(tokens)), state: state)
    return (output(thinned(made.sequence)), made.state)
  }

  /// The specs of a state for a number of texts side by side.
  package func stateSpecs(_ batch: Int) -> [TensorSpec] {
    body.stateSizes.enumerated().map { TensorSpec([batch, $1], name: "state\($0)") }
  }

  /// A state of zeros.
  package func zeroState(_ batch: Int) throws(RunError) -> [NDArray] {
    var state: [NDArray] = []
    for size in body.stateSizes { state.append(try NDArray(zeros: [batch, size])) }
    return state
  }
}

/// A character model with its characters: what a model directory holds.
package struct SavedCharacterModel: Sendable {
  package static let name = "char-lm"
  package let architecture: CharacterArchitecture
  package let vocabulary: Vocabulary
  package let model: CharacterModel
  package let notes: [JSONValue.Member]

  package init(
    _ model: CharacterModel, _ architecture: CharacterArchitecture, _ vocabulary: Vocabulary,
    notes: [JSONValue.Member]
  ) {
    self.model = model
    self.architecture = architecture
    self.vocabulary = vocabulary
    self.notes = notes
  }

  /// Writes the model; see ``ModelDirectory``.
  package func write(to path: String) throws {
    let manifest = ModelManifest(
      name: SavedCharacterModel.name, inputShape: [1], classes: vocabulary.values,
      layers: architecture.described, notes: notes)
    try SavedModel.write(model, manifest, to: path)
  }

  /// Reads a model directory. Every parameter must be there, with its type, and nothing else.
  package init(_ path: String) throws {
    let (manifest, weights) = try ModelDirectory.read(path)
    let file = FileSystem.join(path, ModelDirectory.manifestName)
    guard manifest.name == SavedCharacterModel.name else {
      throw DataError(
        .mismatch, "not a character model", at: file, got: manifest.name,
        expected: SavedCharacterModel.name, hint: "martlet train char-lm --output DIR makes one")
    }
    guard manifest.classes.count <= 1 << 16,
      manifest.classes.allSatisfy({ $0.unicodeScalars.count == 1 })
    else {
      throw DataError(
        .wrongFormat, "the vocabulary is not one of characters", at: file,
        expected: "at most 65,536 texts of one character each")
    }
    let vocabulary = try Vocabulary(manifest.classes)
    let architecture = try CharacterArchitecture(manifest, file: file)
    let model = CharacterModel(architecture)
    try SavedModel.load(
      weights, into: model, file: FileSystem.join(path, ModelDirectory.weightsName))
    self.init(model, architecture, vocabulary, notes: manifest.notes)
  }
}
