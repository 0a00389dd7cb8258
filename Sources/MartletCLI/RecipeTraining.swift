// martlet train RECIPE: what is printed around the run, and for a trial of a search what its parent
// reads.

import ArgumentParser
import Martlet
import MartletData
import MartletRecipes
import MartletTraining

struct RecipeTraining {
  var model: String
  /// The recipe, where it is no file and no built-in one.
  var document: YAMLNode?
  var overrides: [Override]
  var learningRate: Double?
  var threads: Int?
  var output: String?
  var isTrial = false
  var resume: String?

  /// The recipe of that name or file, with the command line's values in place.
  static func recipe(_ model: String, _ overrides: [Override]) throws -> MartletRecipes.Recipe {
    if let builtIn = try BuiltInRecipes.recipe(model, overrides: overrides) { return builtIn }
    return try MartletRecipes.Recipe.read(model, overrides: overrides)
  }

  private func recipe(_ overrides: [Override]) throws -> MartletRecipes.Recipe {
    if let document {
      return try MartletRecipes.Recipe(document, file: model, folder: ".", overrides: overrides)
    }
    return try RecipeTraining.recipe(model, overrides)
  }

  func run() throws {
    var recipe = try recipe(overrides)
    if let learningRate {
      let rule = recipe.root.fields("optimizer")?.name ?? "adam"
      let path = Override(
        "optimizer.\(rule).learningRate", .scalar("\(learningRate)", isPlain: true))
      recipe = try self.recipe(overrides + [path])
    }
    var options = TrainerOptions(compile: try CompileOptions())
    options.isInterrupted = { Interruption.wasRequested }
    if let threads { options.compile.threads = threads }
    if isTrial { return try runTrial(recipe, options) }

    let imported = try ImportedModel(recipe)
    let output =
      output ?? FileNames.safe(recipe.name) + (imported == nil ? ".martlet" : "-tuned.onnx")
    if imported == nil {
      try ModelDirectory.check(output)
    } else {
      guard output.hasSuffix(".onnx"), !FileSystem.isDirectory(output) else {
        throw ToolError("--output \(output): an imported model is written as FILE.onnx")
      }
      try checkFolder(of: output)
    }
    let progress = RecipeProgress(epochs: recipe.epochs)
    var given: (data: RecipeData, problem: RecipeProblem)?
    var note: String?
    if let imported {
      let data = try RecipeData.read(recipe, pixels: imported.pixels)
      let made = try imported.problem(recipe, data)
      (given, note) = ((data, made.problem), made.note)
    }
    let run = try RecipeRun(recipe, given, options: options, callbacks: [progress])
    func save(_ notes: [JSONValue.Member]) throws {
      if imported == nil { return try run.save(to: output, notes: notes) }
      try ImportedModel.save(run, notes: notes, to: output)
    }
    printHead(run, options.compile)
    if let note { Output.line("weights  \(note)") }
    if let resume {
      try run.trainer.resume(from: resume)
      Output.line("resumed  \(resume), after \(grouped(run.trainer.history.steps)) steps")
    }
    Interruption.watch()
    let start = nowMilliseconds()
    try run.run()
    let seconds = (nowMilliseconds() - start) / 1e3
    progress.clear()
    let interrupted = run.history.outcome == .interrupted
    var notes: [JSONValue.Member] = [
      .init("data", .string(run.data.name)), .init("seed", .string("\(recipe.seed)")),
      .init("epochs", .integer(run.history.epochs.count)),
    ]
    if interrupted {
      try save(notes)
      Output.line(
        "interrupted after \(grouped(run.history.steps)) steps; the model is in \(output)")
      if let checkpoint = run.history.checkpoint { Output.line("checkpoint \(checkpoint)") }
      throw ExitCode(130)
    }
    if case .stopped(let reason) = run.history.outcome { Output.line("stopped: \(reason)") }
    let (measures, line) = try run.evaluate()
    for measure in measures where measure.value.isFinite {
      notes.append(.init("\(run.finalPart.name) \(measure.name)", .number(measure.value)))
    }
    try save(notes)
    for (what, path) in try run.finish(measures: measures, line: line) {
      Output.line("\(what) \(path)")
    }
    let others = measures.map { "\($0.name) \(NumberText.short($0.value))" }
    Output.line("\(run.finalPart.name)     \(others.joined(separator: ", "))")
    Output.line("trained in \(fixed(seconds, 1)) s; the model is in \(output)")
    Output.line(line)
  }

  private func printHead(_ run: RecipeRun, _ options: CompileOptions) {
    let (data, recipe, trainer) = (run.data, run.recipe, run.trainer)
    let parameters = run.problem.model.parameters.reduce(0) { $0 + $1.type.count }
    func shape(_ extents: [Int]) -> String { extents.map(String.init).joined(separator: " × ") }
    Output.line(
      "model    \(recipe.name), \(run.problem.rows.count) layer"
        + "\(run.problem.rows.count == 1 ? "" : "s"), \(grouped(parameters)) parameters"
    )
    let parts = [
      ("training", data.training.count), ("validation", data.validation?.count ?? 0),
      ("test", data.test?.count ?? 0),
    ].filter { $0.1 > 0 }
    Output.line(
      "data     \(data.name), \(shape(data.input)) → "
        + data.targets.map { target in
          target.classes.map { "\($0.count) classes" }
            ?? "\(target.width == 1 ? "a number" : "\(target.width) numbers")"
        }.joined(separator: " and ")
        + ": " + parts.map { "\(grouped($0.1)) \($0.0)" }.joined(separator: ", "))
    let rule = recipe.root.fields("optimizer")?.name ?? "adam"
    if rule == "lbfgs" {
      Output.line("recipe   lbfgs on the whole set, seed \(recipe.seed)")
    } else {
      Output.line(
        "recipe   \(rule), learning rate \(NumberText.short(trainer.learningRate)) "
          + "(\(recipe.root.fields("schedule")?.name ?? "constant")), batch \(trainer.batch), "
          + "\(recipe.epochs) epochs, seed \(recipe.seed), \(options.threads) threads")
    }
    let report = trainer.step.program.report
    Output.line(
      "compile  \(report.tracedNodes) nodes → \(report.kernels) kernels, arena "
        + "\(bytes(report.arenaBytes)), state \(bytes(report.stateBytes)), "
        + "\(flops(report.flops)) a step")
  }

  /// Before the work, not after it.
  private func checkFolder(of path: String) throws {
    let folder = FileSystem.split(path).folder
    guard FileSystem.isWritableDirectory(folder.isEmpty ? "." : folder) else {
      throw DataError(
        .notWritable, "the output's folder is missing or read-only", at: path,
        hint: "name another --output")
    }
  }

  /// A line of JSON for each epoch, and one at the end.
  private func runTrial(_ recipe: MartletRecipes.Recipe, _ options: TrainerOptions) throws {
    let reporter = TrialReporter()
    let run = try RecipeRun(recipe, options: options, callbacks: [reporter])
    Interruption.watch()
    try run.run()
    if run.history.outcome == .interrupted { throw ExitCode(130) }
    // Without epochs, or without a validation set, what the run ends with is what counts.
    if reporter.epochs == 0 {
      let examples = run.data.validation ?? run.data.training
      try reporter.report(try run.trainer.evaluate(examples).measures, run.trainer)
    }
  }
}

enum FileNames {
  /// A name of the user's as part of a path: no slash, no leading dot, not too long.
  static func safe(_ name: String) -> String {
    let kept = name.unicodeScalars.prefix(80).map { scalar -> Character in
      scalar == "/" || scalar.value < 0x20 || scalar.value == 0x7f ? "_" : Character(scalar)
    }
    let text = String(kept)
    return text.isEmpty || text.hasPrefix(".") ? "_" + text : text
  }
}

/// Tells the search that started this process how the trial goes.
final class TrialReporter: Callback {
  private(set) var epochs = 0

  func epoch(_ trainer: Trainer, _ record: EpochRecord) throws {
    try report(record.validation.names.isEmpty ? record.training : record.validation, trainer)
  }

  func report(_ measures: Measures, _ trainer: Trainer) throws {
    epochs += 1
    var members: [JSONValue.Member] = [.init("epoch", .integer(epochs))]
    func add(_ name: String, _ value: Double?) {
      members.append(
        .init(name, value.map { $0.isFinite ? .number($0) : .null } ?? .null))
    }
    add("loss", measures["loss"])
    if let metric = trainer.metrics.first {
      add("measure", measures[metric.name])
      members.append(.init("rising", .bool(metric.higherIsBetter)))
    }
    let line = try JSONValue.object(members).encoded(file: "standard output")
    Output.line(String(decoding: line, as: UTF8.self))
  }
}

/// A line that is drawn again on a terminal, and a line for each epoch.
final class RecipeProgress: Callback {
  private let epochs: Int
  private let start = nowMilliseconds()
  private var lastDrawn = 0.0

  init(epochs: Int) { self.epochs = epochs }

  func clear() { if Output.isTerminal { Output.write("\r\u{1B}[K", to: 1) } }

  func step(_ trainer: Trainer, _ report: StepReport) {
    guard Output.isTerminal else { return }
    let now = nowMilliseconds()
    guard now - lastDrawn >= 100 else { return }
    lastDrawn = now
    let rate = Double(report.step) / max(1e-9, (now - start) / 1e3)
    let left = Double(report.totalSteps - report.step) / max(1e-9, rate)
    let text =
      "epoch \(report.epoch + 1)/\(epochs)  \(fixed(rate, 0)) it/s  ETA \(duration(left))  "
      + RecipeProgress.text(report.running)
    Output.write("\r" + String(text.prefix(max(10, Output.width - 1))) + "\u{1B}[K", to: 1)
  }

  func epoch(_ trainer: Trainer, _ record: EpochRecord) {
    // A long run of short epochs says every tenth, and the last.
    let every = epochs > 30 ? max(1, epochs / 20) : 1
    guard (record.epoch + 1) % every == 0 || record.epoch + 1 == epochs else { return }
    clear()
    var line =
      "epoch \("\(record.epoch + 1)".padded("\(epochs)".count, left: true))/\(epochs)  "
      + RecipeProgress.text(record.training)
    if !record.validation.names.isEmpty {
      line += "  validation " + RecipeProgress.text(record.validation)
    }
    let steps = Double(trainer.stepsPerEpoch) / max(1e-9, record.seconds)
    Output.line(line + "  \(grouped(Int(min(1e9, steps)))) it/s")
  }

  private static func text(_ measures: Measures) -> String {
    measures.map { "\($0.name) \(NumberText.short($0.value))" }.joined(separator: "  ")
  }
}
