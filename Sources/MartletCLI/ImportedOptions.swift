// The options of martlet train for ONNX files, and the recipe that they make.

import ArgumentParser
import Martlet
import MartletData
import MartletExecution
import MartletONNX
import MartletRecipes

struct ImportedOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Weights that stay as they are, by their names in the file (`martlet summary` lists them); * "
        + "stands for anything; may be repeated.", valueName: "pattern"))
  var freeze: [String] = []
  @Option(
    help: ArgumentHelp(
      "A new last layer: `auto` for as many outputs as the data has classes or numbers, or how many "
        + "that has to be.", valueName: "classes"))
  var head: String?
  @Option(
    help: ArgumentHelp(
      "The value of the graph that the new layer reads; found if not given.", valueName: "name"))
  var features: String?
  @Option(
    help: ArgumentHelp(
      "crossEntropy, binaryCrossEntropy, hinge, meanSquaredError, meanAbsoluteError or huber.",
      valueName: "name"))
  var loss: String?
  @Option(
    help: ArgumentHelp(
      "The column of FILE.csv to predict; the last if not given.", valueName: "column"))
  var target: String?

  func check(isImported: Bool) throws {
    guard isImported else {
      if !freeze.isEmpty || head != nil || features != nil || loss != nil || target != nil {
        throw ValidationError(
          "--freeze, --head, --features, --loss and --target are for --model FILE.onnx")
      }
      return
    }
    if let head, head != "auto", !(Int(head).map { (1...65_536).contains($0) } ?? false) {
      throw ValidationError("--head \(head): expected auto, or a number of classes")
    }
    if features != nil, head == nil { throw ValidationError("--features goes with --head") }
    if freeze.contains("") { throw ValidationError("--freeze is empty: expected a pattern") }
  }

  /// The recipe: the file, the data, and what is made small.
  func document(model: String, data: String) throws -> YAMLNode {
    func object(_ members: [(String, JSONValue)]) -> JSONValue {
      .object(members.map { .init($0.0, $0.1) })
    }
    var own: [(String, JSONValue)] = [("file", .string(model))]
    if !freeze.isEmpty { own.append(("freeze", .array(freeze.map { .string($0) }))) }
    if head != nil { own.append(("head", .bool(true))) }
    if let features { own.append(("features", .string(features))) }
    var members: [(String, JSONValue)] = [
      ("name", .string(ImportedOptions.stem(model))),
      ("data", object([("source", try source(data, model))])),
      ("model", object([("onnx", object(own))])),
    ]
    if let loss { members.append(("loss", .string(loss))) }
    return YAMLNode(object(members))
  }

  private func source(_ data: String, _ model: String) throws -> JSONValue {
    func named(_ kind: String, _ members: [(String, JSONValue)]) -> JSONValue {
      .object([.init(kind, .object(members.map { .init($0.0, $0.1) }))])
    }
    if target != nil, !data.hasSuffix(".csv") {
      throw ValidationError("--target goes with --data FILE.csv")
    }
    if data.hasSuffix(".csv") {
      return named(
        "csv", [("file", .string(data))] + (target.map { [("target", .string($0))] } ?? []))
    }
    if data.hasSuffix(".npz") { return named("npz", [("file", .string(data))]) }
    switch data {
    case "fashion-mnist": return .string("fashionMNIST")
    case "breast-cancer": return .string("breastCancer")
    case "mnist5k", "digits", "iris", "wine", "diabetes": return .string(data)
    default: break
    }
    guard FileSystem.isDirectory(data) else {
      throw DataError(
        .notFound, "no such data", at: data,
        expected: "mnist5k, digits, fashion-mnist, iris, wine, breast-cancer, diabetes, FILE.csv, "
          + "FILE.npz, a folder of images, or one of IDX files")
    }
    // A folder of folders holds images by class.
    let names = FileSystem.names(in: data) ?? []
    guard names.contains(where: { FileSystem.isDirectory(FileSystem.join(data, $0)) }) else {
      return named("idx", [("directory", .string(data))])
    }
    var members: [(String, JSONValue)] = [("directory", .string(data))]
    if let image = ImportedModel.imageSize(try ONNXModel(contentsOf: model)) {
      members.append(("size", .array(image.size.map { .integer($0) })))
      if image.channels != 2 { members.append(("channels", .integer(image.channels))) }
    }
    return named("images", members)
  }

  private static func stem(_ path: String) -> String {
    let name = FileSystem.split(path).last
    return name.hasSuffix(".onnx") ? String(name.dropLast(5)) : name
  }
}
