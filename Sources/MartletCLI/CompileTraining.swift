// martlet compile --train: which loss and which optimizer a training step is made with.

import ArgumentParser
import Martlet
import MartletExport
import MartletIR
import MartletONNX

/// A loss for `--loss`, under the names of recipes.
enum ExportLoss: String, CaseIterable, ExpressibleByArgument {
  case crossEntropy, binaryCrossEntropy, hinge, meanSquaredError, meanAbsoluteError, huber

  /// What a caller gives beside the inputs of a model with such outputs.
  func target(_ output: TensorType, of model: String) throws -> TensorSpec {
    guard output.dtype == .float32, output.shape.rank >= 2 else {
      throw ToolError(
        "\(model): a loss of outputs \(output)\n"
          + "expected: float32, an axis for the examples and one for the outputs")
    }
    guard self == .crossEntropy else { return TensorSpec(output.shape, name: "targets") }
    return TensorSpec(Shape(output.shape.dimensions.dropLast().map { $0 }), .int32, name: "labels")
  }

  func callAsFunction(_ outputs: Tensor, _ targets: Tensor) -> Tensor {
    switch self {
    case .crossEntropy: softmaxCrossEntropy(logits: outputs, labels: targets)
    case .binaryCrossEntropy: sigmoidCrossEntropy(logits: outputs, labels: targets)
    case .hinge: Martlet.hinge(outputs, targets)
    case .meanSquaredError: Martlet.meanSquaredError(outputs, targets)
    case .meanAbsoluteError: Martlet.meanAbsoluteError(outputs, targets)
    case .huber: Martlet.huber(outputs, targets)
    }
  }
}

/// An optimizer for `--optimizer`, with the decay rates that it has of itself.
enum ExportOptimizer: String, CaseIterable, ExpressibleByArgument {
  case sgd, momentum, nesterov, adagrad, rmsprop, adadelta, adam, adamw, nadam, lion

  var optimizer: any Optimizer {
    switch self {
    case .sgd: SGD()
    case .momentum: Momentum()
    case .nesterov: Nesterov()
    case .adagrad: AdaGrad()
    case .rmsprop: RMSProp()
    case .adadelta: Adadelta()
    case .adam: Adam()
    case .adamw: AdamW()
    case .nadam: NAdam()
    case .lion: Lion()
    }
  }
}

/// A training step, and inference over the state that it updates.
struct TrainingPrograms {
  var step: Program
  var infer: Program

  /// Of layers with inputs of a shape.
  init(
    _ model: some Layer, name: String, input: (_ batch: Int) -> TensorSpec, batch: Int,
    predict: Int, loss: ExportLoss, optimizer: some Optimizer, _ options: CompileOptions
  ) throws {
    var options = options
    options.name = name
    guard model.parameters.contains(where: \.isTrainable) else {
      throw ToolError("\(name): no weight of the model can be trained")
    }
    infer = try compile(input(predict), options: options) { model($0) }.program
    guard let output = infer.results.first?.type else {
      throw ToolError("\(name): the model has no output")
    }
    // The type for the step's own batch: losses are over rows.
    var extents = output.shape.dimensions
    guard let rows = extents.first, rows % predict == 0 else {
      throw ToolError(
        "\(name): the first axis of the outputs \(output) does not count examples\n"
          + "hint: leave --train out, or train the model before it is exported")
    }
    extents[0] = rows / predict * batch
    let target = try loss.target(TensorType(output.dtype, Shape(extents)), of: name)
    step = try compile(training: model, with: optimizer, input(batch), target, options: options) {
      loss(model($0), $1)
    }.program
  }
}

extension CompileCommand {
  /// The layers of an ONNX file as a model whose weights train.
  func trainingPrograms(onnx model: ONNXModel, _ sizes: [String: Int]) throws -> TrainingPrograms {
    var sizes = sizes
    let layer: ONNXLayer
    do {
      layer = try model.layer()
    } catch {
      throw ToolError("\(self.model): cannot be trained: \(error)")
    }
    let port = model.inputs[0]
    let batch = sizes.removeValue(forKey: "batch")
    let predict = sizes.removeValue(forKey: "predict")
    guard case .tensor(.float, let dimensions?) = port.kind else {
      throw ToolError(
        "\(self.model): cannot be trained on \(port)\nexpected: an input FLOAT with its axes")
    }
    var extents: [Int?] = []
    for (axis, dimension) in dimensions.enumerated() {
      switch dimension {
      case .fixed(let extent): extents.append(extent)
      case .symbolic(let name): extents.append(sizes.removeValue(forKey: name))
      default: extents.append(nil)
      }
      guard axis > 0, extents[axis] == nil else { continue }
      throw ToolError(
        "\(self.model): axis \(axis) of the input \(port) has no size\n"
          + "hint: --dim NAME=N where the file has a name for it")
    }
    if let unknown = sizes.keys.min() {
      throw ToolError(
        "--dim \(unknown): the model has no such dimension\nexpected: batch, predict or one of the file's"
      )
    }
    guard let first = extents.first else {
      throw ToolError("\(self.model): the input \(port) has no axis for the examples")
    }
    if let first, let other = [batch, predict].compactMap({ $0 }).first(where: { $0 != first }) {
      throw ToolError(
        "--dim: \(other) examples in a call, the file says \(first)\n"
          + "hint: export the model with a symbolic first axis")
    }
    let rest = extents.dropFirst().compactMap { $0 }
    return try training(
      layer, name: CNames.identifier(model.name),
      input: { TensorSpec(Shape([$0] + rest), name: port.name) }, batch: first ?? batch ?? 32,
      predict: first ?? predict ?? 1)
  }

  /// Existentials are opened here.
  func training(
    _ model: some Layer, name: String, input: (_ batch: Int) -> TensorSpec, batch: Int,
    predict: Int
  ) throws -> TrainingPrograms {
    func programs(_ rule: some Optimizer) throws -> TrainingPrograms {
      try TrainingPrograms(
        model, name: name, input: input, batch: batch, predict: predict,
        loss: loss ?? .crossEntropy, optimizer: rule, CompileOptions())
    }
    let rule: any Optimizer = (optimizer ?? .adam).optimizer
    return try programs(rule)
  }
}
