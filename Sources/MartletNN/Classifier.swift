// A model from a directory, for programs that use models and do not define them.

import MartletExecution
import MartletIR
import MartletOps

/// A classifier read from a model directory, as `martlet train lenet5` saves it.
///
///     let digits = try Classifier(directory: "lenet5.martlet")
///     let predict = try digits.prediction(batch: 8, pixels: true)
///     let results = try predict.run([images])      // logits, probabilities
public struct Classifier: Sendable {
  private let saved: SavedModel

  /// Reads the directory. Throws a `DataError` for what is no model, or a damaged one.
  public init(directory: String) throws { saved = try SavedModel(directory) }

  /// A classifier from the content of its directory.
  package init(_ manifest: ModelManifest, _ weights: [NamedArray], at path: String) throws {
    saved = try SavedModel(manifest, weights, at: path)
  }

  /// The architecture's name.
  public var name: String { saved.architecture.name }
  /// The classes in the order of the outputs.
  public var classes: [String] { saved.manifest.classes }
  /// The shape of one input, without the batch axis.
  public var inputShape: [Int] { saved.manifest.inputShape }
  /// The layers with their weights.
  public var model: any Layer { saved.model }

  /// The input of the programs: `images`, or `input` when a sample is no image.
  private func input(_ batch: Int, _ pixels: Bool) throws -> TensorSpec {
    guard !pixels || inputShape.count == 3 else {
      throw RunError(
        .input, "pixels: the model takes inputs of shape \(inputShape), not images", at: name)
    }
    return TensorSpec(
      Shape([batch] + inputShape), pixels ? .uint8 : .float32,
      name: inputShape.count == 3 ? "images" : "input")
  }

  /// The input as the model was trained on it: bytes are scaled.
  private func scaled(_ x: Tensor) -> Tensor {
    guard x.dtype == .uint8 else { return x }
    let (mean, deviation) = (Double(saved.manifest.mean), Double(saved.manifest.deviation))
    return (x.converted(to: .float32) / 255 - mean) / deviation
  }

  /// Compiles the model for inference: `[batch, …] → logits, probabilities`, both `[batch, classes]`.
  ///
  /// - Parameters:
  ///   - pixels: the input is `uint8`, 0 … 255, scaled inside as in training; else `float32`, scaled
  ///     already.
  ///   - live: each run takes the weights as training has left them; else they are folded into the
  ///     program as they are now, which runs faster.
  public func prediction(
    batch: Int = 1, pixels: Bool = false, live: Bool = false, options: CompileOptions? = nil
  ) throws -> Function {
    let model = saved.model
    let frozen = live ? [:] : try frozenValues(of: model)
    return try Function(
      specs: [try input(batch, pixels)], options: try named(options), isTraining: false
    ) { trace, inputs in
      if !frozen.isEmpty { trace.frozen = frozen }
      let logits = model(scaled(inputs[0]))
      return [("logits", logits), ("probabilities", softmax(logits, axis: -1))]
    }
  }

  /// Compiles one training step of (input, labels `i32[batch]`): the loss is the mean cross entropy.
  public func trainingStep(
    batch: Int, with optimizer: some Optimizer, pixels: Bool = false,
    options: CompileOptions? = nil
  ) throws -> TrainingStep {
    func step(_ model: some Layer) throws -> TrainingStep {
      try compile(
        training: model, with: optimizer, try input(batch, pixels),
        TensorSpec([batch], .int32, name: "labels"), options: try named(options)
      ) { x, labels in softmaxCrossEntropy(logits: model(scaled(x)), labels: labels) }
    }
    return try step(saved.model)
  }

  /// Writes the model with its present weights, in place of a model that is there, in one step.
  public func save(to directory: String) throws {
    let manifest = saved.manifest
    func write(_ model: some Layer) throws {
      try SavedModel.write(
        model, saved.architecture, inputShape: manifest.inputShape, mean: manifest.mean,
        deviation: manifest.deviation, classes: manifest.classes, notes: manifest.notes,
        to: directory)
    }
    try write(saved.model)
  }

  private func named(_ options: CompileOptions?) throws -> CompileOptions {
    var options = try options ?? CompileOptions()
    options.name = name
    return options
  }
}
