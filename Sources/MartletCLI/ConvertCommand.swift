// martlet convert: models to ONNX or safetensors.

import ArgumentParser
import Martlet
import MartletIR
import MartletNN
import MartletONNX
import MartletRecipes

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Write a model as ONNX or safetensors.",
    discussion: """
      MODEL is an .onnx file or a model directory. An .onnx output holds the model for inference in \
      operator set 21, for batches of any size (or one of --batch; of an .onnx file for the \
      dimensions of --dim); a .safetensors output holds its weights alone. With --weights the model's \
      own are replaced first, by those that PyTorch saved, say; an output without an ending is a model \
      directory with them.
      """)

  @Argument(help: "An .onnx file, a model directory, lenet5 or mlp.")
  var model: String
  @Option(
    name: .shortAndLong, help: ArgumentHelp("FILE.onnx or FILE.safetensors.", valueName: "file"))
  var output: String
  @Option(help: ArgumentHelp("Examples in a batch; any number if not given.", valueName: "n"))
  var batch: Int?
  @Option(help: ArgumentHelp("A symbolic dimension of an .onnx file.", valueName: "name=n"))
  var dim: [String] = []
  @Option(
    help: ArgumentHelp(
      "Names and orders of axes of a .safetensors file: martlet, or pytorch.", valueName: "name"))
  var layout = "martlet"
  @Option(
    help: ArgumentHelp(
      "Weights in place of those of a model directory.", valueName: "file.safetensors"))
  var weights: String?
  @Option(
    help: ArgumentHelp(
      "Names and orders of axes of --weights: martlet, or pytorch.", valueName: "name"))
  var weightsLayout = "martlet"
  @OptionGroup var limits: LimitOptions

  /// A model directory is written where weights came from elsewhere.
  private var writesDirectory: Bool {
    let ending = output.hasSuffix(".martlet") || !FileSystem.split(output).last.contains(".")
    return weights != nil && ending
  }

  func validate() throws {
    guard output.hasSuffix(".onnx") || output.hasSuffix(".safetensors") || writesDirectory else {
      throw ValidationError(
        "--output \(output): expected FILE.onnx or FILE.safetensors"
          + (weights == nil ? "" : ", or a model directory NAME.martlet"))
    }
    guard ["martlet", "pytorch"].contains(weightsLayout) else {
      throw ValidationError("--weights-layout \(weightsLayout): expected martlet or pytorch")
    }
    if let batch, !(1...65_536).contains(batch) {
      throw ValidationError("--batch \(batch): expected 1 to 65536")
    }
    guard layout == "martlet" || (layout == "pytorch" && output.hasSuffix(".safetensors")) else {
      throw ValidationError(
        "--layout \(layout): expected martlet, or for FILE.safetensors pytorch")
    }
    _ = try parseDimensions(dim)
    if isONNX {
      if batch != nil {
        throw ValidationError("--batch is for model directories; an .onnx file takes --dim NAME=N")
      }
      if weights != nil {
        throw ValidationError("--weights goes with a model directory: an .onnx file holds its own")
      }
      if layout != "martlet" {
        throw ValidationError(
          "--layout is for model directories: an .onnx file has names of its own")
      }
    } else if !dim.isEmpty {
      throw ValidationError("--dim is for .onnx files; a model directory takes --batch N")
    }
  }

  private var isONNX: Bool { model.hasSuffix(".onnx") && !FileSystem.isDirectory(model) }

  func run() throws {
    let writesWeights = output.hasSuffix(".safetensors")
    if isONNX {
      let source = try ONNXModel(contentsOf: model, limits: limits.limits)
      if writesWeights {
        return try save(try source.initializers(), source.name)
      }
      return try ONNXExport(source, dimensions: parseDimensions(dim)).write(to: output)
    }
    let argument = try ModelArgument(model)
    if case .recipe(let saved) = argument {
      try replaceWeights(of: saved.problem.model)
      guard !writesDirectory else {
        return try ModelDirectory.write(
          saved.manifest, own(saved.problem.model), metadata: ["format": "martlet"], to: output)
      }
      return try convert(saved)
    }
    guard case .layers(let layers, let architecture, let input, let saved) = argument
    else { throw ToolError("\(model): a graph has no names of layers; give a model directory") }
    try replaceWeights(of: layers)
    if writesDirectory {
      guard let saved else {
        throw ToolError(
          "\(model): a model directory is made of another; give one, or an .onnx output")
      }
      return try ModelDirectory.write(
        saved, own(layers), metadata: ["format": "martlet"], to: output)
    }
    if writesWeights {
      return try save(weights(of: layers), architecture.name)
    }
    // Looking at the parameters names them after their layers.
    _ = layers.parameters
    var options = try CompileOptions()
    options.name = architecture.name
    func program(_ batch: Int) throws -> Program {
      try Martlet.compile(
        TensorSpec(Shape([batch] + input), name: "images"), options: options
      ) { layers($0) }.program
    }
    var metadata: [String: String] = [:]
    if let saved {
      metadata["classes"] = saved.classes.joined(separator: "\n")
      metadata["mean"] = "\(saved.mean)"
      metadata["deviation"] = "\(saved.deviation)"
    }
    try write(["logits"], metadata, program)
  }

  /// The program for the batch that was asked for, or for any.
  private func write(
    _ outputs: [String], _ metadata: [String: String], _ program: (Int) throws -> Program
  ) throws {
    if let batch {
      return try ONNXExport(program(batch), outputs: outputs, metadata: metadata).write(to: output)
    }
    do {
      try ONNXExport(
        program(2), program(3), batches: (2, 3), outputs: outputs, metadata: metadata
      ).write(to: output)
    } catch var error as ONNXError {
      if error.hint.isEmpty { error.hint = "--batch N writes it for one size" }
      throw error
    }
  }

  /// A model of a recipe: an output for each task, and what `martlet predict` wants to know.
  private func convert(_ saved: SavedRecipe) throws {
    if output.hasSuffix(".safetensors") {
      return try save(weights(of: saved.problem.model), saved.recipe.name)
    }
    let tasks = saved.problem.tasks
    let text = String(decoding: try saved.manifest.encoded(file: model), as: UTF8.self)
    try write(
      tasks.map { $0.name.isEmpty ? "output" : $0.name }, [ImportedModel.property: text]
    ) { try saved.program(batch: $0, training: false, CompileOptions()) }
  }

  private func weights(of model: any Layer) throws -> [NamedArray] {
    layout == "pytorch" ? try model.pyTorchWeights() : try own(model)
  }

  private func own(_ model: any Layer) throws -> [NamedArray] {
    try model.parameters.map { NamedArray($0.path, try $0.value()) }
  }

  /// Loads `--weights`; all of the model's have to be there, and no others.
  private func replaceWeights(of model: any Layer) throws {
    guard let weights else { return }
    let arrays = try Safetensors.load(weights)
    let report =
      weightsLayout == "pytorch" ? try model.load(pyTorch: arrays) : try model.load(arrays)
    guard report.isComplete else {
      throw ToolError("\(weights) does not hold the weights of \(model)\n\(report)")
    }
  }

  private func save(_ weights: [NamedArray], _ name: String) throws {
    try Safetensors.save(
      weights, metadata: ["format": "martlet", "name": printable(name)], to: output)
  }
}
