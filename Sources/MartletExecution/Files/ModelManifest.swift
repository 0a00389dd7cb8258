// model.json: what must be known about a model besides its weights.

/// The content of a model directory's `model.json`.
package struct ModelManifest: Hashable, Sendable {
  /// The version of the directory's format that this library writes and reads.
  package static let version = 1

  /// How the model is called: `lenet5`, `mlp`, ….
  package var name: String
  /// The shape of one input without the batch axis, such as [28, 28, 1].
  package var inputShape: [Int]
  /// A pixel p of 0...255 enters the model as (p / 255 − mean) / deviation.
  package var mean: Float
  package var deviation: Float
  /// How a table's columns become the input, for models of tables, as MartletData spells it.
  package var table: JSONValue?
  /// How a picture of another size becomes the input (`crop`); nil where it is a drawing, light on
  /// dark, as the digits of MNIST are.
  package var fit: String?
  /// The classes in the order of the model's outputs.
  package var classes: [String]
  /// The layers, as the module that builds them spells them.
  package var layers: [JSONValue]
  /// What each output means, for models of recipes, as MartletRecipes spells it.
  package var outputs: JSONValue?
  /// Anything else worth keeping: the data set, the accuracy, the seed.
  package var notes: [JSONValue.Member]

  package init(
    name: String, inputShape: [Int], mean: Float = 0, deviation: Float = 1,
    table: JSONValue? = nil, fit: String? = nil, classes: [String], layers: [JSONValue] = [],
    outputs: JSONValue? = nil, notes: [JSONValue.Member] = []
  ) {
    self.name = name
    self.inputShape = inputShape
    self.mean = mean
    self.deviation = deviation
    self.table = table
    self.fit = fit
    self.outputs = outputs
    self.classes = classes
    self.layers = layers
    self.notes = notes
  }

  private static let format = "martlet-model"

  package func encoded(file: String) throws(DataError) -> [UInt8] {
    var members: [JSONValue.Member] = [
      .init("format", .string(ModelManifest.format)),
      .init("version", .integer(ModelManifest.version)),
      .init("name", .string(name)),
      .init(
        "input",
        .object(
          [
            .init("shape", .array(inputShape.map { .integer($0) })),
            .init("mean", .number(Double(mean))),
            .init("deviation", .number(Double(deviation))),
          ] + (table.map { [.init("table", $0)] } ?? [])
            + (fit.map { [.init("fit", .string($0))] } ?? []))),
      .init("classes", .array(classes.map { .string($0) })),
      .init("layers", .array(layers)),
    ]
    if let outputs { members.append(.init("outputs", outputs)) }
    members.append(.init("notes", .object(notes)))
    return try JSONValue.object(members).encoded(indent: 2, file: file)
  }

  package init(parsing bytes: [UInt8], file: String) throws(DataError) {
    // As deep as a recipe may be nested, and some.
    let json = try JSONValue(parsing: bytes, file: file, depthLimit: 80)
    func bad(_ what: String, _ expected: String) -> DataError {
      DataError(.wrongFormat, "model.json: \(what)", at: file, expected: expected)
    }
    guard json["format"]?.string == ModelManifest.format else {
      throw bad("not a Martlet model", "\"format\": \"\(ModelManifest.format)\"")
    }
    // Before anything else: another version may differ in all that follows.
    guard let version = json["version"]?.integer else { throw bad("no version", "a number") }
    guard version == ModelManifest.version else {
      throw DataError(
        .wrongVersion, "the model is of another format version", at: file,
        got: "version \(version)",
        expected: "version \(ModelManifest.version)",
        hint: version > ModelManifest.version
          ? "a newer Martlet wrote it; update this one" : "train the model again")
    }
    guard let name = json["name"]?.string, !name.isEmpty else { throw bad("no name", "a text") }
    guard let shape = json["input"]?["shape"]?.array, (1...8).contains(shape.count),
      case let extents = shape.compactMap(\.integer), extents.count == shape.count,
      extents.allSatisfy({ (1...(1 << 24)).contains($0) })
    else { throw bad("bad input shape", "1 to 8 positive sizes") }
    guard let mean = json["input"]?["mean"]?.number.map({ Float($0) }), mean.isFinite,
      let deviation = json["input"]?["deviation"]?.number.map({ Float($0) }),
      deviation.isFinite, deviation > 0
    else { throw bad("bad input scaling", "a mean, and a deviation above 0") }
    guard let classes = json["classes"]?.array, !classes.isEmpty,
      case let names = classes.compactMap(\.string), names.count == classes.count
    else { throw bad("no classes", "an array of texts") }
    guard let layers = json["layers"]?.array else { throw bad("no layers", "an array") }
    guard let notes = json["notes"]?.members else { throw bad("no notes", "an object") }
    self.init(
      name: name, inputShape: extents, mean: mean, deviation: deviation,
      table: json["input"]?["table"], fit: json["input"]?["fit"]?.string, classes: names,
      layers: layers, outputs: json["outputs"], notes: notes)
  }
}
