// martlet train: options, and what is printed around the run.

import ArgumentParser
import Martlet
import MartletData
import MartletPrograms
import MartletRecipes

extension OptimizerName: ExpressibleByArgument {}

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a model, or what a recipe describes, and save it.",
    discussion: """
      Without --data it trains on 4,000 digits of MNIST that are part of the tool. The last line \
      is the accuracy on the test images. Ctrl-C finishes the step, saves the model and exits \
      with code 130; with --checkpoints, the same command with --resume in its place goes on from \
      there and ends with the very weights of a run without the pause.

      --model FILE.onnx trains an imported model on --data, and writes the file again with the new \
      weights: `martlet predict`, `run` and `train` open it. --freeze leaves weights as they are, \
      --head puts a new last layer for the data's classes.
      """)

  @Argument(
    help: ArgumentHelp(
      "lenet5, mlp, resnet20, char-lm, sentiment, forecast, a recipe's file, or the name of a built-in recipe.",
      valueName: "model"))
  var name: String?
  @Option(help: ArgumentHelp("Passes over the training images.", valueName: "n"))
  var epochs: Int?
  @Option(help: ArgumentHelp("Images in a batch.", valueName: "n"))
  var batch: Int?
  @Option(
    help:
      "The update rule: sgd, momentum or adam; for recipes and ONNX files any that recipes know.")
  var optimizer: String?
  @Option(help: ArgumentHelp("The learning rate.", valueName: "x"))
  var lr: Double?
  @Option(help: ArgumentHelp("Makes initial weights, order and augmentation.", valueName: "n"))
  var seed: UInt64?
  @Option(help: ArgumentHelp("Threads; all processors if not given.", valueName: "n"))
  var threads: Int?
  @Option(
    help: ArgumentHelp(
      "mnist5k, digits, fashion-mnist, or a directory with IDX files; for char-lm hamlet or a text; "
        + "for ONNX files also a folder of images, FILE.csv, FILE.npz, iris, wine, breast-cancer or "
        + "diabetes.",
      valueName: "name|dir"))
  var data: String?
  @Option(
    help: ArgumentHelp(
      "The model directory to write; MODEL.martlet if not given.", valueName: "dir"))
  var output: String?
  @Option(
    help: ArgumentHelp(
      "The share of the training images to hold out and measure after each epoch.", valueName: "x"))
  var validation: Double?
  @Option(
    help: ArgumentHelp(
      "Stop after this many epochs without a lower validation loss; keep the best weights.",
      valueName: "n"))
  var patience: Int?
  @Option(help: ArgumentHelp("A directory for checkpoints.", valueName: "dir"))
  var checkpoints: String?
  @Option(
    help: ArgumentHelp(
      "Steps from one checkpoint to the next; an epoch if not given.", valueName: "n"))
  var checkpointEvery: Int?
  @Option(
    help: ArgumentHelp(
      "Go on from the newest checkpoint in this directory, and write the next ones there.",
      valueName: "dir"))
  var resume: String?
  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "A value of a recipe, such as optimizer.adam.beta1=0.8, or of a program, such as hidden=512; "
        + "may be repeated.",
      valueName: "path=value"))
  var overrides: [String] = []
  @Option(help: "Of char-lm: lstm, gru, rnn or transformer.")
  var cell: SequenceCell?
  @Option(
    name: .customLong("model"),
    help: ArgumentHelp(
      "An ONNX file that is trained further; of sentiment: average or lstm.", valueName: "file.onnx"
    ))
  var modelOption: String?
  @OptionGroup(title: "Options for ONNX files") var imported: ImportedOptions
  @Flag(help: .hidden)
  var trial = false

  private static let programs = ["char-lm", "sentiment", "forecast"]
  private var model: String { name ?? modelOption ?? "" }
  private var isImported: Bool { model.hasSuffix(".onnx") }
  private var body: SentimentBody? { modelOption.flatMap { SentimentBody(rawValue: $0) } }
  private var isProgram: Bool { TrainCommand.programs.contains(model) }

  private var isRecipe: Bool {
    model.hasSuffix(".yaml") || model.hasSuffix(".yml")
      || BuiltInRecipes.all.contains { $0.name == model }
  }

  func validate() throws {
    guard name != nil || modelOption != nil else {
      throw ValidationError("a model is missing: lenet5, a recipe, --model FILE.onnx, …")
    }
    if name == nil || isImported { try checkImported() }
    try imported.check(isImported: isImported)
    guard isRecipe || isProgram || isImported || Architecture.names.contains(model) else {
      throw ValidationError(
        "unknown model '\(model)'; expected \(Architecture.names.joined(separator: ", ")), "
          + "\(TrainCommand.programs.joined(separator: ", ")), a recipe's file (.yaml), or one of "
          + "`martlet recipes`")
    }
    if let modelOption, name != nil, body == nil || model != "sentiment" {
      throw ValidationError(
        "--model \(modelOption): an ONNX file stands alone, and sentiment takes average or lstm")
    }
    if let optimizer, !isRecipe, !isImported, OptimizerName(rawValue: optimizer) == nil {
      throw ValidationError(
        "--optimizer \(optimizer): expected "
          + OptimizerName.allCases.map(\.rawValue).joined(separator: ", "))
    }
    if cell != nil, model != "char-lm" { throw ValidationError("--cell is for char-lm") }
    if isProgram, optimizer != nil || validation != nil {
      throw ValidationError(
        "\(model) takes --epochs, --batch, --lr, --seed, --threads, --data, --output, --set, "
          + "--checkpoints and --resume")
    }
    if let wrong = overrides.first(where: { Override($0) == nil }) {
      throw ValidationError("--set \(wrong): expected path=value")
    }
    if !overrides.isEmpty, !isRecipe, !isProgram, !isImported {
      throw ValidationError("--set is for recipes, char-lm, sentiment and forecast")
    }
    if let epochs, !(1...100_000).contains(epochs) {
      throw ValidationError("--epochs \(epochs): expected 1 to 100000")
    }
    if let batch, !(1...65_536).contains(batch) {
      throw ValidationError("--batch \(batch): expected 1 to 65536")
    }
    if let lr, !(lr > 0 && lr.isFinite && lr <= 1e3) {
      throw ValidationError("--lr \(lr): expected a number above 0, at most 1000")
    }
    if let threads, !(1...256).contains(threads) {
      throw ValidationError("--threads \(threads): expected 1 to 256")
    }
    if data == "" { throw ValidationError("--data is empty: expected a name or a directory") }
    if let validation, !(validation > 0 && validation <= 0.9) {
      throw ValidationError("--validation \(validation): expected a share above 0, at most 0.9")
    }
    if let patience, !(1...100_000).contains(patience) {
      throw ValidationError("--patience \(patience): expected 1 to 100000")
    }
    if patience != nil, validation == nil {
      throw ValidationError("--patience needs images to validate on: --validation 0.1")
    }
    if let checkpointEvery, !(1...1_000_000_000).contains(checkpointEvery) {
      throw ValidationError("--checkpoint-every \(checkpointEvery): expected 1 or more")
    }
    if checkpoints != nil, resume != nil {
      throw ValidationError(
        "--resume names the directory of the checkpoints; leave --checkpoints out")
    }
    if checkpoints == "" || resume == "" {
      throw ValidationError("a directory for checkpoints without a name")
    }
    if checkpointEvery != nil, checkpoints == nil, resume == nil {
      throw ValidationError("--checkpoint-every needs --checkpoints DIR or --resume DIR")
    }
    if output == "" { throw ValidationError("--output is empty: expected a directory") }
  }

  private func checkImported() throws {
    guard isImported else {
      throw ValidationError("--model \(modelOption ?? ""): expected FILE.onnx")
    }
    guard data != nil else {
      throw ValidationError("--data is missing: what is \(model) to be trained on?")
    }
  }

  func run() throws {
    if isImported || isRecipe { return try trainRecipe() }
    if isProgram { return try trainProgram() }
    let data = data ?? "mnist5k"
    // Before the work, not after it.
    let output = output ?? "\(model).martlet"
    let saved = try resume.map { try Checkpoint($0) }
    let seed = seed ?? saved?.seed ?? 0
    try ModelDirectory.check(output)
    let dataset = try Dataset.named(data)
    let shape = [dataset.train.height, dataset.train.width, dataset.train.channels]
    guard
      let architecture = try Architecture.named(
        model, input: shape, classes: dataset.classCount)
    else { throw ValidationError("unknown model '\(model)'") }

    var recipe = Recipe(dataset: dataset)
    if let epochs { recipe.epochs = epochs }
    if let batch { recipe.batch = batch }
    if let optimizer = optimizer.flatMap({ OptimizerName(rawValue: $0) }) {
      recipe.optimizer = optimizer
    }
    let rate = lr ?? recipe.optimizer.defaultLearningRate
    var options = try CompileOptions()
    options.seed = seed
    if let threads { options.threads = threads }

    let run = try TrainingRun(
      architecture: architecture, dataset: dataset, recipe: recipe, learningRate: rate,
      validation: validation, stopping: patience.map { EarlyStopping(patience: $0) },
      checkpoints: policy, options: options)
    let trainer = run.trainer
    printHead(trainer, dataset, recipe, rate, options)
    if let resume {
      try trainer.resume(from: resume)
      Output.line("resumed  \(resume), after \(grouped(trainer.history.steps)) steps")
    }
    Interruption.watch()
    let history = try trainer.run()

    var notes: [JSONValue.Member] = [
      .init("data", .string(dataset.name)), .init("seed", .string(String(seed))),
      .init("epochs", .integer(history.epochs.count)),
    ]
    let accuracy = history.outcome == .interrupted ? nil : try run.testAccuracy()
    if let accuracy { notes.append(.init("test accuracy", .number(accuracy))) }
    try SavedModel.write(
      trainer.model, architecture, inputShape: shape, mean: run.scaling.mean,
      deviation: run.scaling.deviation, classes: dataset.classNames, notes: notes, to: output)
    guard let accuracy else {
      Output.line(
        "interrupted after \(grouped(history.steps)) steps; the model is in \(output)"
          + (history.checkpoint.map { ", the checkpoint in \($0)" } ?? ""))
      throw ExitCode(130)
    }
    if case .stopped(let reason) = history.outcome { Output.line("stopped: \(reason)") }
    Output.line("trained in \(fixed(history.seconds, 1)) s; the model is in \(output)")
    Output.line("test accuracy: \(fixed(accuracy * 100, 2)) %")
  }

  /// Where checkpoints go: those of a run that is resumed beside the others.
  private var policy: CheckpointPolicy? {
    (resume ?? checkpoints).map {
      CheckpointPolicy($0, every: checkpointEvery.map { .steps($0) } ?? .epochs(1))
    }
  }

  private func trainProgram() throws {
    // A run goes on with the seed that it began with.
    let seed = try seed ?? resume.map { try Checkpoint($0).seed } ?? 0
    var options = try CompileOptions()
    options.seed = seed
    if let threads { options.threads = threads }
    var values: [(name: String, text: String)] = []
    if let epochs { values.append(("epochs", "\(epochs)")) }
    if let batch { values.append(("batch", "\(batch)")) }
    if let lr { values.append(("learningRate", "\(lr)")) }
    for text in overrides {
      let parts = text.split(separator: "=", maxSplits: 1)
      if parts.count == 2 { values.append((String(parts[0]), String(parts[1]))) }
    }
    let given = ProgramOptions(
      seed: seed, values: values, data: data, output: output ?? "\(model).martlet", cell: cell,
      body: body, compile: options, checkpoints: policy, resume: resume)
    switch model {
    case "sentiment": try SentimentProgram.train(given)
    case "forecast": try ForecastProgram.train(given)
    default: try CharacterProgram.train(given)
    }
  }

  /// The flags as values of the recipe.
  private func trainRecipe() throws {
    var all: [Override] = []
    func set(_ path: String, _ value: String?) {
      if let value { all.append(Override(path, .scalar(value, isPlain: true))) }
    }
    set("epochs", epochs.map { "\($0)" })
    set("batch", batch.map { "\($0)" })
    set("seed", seed.map { "\($0)" })
    set("optimizer", optimizer)
    if !isImported { set("data.source", data.map { $0 == "fashion-mnist" ? "fashionMNIST" : $0 }) }
    set("data.split.validation", validation.map { "\($0)" })
    set("callbacks.earlyStopping.patience", patience.map { "\($0)" })
    set("callbacks.checkpoints.directory", resume ?? checkpoints)
    if checkpointEvery != nil {
      throw ValidationError("a recipe's checkpoints come by epochs: callbacks.checkpoints.every")
    }
    all += overrides.compactMap { Override($0) }
    try RecipeTraining(
      model: model,
      document: isImported ? imported.document(model: model, data: data ?? "") : nil,
      overrides: all, learningRate: lr, threads: threads, output: output,
      isTrial: trial, resume: resume
    ).run()
  }

  private func printHead(
    _ trainer: Trainer, _ dataset: Dataset, _ recipe: Recipe, _ rate: Double,
    _ options: CompileOptions
  ) {
    let train = dataset.train
    let report = trainer.step.program.report
    let parameters = trainer.model.parameters.reduce(0) { $0 + $1.type.count }
    Output.line("model    \(model), \(grouped(parameters)) parameters")
    Output.line(
      "data     \(dataset.name): \(grouped(train.count)) + \(grouped(dataset.test.count)) images "
        + "of \(train.height) × \(train.width) × \(train.channels), \(dataset.classCount) classes")
    Output.line(
      "recipe   \(recipe.optimizer.rawValue), learning rate \(rate) (\(recipe.decay.rawValue)), "
        + "batch \(recipe.batch), \(recipe.epochs) epochs, seed \(options.seed), "
        + "\(recipe.augmentation == nil ? "no augmentation" : "augmentation"), "
        + "\(options.threads) threads")
    let stages = [
      ("trace", report.traceMilliseconds), ("differentiate", report.differentiateMilliseconds),
      ("passes", report.passesMilliseconds), ("C", report.emitMilliseconds),
      (options.backend.rawValue, report.machineCodeMilliseconds),
    ]
    let total = stages.reduce(0) { $0 + $1.1 }
    Output.line(
      "compile  \(fixed(total, 1)) ms: "
        + stages.map { "\($0.0) \(fixed($0.1, 1))" }.joined(separator: ", ")
        + "; \(report.tracedNodes) nodes → \(report.kernels) kernels, \(bytes(report.sourceBytes)) of C"
    )
    Output.line(
      "memory   arena \(bytes(report.arenaBytes)) (lower bound \(bytes(report.arenaLowerBound))), "
        + "state \(bytes(report.stateBytes)), scratch \(bytes(report.scratchBytes)) a thread")
    Output.line("work     \(flops(report.flops)) a step")
  }
}
