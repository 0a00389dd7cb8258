// An ONNX file that a recipe trains further, and such files read again: the file holds all that
// `martlet predict` needs, as one of its properties.

import Martlet
import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletONNX
import MartletRecipes
import MartletTraining

/// An imported model over examples as data sets have them: images are channels-last there.
struct ImportedNetwork: Layer {
  enum Order {
    /// As the file has them.
    case same
    /// `[N, H, W, C]` → `[N, C, H, W]`
    case channelsFirst
    /// The same elements in the file's shape.
    case reshaped([Int])
  }
  /// An ``ONNXLayer`` or ``ONNXTransfer``.
  let model: any Layer
  let order: Order

  func callAsFunction(_ x: Tensor) -> Tensor {
    let input =
      switch order {
      case .same: x
      case .channelsFirst: x.transposed([0, 3, 1, 2])
      case .reshaped(let shape): x.reshaped(Shape([x.shape[0]] + shape))
      }
    let y = model(input)
    // Files end in [N, K, 1, 1] or [N] as well.
    guard y.shape.rank != 2, y.shape.rank > 0, y.shape[0] == x.shape[0], x.shape[0] > 0 else {
      return y
    }
    return y.reshaped([x.shape[0], y.shape.count / x.shape[0]])
  }
}

/// The model of a recipe whose `model` is an ONNX file.
struct ImportedModel {
  /// The property of a file that holds what a model directory's model.json does.
  static let property = "martlet"
  let file: ONNXModel
  private let fields: CheckedFields

  /// Nil for other recipes.
  init?(_ recipe: MartletRecipes.Recipe) throws {
    guard let fields = recipe.root.fields("model"), fields.name == "onnx" else { return nil }
    guard recipe.storage == .float32 else {
      throw recipe.error("weights: an ONNX file takes float32", at: fields.position)
    }
    self.fields = fields
    file = try ONNXModel(contentsOf: recipe.path(fields.text("file") ?? ""))
  }

  /// How pixels enter the model, where its file says.
  var pixels: PixelScaling? {
    let metadata = file.metadata
    guard let mean = metadata["mean"].flatMap({ Float($0) }), mean.isFinite,
      let deviation = metadata["deviation"].flatMap({ Float($0) }), deviation.isFinite,
      deviation > 0
    else { return nil }
    return PixelScaling(mean: mean, deviation: deviation)
  }

  /// The model for data, and how much of it trains.
  func problem(
    _ recipe: MartletRecipes.Recipe, _ data: RecipeData
  ) throws -> (problem: RecipeProblem, note: String) {
    let order = try ImportedModel.order(file, data.input)
    let patterns = fields.texts("freeze") ?? []
    var matched: Set<String> = []
    var names: [String] = []
    func trains(_ name: String) -> Bool {
      names.append(name)
      let hits = patterns.filter { matches(name, $0) }
      matched.formUnion(hits)
      return hits.isEmpty
    }
    let target = data.targets.first
    let loss =
      recipe.root.fields("loss")?.name ?? (target?.classes == nil ? "" : "crossEntropy")
    let wanted =
      target?.classes.map { ["binaryCrossEntropy", "hinge"].contains(loss) ? 1 : $0.count }
      ?? target?.width ?? 1
    let model: any Layer
    let body: ONNXLayer
    if fields.boolean("head") ?? false {
      let made = try ONNXTransfer(
        file, outputs: wanted, input: Shape(ImportedModel.shape(data.input, order)),
        features: fields.text("features"), trains: trains)
      model = made
      body = made.body
    } else {
      let ofLogits = ["crossEntropy", "binaryCrossEntropy"].contains(loss)
      body = try file.layer(output: ofLogits ? file.logitsName() : nil, trains: trains)
      model = body
    }
    if let unused = patterns.first(where: { !matched.contains($0) }) {
      throw ToolError(
        "--freeze \(printable(unused)): no weight has such a name; there are "
          + names.prefix(6).map(printable).joined(separator: ", ")
          + (names.count > 6 ? " and \(names.count - 6) more" : ""))
    }
    let network = ImportedNetwork(model: model, order: order)
    let output = try outputWidth(body, model, data.input, order)
    let problem = try RecipeProblem(
      recipe, targets: data.targets, model: network, named: "onnx", output: output)
    let head = (model as? ONNXTransfer).map { "a new head of \($0.head.weight.shape), " } ?? ""
    return (
      problem,
      "\(head)\(body.names.count) weights train, \(body.frozen.count) are frozen; "
        + "the file's statistics of normalisation stay"
    )
  }

  /// Numbers that an example gives.
  private func outputWidth(
    _ body: ONNXLayer, _ model: any Layer, _ input: [Int], _ order: ImportedNetwork.Order
  ) throws -> [Int] {
    if let transfer = model as? ONNXTransfer { return [transfer.head.weight.shape[1]] }
    let shape = try body.outputShape(for: Shape([2] + ImportedModel.shape(input, order)))
    guard shape.rank > 0, shape[0] == 2 else {
      throw ToolError("the model gives \(shape) for a batch of two: its results are no rows")
    }
    return [shape.count / 2]
  }

  private static func shape(_ input: [Int], _ order: ImportedNetwork.Order) -> [Int] {
    switch order {
    case .same: input
    case .channelsFirst: [input[2], input[0], input[1]]
    case .reshaped(let shape): shape
    }
  }

  /// How examples of a shape become the file's input.
  private static func order(_ file: ONNXModel, _ input: [Int]) throws -> ImportedNetwork.Order {
    guard let port = file.inputs.first, file.inputs.count == 1,
      case .tensor(.float, let declared?) = port.kind, declared.count >= 2
    else {
      throw ToolError(
        "the model has to take one input of type float and known rank; it takes "
          + file.inputs.prefix(3).map(\.description).joined(separator: ", "))
    }
    let wanted = Array(declared.dropFirst())
    func fits(_ shape: [Int]) -> Bool {
      shape.count == wanted.count
        && zip(wanted, shape).allSatisfy { dimension, extent in
          if case .fixed(let n) = dimension { return n == extent }
          return true
        }
    }
    if input.count == 3 {
      // A grey image is the same in both orders.
      if fits([input[2], input[0], input[1]]) { return .channelsFirst }
    }
    if fits(input) { return .same }
    let count = input.reduce(1, *)
    let fixed = wanted.compactMap { dimension -> Int? in
      if case .fixed(let n) = dimension { return n }
      return nil
    }
    if fixed.count == wanted.count,
      fixed.reduce(1, { $0.multipliedReportingOverflow(by: $1).0 }) == count
    {
      return .reshaped(fixed)
    }
    if wanted.count == 1 { return .reshaped([count]) }
    throw ToolError(
      "the model takes \(port), the data gives \(input.map(String.init).joined(separator: " × ")) "
        + "an example")
  }

  /// Height, width and channels of the images that a file takes, where it says.
  static func imageSize(_ file: ONNXModel) -> (size: [Int], channels: Int)? {
    guard case .tensor(_, let declared?)? = file.inputs.first?.kind, declared.count == 4 else {
      return nil
    }
    let extents = declared.dropFirst().map { dimension -> Int? in
      if case .fixed(let n) = dimension { return n }
      return nil
    }
    switch (extents[0], extents[1], extents[2]) {
    case (let c?, let h?, let w?) where c <= 3: return ([h, w], c)
    case (let h?, let w?, let c?) where c <= 3: return ([h, w], c)
    default: return nil
    }
  }

  // MARK: - Files

  /// Writes what was trained as an ONNX file that says how it is to be used.
  static func save(_ run: RecipeRun, notes: [JSONValue.Member], to path: String) throws {
    let manifest = try run.manifest(notes: notes)
    let text = String(decoding: try manifest.encoded(file: path), as: UTF8.self)
    var metadata = [property: text]
    metadata["classes"] = manifest.classes.joined(separator: "\n")
    if run.data.pixels != nil {
      metadata["mean"] = "\(manifest.mean)"
      metadata["deviation"] = "\(manifest.deviation)"
    }
    guard let network = run.problem.model.layers.layers.first as? ImportedNetwork else {
      throw ToolError("the model is no imported one")
    }
    let export =
      if let transfer = network.model as? ONNXTransfer {
        try ONNXExport(transfer, metadata: metadata)
      } else if let layer = network.model as? ONNXLayer {
        try ONNXExport(layer, metadata: metadata)
      } else { throw ToolError("the model is no imported one") }
    try export.write(to: path)
  }

  /// A file that ``save(_:notes:to:)`` wrote, for predictions.
  static func saved(_ path: String, folder: String) throws -> SavedRecipe {
    let file = try ONNXModel(contentsOf: path)
    guard let text = file.metadata[property] else {
      throw ToolError(
        "\(path) does not say what its outputs mean: `martlet train --model \(path)` writes files "
          + "that do; `martlet run \(path)` shows the numbers")
    }
    let manifest = try ModelManifest(parsing: Array(text.utf8), file: path)
    guard manifest.name == SavedRecipe.name else {
      throw ToolError("\(path): its property '\(property)' is of another kind of model")
    }
    return try SavedRecipe(manifest, file: path, folder: folder) { recipe, targets in
      let order = try ImportedModel.order(file, manifest.inputShape)
      let loss = recipe.root.fields("loss")?.name ?? "crossEntropy"
      let ofLogits =
        targets.first?.classes != nil && ["crossEntropy", "binaryCrossEntropy"].contains(loss)
      let body = try file.layer(output: ofLogits ? file.logitsName() : nil) { _ in false }
      let network = ImportedNetwork(model: body, order: order)
      let shape = try body.outputShape(
        for: Shape([2] + ImportedModel.shape(manifest.inputShape, order)))
      return try RecipeProblem(
        recipe, targets: targets, model: network, named: "onnx", output: [shape.count / 2])
    }
  }
}

/// Whether a name fits a pattern, in which `*` stands for any characters and `?` for one.
func matches(_ name: String, _ pattern: String) -> Bool {
  let (name, pattern) = (Array(name.unicodeScalars), Array(pattern.unicodeScalars))
  var (n, p) = (0, 0)
  var retry: (p: Int, n: Int)?
  while n < name.count {
    if p < pattern.count, pattern[p] == "*" {
      retry = (p, n)
      p += 1
    } else if p < pattern.count, pattern[p] == "?" || pattern[p] == name[n] {
      (n, p) = (n + 1, p + 1)
    } else if let last = retry {
      retry = (last.p, last.n + 1)
      (p, n) = (last.p + 1, last.n + 1)
    } else {
      return false
    }
  }
  return pattern[p...].allSatisfy { $0 == "*" }
}
