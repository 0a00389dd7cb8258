// A character language model: characters in, logits of the next character out.

import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletOps

/// The sizes of a ``CharacterModel``, as `model.json` keeps them.
package struct CharacterArchitecture: Hashable, Sendable {
  package var cell: SequenceCell
  package var vocabulary: Int
  /// Elements of a character's vector in front of a recurrent layer; a transformer's are `hidden`.
  package var embedding: Int
  package var hidden: Int
  package var layers: Int
  /// Of a transformer.
  package var heads: Int
  /// Characters that a transformer sees.
  package var context: Int

  package init(
    cell: SequenceCell, vocabulary: Int, embedding: Int = 64, hidden: Int = 256, layers: Int = 1,
    heads: Int = 4, context: Int = 64
  ) {
    self.cell = cell
    self.vocabulary = vocabulary
    self.embedding = embedding
    self.hidden = hidden
    self.layers = layers
    self.heads = heads
    self.context = context
  }

  /// The model.
  package func model(dropout: Double = 0) -> any CharacterModel {
    cell == .transformer
      ? TransformerCharacterModel(self, dropout: dropout)
      : RecurrentCharacterModel(self, dropout: dropout)
  }

  /// The manifest's `layers`.
  var described: [JSONValue] {
    let isTransformer = cell == .transformer
    let body: [JSONValue.Member] =
      isTransformer
      ? [
        .init("type", .string("transformer")), .init("hidden", .integer(hidden)),
        .init("layers", .integer(layers)), .init("heads", .integer(heads)),
        .init("context", .integer(context)),
      ]
      : [
        .init("type", .string("recurrent")), .init("cell", .string(cell.rawValue)),
        .init("hidden", .integer(hidden)), .init("layers", .integer(layers)),
      ]
    return [
      .object([
        .init("type", .string("embedding")), .init("count", .integer(vocabulary)),
        .init("size", .integer(isTransformer ? hidden : embedding)),
      ]),
      .object(body),
      .object([
        .init("type", .string("linear")), .init("in", .integer(hidden)),
        .init("out", .integer(vocabulary)),
      ]),
    ]
  }

  /// The architecture that a manifest describes.
  init(_ manifest: ModelManifest, file: String) throws(DataError) {
    let sizes = ManifestSizes(layers: manifest.layers, file: file)
    let embedding = try ManifestSizes.integer(
      try sizes.layer("embedding"), "size", 1...(1 << 16), file: file)
    let isTransformer = manifest.layers.contains { $0["type"]?.string == "transformer" }
    let body = try sizes.layer(isTransformer ? "transformer" : "recurrent")
    var cell = SequenceCell.transformer
    if !isTransformer {
      guard let name = body["cell"]?.string, let named = SequenceCell(rawValue: name) else {
        throw DataError(
          .unsupported, "a cell that this version cannot build", at: file,
          got: body["cell"]?.string,
          expected: SequenceCell.allCases.map(\.rawValue).joined(separator: ", "))
      }
      cell = named
    }
    func size(_ name: String, _ limit: Int) throws(DataError) -> Int {
      try ManifestSizes.integer(body, name, 1...limit, file: file)
    }
    self.init(
      cell: cell, vocabulary: manifest.classes.count, embedding: embedding,
      hidden: try size("hidden", 1 << 16), layers: try size("layers", 64))
    if isTransformer {
      heads = try size("heads", 1 << 10)
      context = try size("context", 1 << 16)
    }
    // Whoever edited one part of the file must have edited the others.
    guard described == manifest.layers, !isTransformer || hidden % heads == 0 else {
      throw DataError(
        .mismatch, "the layers in model.json do not fit one another", at: file,
        got: "\(manifest.classes.count) characters",
        expected: "the sizes of embedding, body and linear layers in agreement")
    }
  }
}

/// Characters in, logits of the next character out: tokens `[T, B] → [T, B, V]`.
package protocol CharacterModel: Layer {
  /// The characters that the model can look back on; nil where its state carries all of them.
  var context: Int? { get }
  /// The specs of a state for a number of texts side by side.
  func stateSpecs(_ batch: Int) -> [TensorSpec]
  /// The logits, and the state behind the last step.
  ///
  /// A model with a context takes `position` i32 `[B]` with its state: the characters in it.
  func run(
    _ tokens: Tensor, state: [Tensor]?, position: Tensor?
  ) -> (logits: Tensor, state: [Tensor])
}

extension CharacterModel {
  package func callAsFunction(_ tokens: Tensor) -> Tensor {
    run(tokens, state: nil, position: nil).logits
  }

  /// A state of zeros.
  package func zeroState(_ batch: Int) throws(RunError) -> [NDArray] {
    var state: [NDArray] = []
    for spec in stateSpecs(batch) { state.append(try NDArray(zeros: spec.type.shape)) }
    return state
  }

  /// What training carries from step to step: nothing where the past is in the window.
  package func carriedSpecs(_ batch: Int) -> [TensorSpec] {
    context == nil ? stateSpecs(batch) : []
  }
}

/// An embedding, recurrent layers, and a dense layer over the vocabulary.
package struct RecurrentCharacterModel: CharacterModel {
  package let embedding: Embedding
  package let body: StackedRecurrent
  package let output: Linear
  package let dropoutRate: Double

  init(_ architecture: CharacterArchitecture, dropout: Double) {
    embedding = Embedding(architecture.vocabulary, architecture.embedding)
    body = architecture.cell.stack(
      architecture.embedding, architecture.hidden, layers: architecture.layers, dropout: dropout)
    output = Linear(architecture.hidden, architecture.vocabulary)
    dropoutRate = dropout
  }

  package var context: Int? { nil }

  package func stateSpecs(_ batch: Int) -> [TensorSpec] {
    body.stateSizes.enumerated().map { TensorSpec([batch, $1], name: "state\($0)") }
  }

  package func run(
    _ tokens: Tensor, state: [Tensor]?, position: Tensor?
  ) -> (logits: Tensor, state: [Tensor]) {
    func thinned(_ x: Tensor) -> Tensor {
      dropoutRate > 0 ? dropout(x, rate: dropoutRate) : x
    }
    let made = body.run(thinned(embedding(tokens)), state: state)
    return (output(thinned(made.sequence)), made.state)
  }
}

/// A causal transformer with learned positions; its state is the keys and values of each block.
package struct TransformerCharacterModel: CharacterModel {
  package let network: TransformerLanguageModel

  init(_ architecture: CharacterArchitecture, dropout: Double) {
    // The weights of the attention are not thinned: the one kernel then serves training too. Vectors
    // of deviation 0.02 leave a small model at the frequencies of pairs for twice as many steps.
    network = TransformerLanguageModel(
      vocabulary: architecture.vocabulary, capacity: architecture.context,
      width: architecture.hidden, heads: architecture.heads, layers: architecture.layers,
      dropout: dropout, attentionDropout: 0, initializer: .normal(standardDeviation: 0.1))
  }

  package var context: Int? { network.positions.capacity }

  package func stateSpecs(_ batch: Int) -> [TensorSpec] {
    network.blocks.indices.flatMap { index in
      let attention = network.blocks[index].attention
      let shape: Shape = [
        batch, attention.keyHeads, network.positions.capacity, attention.headWidth,
      ]
      return [
        TensorSpec(shape, name: "keys\(index)"), TensorSpec(shape, name: "values\(index)"),
      ]
    }
  }

  package func run(
    _ tokens: Tensor, state: [Tensor]?, position: Tensor?
  ) -> (logits: Tensor, state: [Tensor]) {
    let rows = tokens.transposed([1, 0])
    guard let state, let position else { return (network(rows).transposed([1, 0, 2]), []) }
    let caches = network.blocks.indices.map {
      KeyValues(keys: state[2 * $0], values: state[2 * $0 + 1])
    }
    let made = network(rows, caches: caches, position: position)
    return (
      made.logits.transposed([1, 0, 2]), made.caches.flatMap { [$0.keys, $0.values] }
    )
  }
}

/// A character model with its characters: what a model directory holds.
package struct SavedCharacterModel: Sendable {
  package static let name = "char-lm"
  package let architecture: CharacterArchitecture
  package let vocabulary: Vocabulary
  package let model: any CharacterModel
  package let notes: [JSONValue.Member]

  package init(
    _ model: any CharacterModel, _ architecture: CharacterArchitecture, _ vocabulary: Vocabulary,
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
    let model = architecture.model()
    try SavedModel.load(
      weights, into: model, file: FileSystem.join(path, ModelDirectory.weightsName))
    self.init(model, architecture, vocabulary, notes: manifest.notes)
  }
}
