// Models that recipes trained, in directories: what is written beside the weights so that layers,
// inputs and outputs can be made of it again.

import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletRecipeModels
import MartletTraining

extension RecipeRun {
  /// Writes the model: weights, layers, and how inputs and outputs are to be read.
  package func save(to path: String, notes: [JSONValue.Member]) throws {
    let classes = problem.tasks[0].target.classes ?? ["value"]
    let (mean, deviation) = (data.pixels?.mean ?? 0, data.pixels?.deviation ?? 1)
    // A classifier of drawings by its model's name is one that needs no recipe to be built again.
    if let named = recipe.root.fields("model"), problem.model.layers.layers.count == 1,
      problem.tasks[0].target.classes?.count == problem.outputs[0].last, data.pixels != nil,
      data.fit == nil, recipe.storage == .float32, named.integers("hidden") == nil,
      let architecture = try Architecture.named(
        named.name, input: data.input, classes: classes.count)
    {
      let prefix = "layers.0."
      let weights = try problem.model.parameters.map { parameter in
        NamedArray(String(parameter.path.dropFirst(prefix.count)), try parameter.value())
      }
      let manifest = ModelManifest(
        name: architecture.name, inputShape: data.input, mean: mean, deviation: deviation,
        classes: classes, layers: architecture.layers,
        notes: notes + [.init("recipe", .string(recipe.name))])
      try ModelDirectory.write(manifest, weights, metadata: ["format": "martlet"], to: path)
      return
    }
    try SavedModel.write(problem.model, manifest(notes: notes), to: path)
  }

  /// What must be known of the model beside its weights.
  package func manifest(notes: [JSONValue.Member]) throws -> ModelManifest {
    let table = try data.table.map {
      try TabularInput(columns: $0, scaling: data.columns, location: data.name).json
    }
    return ModelManifest(
      name: SavedRecipe.name, inputShape: data.input, mean: data.pixels?.mean ?? 0,
      deviation: data.pixels?.deviation ?? 1, table: table, fit: data.fit?.rawValue,
      classes: problem.tasks[0].target.classes ?? ["value"], layers: [recipe.document.json],
      outputs: .array(data.targets.map(\.json)),
      notes: notes + [.init("recipe", .string(recipe.name))])
  }
}

/// A model that a recipe trained, read from its directory, with the readers of what it takes.
package struct SavedRecipe: Sendable {
  /// What `model.json` calls such models.
  package static let name = TrainedRecipe.name
  /// Layers, weights and programs.
  package let trained: TrainedRecipe
  /// How a table becomes the input; nil for images.
  package let table: TabularInput?
  /// How pictures of other sizes become the input; nil for drawings, light on dark.
  package let fit: ImageFolder.Fit?

  package var manifest: ModelManifest { trained.manifest }
  package var recipe: Recipe { trained.recipe }
  package var problem: RecipeProblem { trained.problem }

  /// A model from the content of its directory.
  ///
  /// - Parameter folder: Where relative paths of the recipe start, for its data.
  /// - Throws: ``DataError`` or ``RecipeError`` when manifest, layers and weights do not fit each
  ///   other.
  package init(
    _ manifest: ModelManifest, _ weights: [NamedArray], at path: String, folder: String = "."
  ) throws {
    try self.init(
      TrainedRecipe(manifest, weights, at: path, folder: folder),
      file: FileSystem.join(path, ModelDirectory.manifestName))
  }

  /// A model that somebody makes for what the manifest says.
  package init(
    _ manifest: ModelManifest, file: String, folder: String = ".",
    problem: (Recipe, [RecipeTarget]) throws -> RecipeProblem
  ) throws {
    try self.init(
      TrainedRecipe(manifest, file: file, folder: folder, problem: problem), file: file)
  }

  private init(_ trained: TrainedRecipe, file: String) throws {
    let manifest = trained.manifest
    func bad(_ what: String, _ expected: String) -> DataError {
      DataError(.wrongFormat, "model.json: \(what)", at: file, expected: expected)
    }
    table = try manifest.input(file)
    guard table == nil || [table?.featureCount] == manifest.inputShape else {
      throw bad("the columns are not the input", "\(manifest.inputShape) of them")
    }
    fit = manifest.fit.flatMap { ImageFolder.Fit(rawValue: $0) }
    guard (fit == nil) == (manifest.fit == nil) else {
      throw bad(
        "unknown fit '\(manifest.fit ?? "")'",
        ImageFolder.Fit.allCases.map(\.rawValue).joined(separator: ", "))
    }
    self.trained = trained
  }

  /// The compiled program for `batch` inputs: inference, or with `training` a step with the recipe's
  /// optimizer.
  package func program(batch: Int, training: Bool, _ options: CompileOptions) throws -> Program {
    try trained.program(batch: batch, training: training, options)
  }

  // MARK: - Inputs

  /// The input for a picture: at the model's size, with the scaling of the training set.
  package func input(_ picture: PixelImage, location: String) throws -> [Float] {
    let shape = manifest.inputShape
    guard shape.count == 3 else {
      throw DataError(
        .mismatch, "the model takes no pictures", at: location,
        expected: table.map { "a table with \($0.columns.count) columns" }
          ?? "inputs of shape \(shape)")
    }
    let image =
      if let fit {
        try picture.fitted(
          height: shape[0], width: shape[1], channels: shape[2], fit: fit, location: location)
      } else { try picture.modelInput(height: shape[0], width: shape[1]) }
    guard image.channels == shape[2] else {
      throw DataError(
        .mismatch, "the model takes other channels", at: location, got: "\(image.channels)",
        expected: "\(shape[2])")
    }
    let scaling = PixelScaling(mean: manifest.mean, deviation: manifest.deviation)
    return image.pixels.map(scaling.value)
  }

  // MARK: - Answers

  /// What the model says of one example, of one task.
  package enum Answer: Hashable, Sendable {
    /// The probability of each class.
    case classes([Double])
    /// Numbers in the target's own unit.
    case numbers([Double])
  }

  /// What the model says of inputs `[rows, …]`: for each row an answer of each task.
  package func answers(_ inputs: NDArray, options: CompileOptions? = nil) throws -> [[Answer]] {
    let rows = inputs.shape.dimensions[0]
    let size = min(256, max(1, rows))
    let problem = problem
    let spec = TensorSpec(Shape([size] + manifest.inputShape), name: "x")
    let function = try compile([spec], options: options) { problem.model.outputs($0[0]) }
    let values = inputs.floats
    let width = manifest.inputShape.reduce(1, *)
    var result: [[Answer]] = []
    for start in stride(from: 0, to: rows, by: size) {
      let count = min(size, rows - start)
      let part = try NDArray(
        Array(values[(start * width)..<((start + count) * width)]),
        shape: Shape([count] + manifest.inputShape))
      let outputs = try function.resized(batch: count).run([part]).map(\.doubles)
      for row in 0..<count {
        result.append(
          zip(problem.tasks, outputs).map { task, all in
            let width = all.count / count
            return task.answer(Array(all[(row * width)..<((row + 1) * width)]))
          })
      }
    }
    return result
  }
}

extension RecipeTask {
  /// What an output of the model says.
  func answer(_ outputs: [Double]) -> SavedRecipe.Answer {
    guard target.classes != nil else {
      return .numbers(
        outputs.enumerated().map { column, value in
          guard let scaling = target.scaling, scaling.columns == outputs.count else { return value }
          return scaling.inverse(value, column: column)
        })
    }
    if outputs.count == 1 {
      let second = 1 / (1 + exponential(-outputs[0]))
      return .classes([1 - second, second])
    }
    let top = outputs.max() ?? 0
    let powers = outputs.map { exponential($0 - top) }
    let total = powers.reduce(0, +)
    return .classes(powers.map { $0 / total })
  }
}

// MARK: - model.json

extension ModelManifest {
  fileprivate func input(_ file: String) throws(DataError) -> TabularInput? {
    guard let table else { return nil }
    return try TabularInput(table, file: file)
  }
}
