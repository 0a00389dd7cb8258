// martlet convert: models to ONNX or safetensors.

import ArgumentParser
import Martlet
import MartletIR
import MartletONNX

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Write a model as ONNX or safetensors.",
    discussion: """
      MODEL is an .onnx file or a model directory. An .onnx output holds the model for inference in \
      operator set 21, for a batch of --batch images (or the dimensions of --dim); a .safetensors \
      output holds its weights alone.
      """)

  @Argument(help: "An .onnx file, a model directory, lenet5 or mlp.")
  var model: String
  @Option(
    name: .shortAndLong, help: ArgumentHelp("FILE.onnx or FILE.safetensors.", valueName: "file"))
  var output: String
  @Option(help: ArgumentHelp("Images in a batch.", valueName: "n"))
  var batch = 1
  @Option(help: ArgumentHelp("A symbolic dimension of an .onnx file.", valueName: "name=n"))
  var dim: [String] = []
  @OptionGroup var limits: LimitOptions

  func validate() throws {
    guard output.hasSuffix(".onnx") || output.hasSuffix(".safetensors") else {
      throw ValidationError("--output \(output): expected FILE.onnx or FILE.safetensors")
    }
    if !(1...65_536).contains(batch) {
      throw ValidationError("--batch \(batch): expected 1 to 65536")
    }
    _ = try parseDimensions(dim)
  }

  func run() throws {
    let writesWeights = output.hasSuffix(".safetensors")
    if model.hasSuffix(".onnx"), !FileSystem.isDirectory(model) {
      let source = try ONNXModel(contentsOf: model, limits: limits.limits)
      if writesWeights {
        return try save(try source.initializers(), source.name)
      }
      return try ONNXExport(source, dimensions: parseDimensions(dim)).write(to: output)
    }
    guard
      case .layers(let layers, let architecture, let input, let saved) = try ModelArgument(model)
    else { throw ToolError("\(model): a graph has no names of layers; give a model directory") }
    if writesWeights {
      var weights: [NamedArray] = []
      for parameter in layers.parameters {
        weights.append(NamedArray(parameter.path, try parameter.value()))
      }
      return try save(weights, architecture.name)
    }
    // Looking at the parameters names them after their layers.
    _ = layers.parameters
    var options = try CompileOptions()
    options.name = architecture.name
    let images = TensorSpec(Shape([batch] + input), name: "images")
    let program = try Martlet.compile(images, options: options) { layers($0) }.program
    var metadata: [String: String] = [:]
    if let saved {
      metadata["classes"] = saved.classes.joined(separator: "\n")
      metadata["mean"] = "\(saved.mean)"
      metadata["deviation"] = "\(saved.deviation)"
    }
    try ONNXExport(program, outputs: ["logits"], metadata: metadata).write(to: output)
  }

  private func save(_ weights: [NamedArray], _ name: String) throws {
    try Safetensors.save(
      weights, metadata: ["format": "martlet", "name": printable(name)], to: output)
  }
}
