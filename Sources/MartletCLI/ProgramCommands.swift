// martlet train sentiment and forecast: what is printed around them; and what all programs share.

import ArgumentParser
import Martlet
import MartletData
import MartletPrograms
import MartletTraining

extension SequenceCell: ExpressibleByArgument {}
extension SentimentBody: ExpressibleByArgument {}

/// The options of `martlet train` that a program takes.
struct ProgramOptions {
  var seed: UInt64
  /// Values of the recipe by name, in the order given.
  var values: [(name: String, text: String)]
  var data: String?
  var output: String
  var cell: SequenceCell?
  var body: SentimentBody?
  var compile: CompileOptions
  /// Where the run is saved, and how often.
  var checkpoints: CheckpointPolicy?
  /// Where it goes on from.
  var resume: String?

  func applied<R: ProgramRecipe>(to recipe: R) throws -> R {
    var recipe = recipe
    for (name, text) in values { try recipe.set(name, to: text) }
    return recipe
  }

  var trainer: TrainerOptions {
    var options = TrainerOptions(compile: compile)
    options.isInterrupted = { Interruption.wasRequested }
    return options
  }

  /// Goes on from a checkpoint, if one is named.
  func resumed(_ trainer: Trainer) throws {
    guard let resume else { return }
    try trainer.resume(from: resume)
    Output.line("resumed  \(resume), after \(grouped(trainer.history.steps)) steps")
  }

  func interrupted(_ history: History) -> String {
    "interrupted after \(grouped(history.steps)) steps; the model is in \(output)"
      + (history.checkpoint.map { ", the checkpoint in \($0)" } ?? "")
  }

  func notes(_ data: String, epochs: Int) -> [JSONValue.Member] {
    [
      .init("data", .string(data)), .init("seed", .string(String(seed))),
      .init("epochs", .integer(epochs)),
    ]
  }
}

/// A line for each epoch, or for each of some ten of a longer run.
final class EpochLines: Callback {
  func epoch(_ trainer: Trainer, _ record: EpochRecord) {
    let stride = max(1, trainer.epochs / 12)
    guard (record.epoch + 1) % stride == 0 || record.epoch + 1 == trainer.epochs else { return }
    Output.line(
      "epoch \("\(record.epoch + 1)".padded("\(trainer.epochs)".count, left: true))"
        + "/\(trainer.epochs)  loss \(fixed(record.training["loss"] ?? .nan, 4))"
        + (record.training["accuracy"].map { "  training accuracy \(fixed($0 * 100, 2)) %" } ?? "")
        + "  \(fixed(record.seconds, 2)) s")
  }
}

private func printProgram(_ step: TrainingStep) {
  let report = step.program.report
  Output.line(
    "compile  \(report.tracedNodes) nodes → \(report.kernels) kernels, "
      + "\(bytes(report.sourceBytes)) of C, arena \(bytes(report.arenaBytes)), "
      + "state \(bytes(report.stateBytes)), \(flops(report.flops)) a step")
}

enum SentimentProgram {
  static func train(_ given: ProgramOptions) throws {
    try ModelDirectory.check(given.output)
    var recipe = SentimentRecipe()
    if let body = given.body { recipe.kind = body }
    if recipe.kind == .lstm { (recipe.epochs, recipe.learningRate) = (4, 2e-3) }
    recipe = try given.applied(to: recipe)
    let path = given.data ?? "downloads/reviews.csv"
    guard given.data != nil || FileSystem.exists(path) else {
      // Somebody else's texts: fetched, never a part of this.
      Output.line("skipped: \(path) is not there; `make data` fetches the reviews")
      return
    }
    let (training, heldOut) = try LabelledTexts.reviews(path: path)
    let run = try SentimentTraining(
      training, heldOut, recipe, callbacks: [EpochLines()], checkpoints: given.checkpoints,
      options: given.trainer)
    let parameters = run.model.parameters.reduce(0) { $0 + $1.type.count }
    Output.line(
      "model    sentiment: "
        + (recipe.kind == .lstm
          ? "bidirectional LSTM of 2 × \(recipe.hidden)" : "mean of the words' vectors")
        + ", embedding \(recipe.embedding), \(grouped(training.vocabulary.count)) words; "
        + "\(grouped(parameters)) parameters")
    Output.line(
      "data     \(path): \(grouped(training.count)) + \(grouped(heldOut.count)) reviews, no film in "
        + "both parts; \(training.classes.values.joined(separator: " or "))")
    Output.line(
      "recipe   adam, learning rate \(recipe.learningRate) (cosine), batch \(recipe.batch), dropout "
        + "\(recipe.dropout), \(recipe.epochs) epochs, seed \(given.seed), "
        + "\(given.compile.threads) threads")
    printProgram(run.trainer.step)
    try given.resumed(run.trainer)
    Interruption.watch()
    let history = try run.trainer.run()
    let accuracy = history.outcome == .interrupted ? nil : try run.accuracy()
    var notes = given.notes(path, epochs: history.epochs.count)
    if let accuracy { notes.append(.init("test accuracy", .number(accuracy))) }
    try SavedSentimentModel(
      run.model, recipe.kind, length: training.length, vocabulary: training.vocabulary,
      classes: training.classes.values, notes: notes
    ).write(to: given.output)
    guard let accuracy else {
      Output.line(given.interrupted(history))
      throw ExitCode(130)
    }
    Output.line("trained in \(fixed(history.seconds, 1)) s; the model is in \(given.output)")
    Output.line("test accuracy: \(fixed(accuracy * 100, 2)) %")
  }
}

enum ForecastProgram {
  static func train(_ given: ProgramOptions) throws {
    try ModelDirectory.check(given.output)
    let name = given.data ?? "airline"
    let series: TimeSeries
    var recipe: ForecastRecipe
    var unit: String
    switch name {
    case "airline":
      (series, recipe, unit) = (try .airline(), .airline, "thousand passengers")
    case "sunspots":
      (series, recipe, unit) = (try .sunspots(), .sunspots, "sunspots")
    default:
      throw DataError(
        .notFound, "no such series", at: name, expected: "airline or sunspots",
        hint: "ForecastTraining takes any TimeSeries")
    }
    recipe = try given.applied(to: recipe)
    let run = try ForecastTraining(
      series, recipe, callbacks: [EpochLines()], checkpoints: given.checkpoints,
      options: given.trainer)
    let parameters = run.model.parameters.reduce(0) { $0 + $1.type.count }
    Output.line(
      "model    forecast: GRU of \(recipe.hidden), \(grouped(parameters)) parameters; \(recipe.window) "
        + "steps seen, \(recipe.horizon) forecast")
    Output.line(
      "data     \(name): \(grouped(series.count)) months, the last \(recipe.heldOut) held out; sees "
        + (recipe.isLogarithmic ? "logarithms" : "values")
        + (recipe.lag > 0 ? " less those of \(recipe.lag) months before" : ""))
    Output.line(
      "recipe   adam, learning rate \(recipe.learningRate) (cosine), batch \(recipe.batch), "
        + "\(recipe.epochs) epochs, seed \(given.seed), \(given.compile.threads) threads")
    printProgram(run.trainer.step)
    try given.resumed(run.trainer)
    Interruption.watch()
    let history = try run.trainer.run()
    guard history.outcome != .interrupted else {
      try run.write(to: given.output, notes: given.notes(name, epochs: history.epochs.count))
      Output.line(given.interrupted(history))
      throw ExitCode(130)
    }
    let forecasts = try run.forecasts()
    let errors = Forecasts.errors(forecasts)
    try run.write(
      to: given.output,
      notes: given.notes(name, epochs: history.epochs.count) + [
        .init("test RMSE", .number(errors.model)), .init("naive RMSE", .number(errors.seasonal)),
      ])
    let picture = given.output + ".svg"
    try FileSystem.write(Array(try run.plot().utf8), to: picture)
    Output.line("trained in \(fixed(history.seconds, 1)) s; the model is in \(given.output)")
    Output.line("plot     \(picture)")
    Output.line(
      "\(grouped(forecasts.count)) forecasts of \(recipe.horizon) months: naive seasonal RMSE "
        + "\(fixed(errors.seasonal, 2)), last value again RMSE \(fixed(errors.last, 2))")
    Output.line("test RMSE: \(fixed(errors.model, 2)) \(unit)")
  }
}
