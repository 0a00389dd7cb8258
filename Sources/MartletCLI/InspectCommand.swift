// martlet inspect: the stages between a model and its machine code, as text.

import ArgumentParser
import Martlet

enum InspectedStage: String, CaseIterable, ExpressibleByArgument {
  case trace, optimized, fused, plan, c

  var stage: Program.Stage {
    switch self {
    case .trace: .trace
    case .optimized: .optimized
    case .fused: .fused
    case .plan: .plan
    case .c: .c
    }
  }
}

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Print a stage of a model's way to machine code.",
    discussion: """
      MODEL is lenet5, mlp, a model directory, a file of IR text (.mir) or an ONNX model (.onnx), whose \
      symbolic dimensions --dim binds. Stages: trace, optimized, fused, plan, c.
      """)

  @Argument(help: "lenet5, mlp, a model directory or a .mir file.")
  var model: String
  @Option(help: "trace, optimized, fused, plan or c.")
  var stage: InspectedStage = .optimized
  @Option(help: ArgumentHelp("Write the optimised graph for Graphviz.", valueName: "file"))
  var dot: String?
  @Option(help: ArgumentHelp("A symbolic dimension of an ONNX model.", valueName: "name=n"))
  var dim: [String] = []
  @Flag(help: "The training step (the recipe's, else Adam's) instead of inference.")
  var training = false
  @Option(help: ArgumentHelp("Images in a batch.", valueName: "n"))
  var batch: Int?
  @Option(help: ArgumentHelp("Most bytes that the arena may take.", valueName: "bytes"))
  var memoryBudget: Int?

  func validate() throws {
    if let memoryBudget, memoryBudget < 0 {
      throw ValidationError("--memory-budget \(memoryBudget): expected 0 or more")
    }
    if let batch, !(1...65_536).contains(batch) {
      throw ValidationError("--batch \(batch): expected 1 to 65536")
    }
    _ = try parseDimensions(dim)
    if !dim.isEmpty, !model.hasSuffix(".onnx") {
      throw ValidationError("--dim is for .onnx files; other models take --batch N")
    }
    if batch != nil, model.hasSuffix(".onnx") || model.hasSuffix(".mir") {
      throw ValidationError("--batch is for models of layers; an .onnx file takes --dim NAME=N")
    }
  }

  func run() throws {
    var options = try CompileOptions()
    options.memoryBudget = memoryBudget
    let program = try ModelArgument(model).program(
      batch: batch ?? (training ? 64 : 1), training: training,
      dimensions: parseDimensions(dim), options)
    if let dot {
      try FileSystem.write(Array(program.dump(.dot).utf8), to: dot)
    }
    let text = program.dump(stage.stage)
    Output.write(text.hasSuffix("\n") ? text : text + "\n", to: 1)
  }
}
