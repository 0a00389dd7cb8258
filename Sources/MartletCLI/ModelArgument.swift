// What MODEL on the command line stands for: a name, a model directory, a file of IR text.

import Martlet
import MartletIR
import MartletONNX
import MartletRecipes

enum ModelArgument {
  case layers(any Layer, Architecture, input: [Int], saved: ModelManifest?)
  case recipe(SavedRecipe)
  case graph(GraphModel, file: String)
  case onnx(ONNXModel, file: String)

  init(_ text: String) throws {
    // A name wins over a directory of the same name: ./lenet5 says the directory.
    if let architecture = try Architecture.named(text, input: [28, 28, 1], classes: 10) {
      self = .layers(architecture.build(), architecture, input: [28, 28, 1], saved: nil)
    } else if text.hasSuffix(".mir") {
      self = .graph(try GraphModel(text), file: text)
    } else if text.hasSuffix(".onnx") {
      self = .onnx(try ONNXModel(contentsOf: text), file: text)
    } else if FileSystem.isDirectory(text) {
      let (manifest, weights) = try ModelDirectory.read(text)
      if manifest.name == SavedRecipe.name {
        self = .recipe(try SavedRecipe(manifest, weights, at: text))
        return
      }
      let saved = try SavedModel(manifest, weights, at: text)
      self = .layers(
        saved.model, saved.architecture, input: saved.manifest.inputShape, saved: saved.manifest)
    } else {
      throw DataError(
        .notFound, "no such model", at: text,
        expected:
          "\(Architecture.names.joined(separator: ", ")), a model directory, a .mir or an .onnx file"
      )
    }
  }

  /// The compiled program: inference, or with `training` one step with Adam.
  func program(
    batch: Int, training: Bool, dimensions: [String: Int] = [:], _ options: CompileOptions
  ) throws -> Program {
    switch self {
    case .graph(let graph, let file):
      guard !training else {
        throw ToolError(
          "\(file) is a graph already; --training goes with a model's name or directory")
      }
      return try graph.program(options)
    case .onnx(let model, let file):
      guard !training else {
        throw ToolError("\(file) is a graph for inference; --training goes with a model's name")
      }
      let program = try model.compile(dimensions: dimensions, options: options)
      guard let session = program.session else {
        throw ToolError("\(file) computes nothing: its outputs are constants")
      }
      return session.program
    case .recipe(let saved):
      return try saved.program(batch: batch, training: training, options)
    case .layers(let model, let architecture, let input, _):
      var options = options
      options.name = architecture.name
      let images = TensorSpec(Shape([batch] + input), name: "images")
      guard training else {
        return try Martlet.compile(images, options: options) { model($0) }.program
      }
      return try ModelArgument.trainingProgram(model, images, batch: batch, options)
    }
  }

  private static func trainingProgram(
    _ model: some Layer, _ images: TensorSpec, batch: Int, _ options: CompileOptions
  ) throws -> Program {
    try Martlet.compile(
      training: model, with: Adam(), images, TensorSpec([batch], .int32, name: "labels"),
      options: options
    ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }.program
  }
}
