// What a file becomes: a model that can be compiled for running, perhaps for training, and saved.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletRecipeModels
import Synchronization

/// How a session is made, as the caller's options say.
package struct SessionOptions: Sendable {
  package var compile: CompileOptions
  /// Samples in one run.
  package var batch = 1
  /// Images come as bytes.
  package var takesPixels = false
  /// Each run takes the weights as training has left them.
  package var isLive = false
  /// Nil for the model's own.
  package var optimizer: String?
  /// Extents of dimensions that the model leaves open.
  package var dimensions: [String: Int] = [:]
}

/// A model behind a handle.
package protocol LoadedModel: Sendable {
  /// The classes that it tells apart.
  var classes: [String] { get }
  func inference(_ options: SessionOptions) throws -> CompiledModel
  func training(_ options: SessionOptions) throws -> CompiledModel
  func save(to path: String) throws
}

/// The readers of model files, by ending.
package enum ModelFormats {
  package typealias Reader = @Sendable (String) throws -> any LoadedModel
  private static let further = Mutex<[(ending: String, read: Reader)]>([])

  /// Adds a format; before the first model is loaded.
  package static func register(_ ending: String, _ read: @escaping Reader) {
    further.withLock { $0.append((ending, read)) }
  }

  package static func reads(_ ending: String) -> Bool {
    ending.isEmpty || ending == ".mir" || further.withLock { $0.contains { $0.ending == ending } }
  }

  static func load(_ path: String) throws -> any LoadedModel {
    let readers = further.withLock { $0 }
    for (ending, read) in readers where path.hasSuffix(ending) { return try read(path) }
    if path.hasSuffix(".mir") { return GraphFile(model: try GraphModel(path)) }
    guard FileSystem.isDirectory(path) || !FileSystem.exists(path) else {
      throw DataError(
        .unsupported, "no model that this library reads", at: path, got: "a file",
        expected: "a model directory, "
          + ([".mir"] + readers.map(\.ending)).joined(separator: " or "))
    }
    let (manifest, weights) = try ModelDirectory.read(path)
    if manifest.name == TrainedRecipe.name {
      return SavedRecipeModel(trained: try TrainedRecipe(manifest, weights, at: path))
    }
    return SavedClassifier(classifier: try Classifier(manifest, weights, at: path))
  }
}

/// What a model was compiled to: a program, and where its inputs and outputs are.
package struct CompiledModel {
  package enum Source {
    /// The program's result of that number.
    case result(Int)
    /// Known since the model was compiled.
    case constant(NDArray)
  }
  package typealias Input = (name: String, type: TensorType)
  package typealias Output = (name: String, type: TensorType, source: Source)

  /// Nil where every output was known when the model was compiled.
  package let session: Session?
  package let inputs: [Input]
  package let outputs: [Output]
  /// Bools among the program's results, behind those of the outputs, that must be false after a run;
  /// and what it means that one is true.
  package var checks: [(result: Int, failure: Failure)] = []
  /// Of a training session; its last input is the learning rate.
  package var step: TrainingStep?

  package init(_ session: Session?, inputs: [Input], outputs: [Output]) {
    (self.session, self.inputs, self.outputs) = (session, inputs, outputs)
  }

  /// A program with its own names.
  package init(_ session: Session) {
    self.init(
      session, inputs: session.inputs.map { ($0.name, $0.type) },
      outputs: session.program.results.enumerated().map { ($1.name, $1.type, .result($0)) })
  }

  package init(_ step: TrainingStep) {
    self.init(step.session)
    self.step = step
  }
}

/// A model directory.
struct SavedClassifier: LoadedModel {
  let classifier: Classifier

  var classes: [String] { classifier.classes }

  func inference(_ options: SessionOptions) throws -> CompiledModel {
    CompiledModel(
      try classifier.prediction(
        batch: options.batch, pixels: options.takesPixels, live: options.isLive,
        options: options.compile
      ).session)
  }

  func training(_ options: SessionOptions) throws -> CompiledModel {
    return CompiledModel(
      try classifier.trainingStep(
        batch: options.batch, with: try Optimizers.named(options.optimizer ?? "adam"),
        pixels: options.takesPixels,
        options: options.compile))
  }

  func save(to path: String) throws { try classifier.save(to: path) }
}

/// A directory of a model that a recipe trained.
struct SavedRecipeModel: LoadedModel {
  let trained: TrainedRecipe

  var classes: [String] { trained.targets.first?.classes ?? [] }

  func inference(_ options: SessionOptions) throws -> CompiledModel {
    CompiledModel(
      try trained.inference(
        batch: options.batch, pixels: options.takesPixels, live: options.isLive, options.compile
      ).session)
  }

  func training(_ options: SessionOptions) throws -> CompiledModel {
    CompiledModel(
      try trained.trainingStep(
        batch: options.batch, with: try options.optimizer.map(Optimizers.named),
        pixels: options.takesPixels, options.compile))
  }

  func save(to path: String) throws { try trained.save(to: path) }
}

/// The optimizers that a caller may name.
enum Optimizers {
  static func named(_ name: String) throws -> any Optimizer {
    guard let optimizer = all[name] else {
      throw Failure(
        .badArgument, "no optimizer '\(name.prefix(100))'",
        hint: "there are " + all.keys.sorted().joined(separator: ", "))
    }
    return optimizer
  }

  private static let all: [String: any Optimizer] = [
    "sgd": SGD(), "momentum": Momentum(), "nesterov": Nesterov(), "adam": Adam(),
    "adamw": AdamW(), "nadam": NAdam(), "rmsprop": RMSProp(), "adagrad": AdaGrad(),
    "adadelta": Adadelta(), "lion": Lion(),
  ]
}

/// A `.mir` file.
struct GraphFile: LoadedModel {
  let model: GraphModel

  var classes: [String] { [] }

  func inference(_ options: SessionOptions) throws -> CompiledModel {
    guard options.batch == 1, !options.takesPixels, options.dimensions.isEmpty else {
      throw Failure(
        .unsupported, "a .mir file has its shapes and dtypes: leave batch, pixels and dimensions")
    }
    return CompiledModel(try Session(try model.program(options.compile)))
  }

  func training(_ options: SessionOptions) throws -> CompiledModel {
    throw Failure(
      .unsupported, "a graph from a .mir file cannot be trained",
      hint: "train a model directory, or write the training step as a graph")
  }

  func save(to path: String) throws {
    throw Failure(.unsupported, "a graph from a .mir file has no weights to save")
  }
}
