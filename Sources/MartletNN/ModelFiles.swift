// Models by name, and models in directories: what model.json says of the layers, and the weights.

import MartletExecution
import MartletIR

/// A model that can be built again from what a file says of it.
package enum Architecture: Hashable, Sendable {
  /// ``LeNet5`` for 28 × 28 images of one channel.
  case lenet5(classes: Int)
  /// ``MLP`` from the sizes of input, hidden layers and output.
  case mlp(sizes: [Int])
  /// ``ResNet20`` for images of any size.
  case resnet20(channels: Int, classes: Int)

  /// The names that a command line may say.
  package static let names = ["lenet5", "mlp", "resnet20"]

  /// The model of that name for images of a shape; nil for an unknown name.
  ///
  /// Throws when the model does not take such images.
  package static func named(
    _ name: String, input: [Int], classes: Int
  ) throws(DataError) -> Architecture? {
    switch name {
    case "lenet5":
      guard input == [28, 28, 1] else {
        throw DataError(
          .mismatch, "lenet5 takes images of 28 × 28 pixels, one channel", at: name,
          got: input.map(String.init).joined(separator: " × "), expected: "28 × 28 × 1",
          hint: "the model mlp takes images of any size")
      }
      return .lenet5(classes: classes)
    case "mlp":
      return .mlp(sizes: [input.reduce(1, *), 512, 256, classes])
    case "resnet20":
      guard input.count == 3 else {
        throw DataError(
          .mismatch, "resnet20 takes images", at: name, got: "\(input)",
          expected: "height × width × channels")
      }
      return .resnet20(channels: input[2], classes: classes)
    default: return nil
    }
  }

  /// The spelling in `model.json` and on the command line.
  package var name: String {
    switch self {
    case .lenet5: "lenet5"
    case .mlp: "mlp"
    case .resnet20: "resnet20"
    }
  }

  /// The number of outputs.
  package var classes: Int {
    switch self {
    case .lenet5(let classes): classes
    case .mlp(let sizes): sizes.last ?? 0
    case .resnet20(_, let classes): classes
    }
  }

  /// A fresh model.
  package func build() -> any Layer {
    switch self {
    case .lenet5(let classes): LeNet5(classes: classes)
    case .mlp(let sizes): MLP(sizes)
    case .resnet20(let channels, let classes): ResNet20(channels: channels, classes: classes)
    }
  }

  // MARK: - model.json

  /// The layers as `model.json` spells them.
  package var layers: [JSONValue] {
    func convolution(_ input: Int, _ output: Int, padding: Int) -> JSONValue {
      .object([
        .init("type", .string("conv2d")), .init("in", .integer(input)),
        .init("out", .integer(output)), .init("kernel", .integer(5)),
        .init("padding", .integer(padding)),
      ])
    }
    func dense(_ input: Int, _ output: Int) -> JSONValue {
      .object([
        .init("type", .string("linear")), .init("in", .integer(input)),
        .init("out", .integer(output)),
      ])
    }
    func plain(_ type: String) -> JSONValue { .object([.init("type", .string(type))]) }
    let pool = JSONValue.object([
      .init("type", .string("maxPool2d")), .init("window", .integer(2)),
    ])
    switch self {
    case .lenet5(let classes):
      return [
        convolution(1, 6, padding: 2), plain("relu"), pool,
        convolution(6, 16, padding: 0), plain("relu"), pool, plain("flatten"),
        dense(400, 120), plain("relu"), dense(120, 84), plain("relu"), dense(84, classes),
      ]
    case .mlp(let sizes):
      var layers = [plain("flatten")]
      for (index, (input, output)) in zip(sizes, sizes.dropFirst()).enumerated() {
        if index > 0 { layers.append(plain("relu")) }
        layers.append(dense(input, output))
      }
      return layers
    case .resnet20(let channels, let classes):
      return [
        .object([
          .init("type", .string("resnet20")), .init("in", .integer(channels)),
          .init("out", .integer(classes)),
        ])
      ]
    }
  }

  /// The architecture that a manifest describes.
  package init(_ manifest: ModelManifest, file: String) throws(DataError) {
    switch manifest.name {
    case "lenet5": self = .lenet5(classes: manifest.classes.count)
    case "mlp":
      var sizes: [Int] = []
      for layer in manifest.layers where layer["type"]?.string == "linear" {
        guard let input = layer["in"]?.integer, let output = layer["out"]?.integer,
          (1...(1 << 24)).contains(input), (1...(1 << 24)).contains(output)
        else {
          throw DataError(
            .wrongFormat, "a layer of the model has no sizes", at: file,
            expected: "numbers \"in\" and \"out\"")
        }
        if sizes.isEmpty { sizes.append(input) }
        sizes.append(output)
      }
      self = .mlp(sizes: sizes)
    case "resnet20":
      let shape = manifest.inputShape
      guard shape.count == 3, (1...4096).contains(shape[2]),
        (1...(1 << 20)).contains(manifest.classes.count)
      else {
        throw DataError(
          .mismatch, "resnet20 takes images", at: file, got: "\(shape)",
          expected: "height × width × channels")
      }
      self = .resnet20(channels: shape[2], classes: manifest.classes.count)
    default:
      throw DataError(
        .unsupported, "a model that this version cannot build", at: file, got: manifest.name,
        expected: Architecture.names.joined(separator: ", ") + " or a recipe's model",
        hint: "what char-lm, sentiment and forecast write only martlet's own commands for them read"
      )
    }
    // Whoever edited one half of the file must have edited the other.
    let expected = classes == manifest.classes.count ? layers : nil
    guard expected == manifest.layers else {
      throw DataError(
        .mismatch, "the layers in model.json are not those of \(manifest.name)", at: file,
        got: "\(manifest.layers.count) layers, \(manifest.classes.count) classes",
        expected: "\(layers.count) layers ending in \(manifest.classes.count) classes")
    }
    if case .lenet5 = self, manifest.inputShape != [28, 28, 1] {
      throw DataError(
        .mismatch, "lenet5 takes images of 28 × 28 × 1", at: file, got: "\(manifest.inputShape)")
    }
    if case .mlp(let sizes) = self, manifest.inputShape.reduce(1, *) != sizes.first {
      throw DataError(
        .mismatch, "the input's shape is not what the first layer takes", at: file,
        got: "\(manifest.inputShape)", expected: "\(sizes.first ?? 0) elements")
    }
  }
}

/// A model read from a directory: layers with their weights, and how to feed it.
package struct SavedModel: Sendable {
  package let architecture: Architecture
  package let manifest: ModelManifest
  package let model: any Layer

  /// Writes a model's weights and description; see ``ModelDirectory``.
  package static func write(
    _ model: some Layer, _ architecture: Architecture, inputShape: [Int], mean: Float,
    deviation: Float, classes: [String], notes: [JSONValue.Member], to path: String
  ) throws {
    let manifest = ModelManifest(
      name: architecture.name, inputShape: inputShape, mean: mean, deviation: deviation,
      classes: classes, layers: architecture.layers, notes: notes)
    try write(model, manifest, to: path)
  }

  /// Writes a model's weights beside its description.
  package static func write(
    _ model: some Layer, _ manifest: ModelManifest, to path: String
  ) throws {
    var weights: [NamedArray] = []
    for parameter in model.parameters {
      weights.append(NamedArray(parameter.path, try parameter.value()))
    }
    try ModelDirectory.write(manifest, weights, metadata: ["format": "martlet"], to: path)
  }

  /// Reads a model directory. Every parameter must be there, with its type, and nothing else.
  package init(_ path: String) throws {
    let (manifest, weights) = try ModelDirectory.read(path)
    try self.init(manifest, weights, at: path)
  }

  /// A model from the content of its directory.
  package init(_ manifest: ModelManifest, _ weights: [NamedArray], at path: String) throws {
    let file = FileSystem.join(path, ModelDirectory.manifestName)
    let weightsFile = FileSystem.join(path, ModelDirectory.weightsName)
    let architecture = try Architecture(manifest, file: file)
    let model = architecture.build()
    try SavedModel.load(weights, into: model, file: weightsFile)
    self.architecture = architecture
    self.manifest = manifest
    self.model = model
  }

  /// Gives a model its weights. Every parameter must be there, with its type, and nothing else.
  package static func load(
    _ weights: [NamedArray], into model: any Layer, file weightsFile: String
  ) throws {
    var arrays: [ByteString: NDArray] = [:]
    for weight in weights { arrays[ByteString(weight.name)] = weight.array }
    var values: [(variable: StateVariable, array: NDArray)] = []
    for parameter in model.parameters {
      guard let array = arrays.removeValue(forKey: ByteString(parameter.path)) else {
        throw DataError(
          .mismatch, "the weights lack a parameter", at: weightsFile,
          expected: "\(parameter.path) \(parameter.type)")
      }
      guard array.type == parameter.type else {
        throw DataError(
          .mismatch, "a weight has another type than the model's parameter",
          at: "\(weightsFile), \(parameter.path)", got: "\(array.type)",
          expected: "\(parameter.type)")
      }
      values.append((parameter.variable, array))
    }
    if let extra = arrays.keys.min() {
      throw DataError(
        .mismatch, "the weights hold something that the model has not", at: weightsFile,
        got: extra.text)
    }
    // Together, so that they lie in one block.
    try StateVariable.write(values)
  }
}
