// Models that recipes trained, from their directories: layers and weights, and programs over them.
// Readers of tables and pictures are not needed for it (see MartletRecipes).

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTraining

/// A model that a recipe trained, read from its directory.
package struct TrainedRecipe: Sendable {
  /// What `model.json` calls such models.
  package static let name = "recipe"
  package let manifest: ModelManifest
  package let recipe: Recipe
  package let problem: RecipeProblem
  package let targets: [RecipeTarget]
  /// How the features of a table are scaled; nil where they are not, and for images.
  package let scaling: Scaling?

  /// A model from the content of its directory.
  ///
  /// - Parameter folder: Where relative paths of the recipe start, for its data.
  /// - Throws: ``DataError`` or ``RecipeError`` when manifest, layers and weights do not fit each
  ///   other.
  package init(
    _ manifest: ModelManifest, _ weights: [NamedArray], at path: String, folder: String = "."
  ) throws {
    try self.init(
      manifest, file: FileSystem.join(path, ModelDirectory.manifestName), folder: folder
    ) { recipe, targets in
      try withWeights(storedAs: recipe.storage) {
        try RecipeProblem(recipe, input: manifest.inputShape, targets: targets)
      }
    }
    try SavedModel.load(
      weights, into: problem.model, file: FileSystem.join(path, ModelDirectory.weightsName))
  }

  /// A model that somebody makes for what the manifest says.
  package init(
    _ manifest: ModelManifest, file: String, folder: String = ".",
    problem: (Recipe, [RecipeTarget]) throws -> RecipeProblem
  ) throws {
    func bad(_ what: String, _ expected: String) -> DataError {
      DataError(.wrongFormat, "model.json: \(what)", at: file, expected: expected)
    }
    guard let document = manifest.layers.first, manifest.layers.count == 1 else {
      throw bad("no recipe", "the recipe as the one element of \"layers\"")
    }
    guard let outputs = manifest.outputs?.array, (1...64).contains(outputs.count) else {
      throw bad("no outputs", "1 to 64 of them, each with its classes or its scaling")
    }
    var targets: [RecipeTarget] = []
    for (index, output) in outputs.enumerated() {
      guard let target = try RecipeTarget(output, field: index + 1) else {
        throw bad("output \(index)", "a name, and classes, or a width with offsets and divisors")
      }
      targets.append(target)
    }
    var scaling: Scaling?
    if let table = manifest.table, table["offsets"] != nil || table["divisors"] != nil {
      let offsets = table["offsets"]?.array?.compactMap(\.number) ?? []
      let divisors = table["divisors"]?.array?.compactMap(\.number) ?? []
      guard manifest.inputShape == [offsets.count], offsets.count == divisors.count else {
        throw bad("the scaling is not of the input", "\(manifest.inputShape) columns")
      }
      scaling = try Scaling(offsets: offsets, divisors: divisors)
    }
    self.scaling = scaling
    recipe = try Recipe(YAMLNode(document), file: file, folder: folder)
    self.problem = try problem(recipe, targets)
    self.manifest = manifest
    self.targets = targets
  }

  /// Writes the model with its present weights, in place of a model that is there, in one step.
  package func save(to path: String) throws {
    try SavedModel.write(problem.model, manifest, to: path)
  }

  // MARK: - Programs

  /// The compiled program for `batch` inputs that are scaled already: inference, or with `training`
  /// a step with the recipe's optimizer.
  package func program(batch: Int, training: Bool, _ options: CompileOptions) throws -> Program {
    let problem = problem
    let input = TensorSpec(Shape([batch] + manifest.inputShape), name: "x")
    guard training else {
      return try compile([input], options: named(options)) { problem.model.outputs($0[0]) }.program
    }
    let fields = targets.map { target in
      target.classes == nil
        ? TensorSpec([batch, target.width], name: target.name)
        : TensorSpec([batch], .int32, name: target.name)
    }
    func step(_ optimizer: some Optimizer) throws -> Program {
      try compile(
        training: problem.model, with: optimizer, [input] + fields, options: named(options),
        auxiliary: { (try problem.objective($0).loss, [:]) }
      ).program
    }
    return try step(optimizer)
  }

  /// The recipe's own optimizer; plain gradient descent in the place of L-BFGS, which needs the
  /// whole training set.
  package var optimizer: any Optimizer {
    recipe.root.fields("optimizer")?.name == "lbfgs"
      ? SGD() as any Optimizer
      : OptimizerBuilder.optimizer(
        recipe.root.fields("optimizer"), regularization: recipe.root.fields("regularization"))
  }

  private func named(_ options: CompileOptions) -> CompileOptions {
    var options = options
    options.name = manifest.notes.first { $0.name == "recipe" }?.value.string ?? TrainedRecipe.name
    return options
  }

  // MARK: - Functions of values in their own units

  /// Compiles the model for inference.
  ///
  /// The input is `images` (`[B, H, W, C]`, scaled as in training, or with `pixels` bytes) or `input`
  /// (`[B, columns]`, in the table's own units; words are one-hot or numbers of the vocabulary in
  /// `model.json`). For each task there are `logits` and `probabilities`, `[B, classes]`, or
  /// `values` in the target's own unit; of several tasks each has its name in front and a dot.
  ///
  /// - Parameter live: Each run takes the weights as training has left them; else they are folded
  ///   into the program as they are now.
  package func inference(
    batch: Int, pixels: Bool, live: Bool, _ options: CompileOptions
  ) throws -> Function {
    let frozen = live ? [:] : try frozenValues(of: problem.model)
    return try Function(
      specs: [try input(batch, pixels)], options: named(options), isTraining: false
    ) { [self] trace, inputs in
      if !frozen.isEmpty { trace.frozen = frozen }
      return zip(problem.tasks, problem.model.outputs(scaled(inputs[0]))).flatMap { task, output in
        answers(task, output.converted(to: .float32))
      }
    }
  }

  /// Compiles one training step of the input above and what is right: `labels` (`i32[B]`), or
  /// `targets` (`[B, width]`, in their own unit); of several each has its name in front and a dot.
  ///
  /// - Parameter optimizer: nil for the recipe's own.
  package func trainingStep(
    batch: Int, with optimizer: (any Optimizer)?, pixels: Bool, _ options: CompileOptions
  ) throws -> TrainingStep {
    let fields = targets.map { target in
      let prefix = targets.count > 1 ? "\(target.name)." : ""
      return target.classes == nil
        ? TensorSpec([batch, target.width], name: prefix + "targets")
        : TensorSpec([batch], .int32, name: prefix + "labels")
    }
    func step(_ optimizer: some Optimizer) throws -> TrainingStep {
      try compile(
        training: problem.model, with: optimizer, [try input(batch, pixels)] + fields,
        options: named(options),
        auxiliary: { [self] given in
          var fields = given
          fields[0] = scaled(given[0])
          for (index, target) in targets.enumerated() {
            guard let scaling = target.scaling else { continue }
            fields[index + 1] = TrainedRecipe.apply(scaling, given[index + 1])
          }
          return (try problem.objective(fields).loss, [:])
        })
    }
    let rule = optimizer ?? self.optimizer
    return try step(rule)
  }

  private func input(_ batch: Int, _ pixels: Bool) throws -> TensorSpec {
    let shape = manifest.inputShape
    guard !pixels || shape.count == 3 else {
      throw RunError(
        .input, "pixels: the model takes inputs of shape \(shape), not images", at: recipe.name)
    }
    return TensorSpec(
      Shape([batch] + shape), pixels ? .uint8 : .float32,
      name: shape.count == 3 ? "images" : "input")
  }

  private func scaled(_ x: Tensor) -> Tensor {
    if x.dtype == .uint8 {
      let (mean, deviation) = (Double(manifest.mean), Double(manifest.deviation))
      return (x.converted(to: .float32) / 255 - mean) / deviation
    }
    return scaling.map { TrainedRecipe.apply($0, x) } ?? x
  }

  /// In double precision, as the examples of the training set were scaled: a year less the mean of
  /// years has few digits in single.
  private static func apply(_ scaling: Scaling, _ x: Tensor) -> Tensor {
    let wide = x.converted(to: .float64)
    let (offsets, divisors) = constants(scaling, x.trace)
    return ((wide - offsets) / divisors).converted(to: .float32)
  }

  private static func constants(_ scaling: Scaling, _ trace: Trace) -> (Tensor, Tensor) {
    let type = TensorType(.float64, [scaling.columns])
    return (
      trace.constant(HostArray(type, scaling.offsets)),
      trace.constant(HostArray(type, scaling.divisors))
    )
  }

  private func answers(_ task: RecipeTask, _ output: Tensor) -> [(name: String, tensor: Tensor)] {
    let prefix = task.name.isEmpty ? "" : "\(task.name)."
    guard task.target.classes != nil else {
      guard let scaling = task.target.scaling, output.shape.dimensions.last == scaling.columns
      else { return [(prefix + "values", output)] }
      let (offsets, divisors) = TrainedRecipe.constants(scaling, output.trace)
      let values = output.converted(to: .float64) * divisors + offsets
      return [(prefix + "values", values.converted(to: .float32))]
    }
    var probabilities = softmax(output, axis: -1)
    if output.shape.dimensions.last == 1 {
      let second = sigmoid(output)
      probabilities = concatenate([1 - second, second], axis: -1)
    }
    return [(prefix + "logits", output), (prefix + "probabilities", probabilities)]
  }
}
