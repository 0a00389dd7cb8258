// martlet compile: a model as C files that any C compiler builds.

import ArgumentParser
import Martlet
import MartletExecution
import MartletExport
import MartletNN
import MartletONNX

struct CompileCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compile",
    abstract: "Write a model as C that needs no library: inference, or training too.",
    discussion: """
      MODEL is lenet5, mlp, resnet20, a model directory, an .onnx file, or a file of IR text (.mir). Writes NAME.h, NAME.c, \
      martlet_runtime.h, martlet_runtime.c, the weights, a Makefile and a CMakeLists.txt. With --train \
      the C trains: NAME_train_step, NAME_run on the parameters as they are, NAME_save and NAME_load. A \
      directory of a recipe's model trains as the recipe says; an .onnx file and the built-in models take \
      --loss and --optimizer. With --quantize int8 products run over bytes, scaled by what samples \
      show: images of the data that the model was trained on, or those of --calibrate.
      """)

  @Argument(help: "lenet5, mlp, a model directory, an .onnx or a .mir file.")
  var model: String
  @Option(
    name: [.customShort("o"), .customLong("output")],
    help: ArgumentHelp("The directory for the files.", valueName: "dir"))
  var output: String
  @Flag(help: "A training step and inference on the state that it updates.")
  var train = false
  @Option(help: "With --train, what is made small. (default: crossEntropy)")
  var loss: ExportLoss?
  @Option(help: "With --train, the rule of the update. (default: adam)")
  var optimizer: ExportOptimizer?
  @Option(help: "tile: calls of vector primitives; scalar: loops for an optimising compiler.")
  var form: Form = .tile
  @Option(help: ArgumentHelp("What the names of functions begin with.", valueName: "name"))
  var prefix: String?
  @Option(
    help: ArgumentHelp(
      "A size: batch=N; with --train, batch of the step and predict of inference.",
      valueName: "name=n"))
  var dim: [String] = []
  @Option(help: "embed: tables in C; file or mmap: one file beside.")
  var weights: Weights = .embed
  @Option(help: "int8: integer inference, with weights and activations of bytes.")
  var quantize: QuantizedType?
  @Option(
    help: ArgumentHelp("Samples of the input, [n, …] of float32.", valueName: "file.npy"))
  var calibrate: String?

  enum Form: String, CaseIterable, ExpressibleByArgument { case scalar, tile }
  enum Weights: String, CaseIterable, ExpressibleByArgument { case embed, file, mmap }

  private func dimensions() throws -> [String: Int] { try parseDimensions(dim, 1...65_536) }

  func validate() throws {
    _ = try dimensions()
    if output == "" { throw ValidationError("--output is empty: expected a directory") }
    if calibrate != nil, quantize == nil {
      throw ValidationError("--calibrate goes with --quantize int8")
    }
    if quantize != nil, train {
      throw ValidationError("--quantize is for inference: leave --train out")
    }
    guard train || loss == nil && optimizer == nil else {
      throw ValidationError("--loss and --optimizer go with --train")
    }
  }

  func run() throws {
    var sizes = try dimensions()
    if model.hasSuffix(".onnx") {
      try compileONNX(sizes)
      return
    }
    let model = try ModelArgument(model)
    let batch = sizes.removeValue(forKey: "batch")
    let predict = train ? sizes.removeValue(forKey: "predict") : nil
    if let unknown = sizes.keys.min() {
      throw ToolError(
        "--dim \(unknown): the model has no such dimension\nexpected: batch"
          + (train ? " or predict" : ""))
    }
    var options = try CompileOptions()
    if quantize != nil {
      options.quantization = try model.calibration(samples: calibrate, options)
    }
    var export = ExportOptions(name: prefix ?? model.exportName)
    export.form = form == .tile ? .tile : .scalar
    export.weights = ExportOptions.Weights(rawValue: weights.rawValue) ?? .embed
    export.summary =
      "\(model.exportName), "
      + (train ? "training and inference" : quantize == nil ? "inference" : "integer inference")
    switch model {
    case .layers(_, _, _, let manifest?):
      export.scaling = (manifest.mean, manifest.deviation)
      export.classes = manifest.classes
    case .recipe(let saved):
      if saved.manifest.inputShape.count == 3 {
        export.scaling = (saved.manifest.mean, saved.manifest.deviation)
      }
      if saved.trained.targets.count == 1 {
        export.classes = saved.trained.targets[0].classes ?? []
      }
    default: break
    }
    let (infer, step): (Program, Program?)
    if train {
      let programs = try trainingPrograms(
        model, batch: batch ?? 32, predict: predict ?? 1, options)
      (infer, step) = (programs.infer, programs.step)
    } else {
      (infer, step) = (try model.frozenProgram(batch: batch ?? 1, options), nil)
    }
    try write(infer, step, export)
  }

  /// Sizes are those of the file's symbolic dimensions.
  private func compileONNX(_ sizes: [String: Int]) throws {
    let onnx = try ONNXModel(contentsOf: model)
    var stem = FileSystem.split(model).last
    stem.removeLast(5)
    var export = ExportOptions(name: prefix ?? CNames.prefix(stem))
    export.form = form == .tile ? .tile : .scalar
    export.weights = ExportOptions.Weights(rawValue: weights.rawValue) ?? .embed
    export.summary =
      "\(stem), "
      + (train ? "training and inference" : quantize == nil ? "inference" : "integer inference")
    if train {
      let programs = try trainingPrograms(onnx: onnx, sizes)
      try write(programs.infer, programs.step, export)
      return
    }
    let values = try onnx.filled([:], dimensions: sizes, seed: 0)
    var options = try CompileOptions()
    if quantize != nil {
      guard let calibrate else {
        throw ToolError(
          "\(model): nothing to calibrate with\nhint: --calibrate FILE.npy holds samples of the input"
        )
      }
      let floating = try onnx.compile(known: values, options: options)
      guard let program = floating.session?.program else {
        throw ToolError("\(model): the outputs do not depend on the inputs")
      }
      options.quantization = try Calibration(of: program, over: try Npy.load(calibrate))
    }
    let compiled = try onnx.compile(known: values, options: options)
    if let input = compiled.specialisedInputs.first {
      throw ToolError("\(model): the graph depends on the values of the input '\(input)'")
    }
    guard let program = compiled.session?.program else {
      throw ToolError("\(model): the outputs do not depend on the inputs")
    }
    try write(program, nil, export)
  }

  /// A training step, and inference over the same state.
  private func trainingPrograms(
    _ argument: ModelArgument, batch: Int, predict: Int, _ options: CompileOptions
  ) throws -> (step: Program, infer: Program) {
    switch argument {
    case .graph(_, let file), .onnx(_, let file):
      throw ToolError(
        "\(file) is a graph whose weights are constants\n"
          + "hint: --train takes a built-in model, a model directory or an .onnx file")
    case .recipe(let saved):
      guard loss == nil, optimizer == nil else {
        throw ToolError(
          "\(model): the recipe says how the model trains\nhint: leave --loss and --optimizer out")
      }
      let trained = saved.trained
      return (
        try trained.trainingStep(batch: batch, with: nil, pixels: false, options).program,
        try trained.inference(batch: predict, pixels: false, live: true, options).program
      )
    case .layers(let layers, let architecture, let shape, _):
      let programs = try training(
        layers, name: architecture.name,
        input: { TensorSpec(Shape([$0] + shape), name: "images") }, batch: batch, predict: predict)
      return (programs.step, programs.infer)
    }
  }

  private func write(_ infer: Program, _ step: Program?, _ options: ExportOptions) throws {
    let files: [ExportedFile]
    do {
      files = try MartletExport.export(run: infer, train: step, options: options)
    } catch {
      throw ToolError(error.description)
    }
    try FileSystem.makeDirectory(output)
    for file in files { try FileSystem.write(file.bytes, to: FileSystem.join(output, file.name)) }
    for file in files {
      Output.line("\(FileSystem.join(output, file.name))  \(file.bytes.count) bytes")
    }
  }
}

extension ModelArgument {
  /// The name of the model for the names of exported functions.
  var exportName: String {
    switch self {
    case .graph(let model, _): CNames.prefix(model.graph.name)
    case .onnx(let model, _): CNames.prefix(model.name)
    case .recipe: "model"
    case .layers(_, let architecture, _, _): architecture.name
    }
  }

  /// The inference program with the weights as constants.
  func frozenProgram(batch: Int, _ options: CompileOptions) throws -> Program {
    switch self {
    case .graph, .onnx:
      return try program(batch: batch, training: false, options)
    case .recipe(let saved):
      return try saved.trained.inference(batch: batch, pixels: false, live: false, options).program
    case .layers(let model, let architecture, let input, _):
      var options = options
      options.name = architecture.name
      let images = TensorSpec(Shape([batch] + input), name: "images")
      return try ModelArgument.frozen(model, images, options).program
    }
  }

  /// Logits, or probabilities, with the weights as constants.
  static func frozen(
    _ model: some Layer, _ images: TensorSpec, _ options: CompileOptions,
    probabilities: Bool = false
  ) throws -> Function {
    try Martlet.compile(frozen: model, images, options: options) {
      probabilities ? softmax(model($0), axis: -1) : model($0)
    }
  }
}
