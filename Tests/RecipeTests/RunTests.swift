// Recipes at work: the built-in ones, data of one's own, and what does not fit.

import Foundation
import MartletExecution
import MartletTraining
import Testing

import MartletRecipes

private func options() throws -> TrainerOptions {
  var options = TrainerOptions(compile: try CompileOptions())
  options.compile.threads = 1
  return options
}

@Test(arguments: BuiltInRecipes.all.map(\.name))
func builtInRecipesRun(name: String) throws {
  // One epoch of each, except where a whole run takes no time.
  let isShort = name.contains("linear") || name.contains("logistic") || name == "iris-two-tasks"
  let overrides = isShort ? [] : [Override("epochs", .scalar("1", isPlain: true))]
  let recipe = try #require(try BuiltInRecipes.recipe(name, overrides: overrides))
  #expect(!recipe.summary.isEmpty)
  _ = try SearchPlan(recipe)
  let run = try RecipeRun(recipe, options: options())
  // LeNet-5's epochs belong to `make demo`, not to this suite.
  guard !name.hasPrefix("mnist5k"), !name.hasSuffix("lenet") else { return }
  try run.run()
  let (measures, line) = try run.evaluate()
  #expect(line.hasPrefix("test "))
  // What is saved says the same, bit for bit.
  let path = FileManager.default.temporaryDirectory.appendingPathComponent(
    "built-in-\(UUID().uuidString)"
  ).path
  defer { try? FileManager.default.removeItem(atPath: path) }
  try run.save(to: path, notes: [])
  let (manifest, weights) = try ModelDirectory.read(path)
  if manifest.name == SavedRecipe.name {
    let saved = try SavedRecipe(manifest, weights, at: path)
    let inputs = try run.finalPart.examples.batch([0, 1, 2])[0]
    let spec = TensorSpec(inputs.shape)
    #expect(
      try compile(spec) { saved.problem.model($0) }(inputs).floats
        == compile(spec) { run.problem.model($0) }(inputs).floats)
    #expect(try saved.answers(inputs).count == 3)
  }
  switch name {
  case "diabetes-linear": #expect(abs((measures["R²"] ?? 0) - 0.4926) < 0.01)
  case "breast-cancer-logistic": #expect((measures["accuracy"] ?? 0) > 0.96)
  case "iris-logistic": #expect((measures["accuracy"] ?? 0) > 0.93)
  case "iris-two-tasks":
    #expect((measures["species accuracy"] ?? 0) > 0.88 && (measures["width R²"] ?? 0) > 0.9)
  default: break
  }
}

@Suite struct OwnDataTests {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
    "recipes-\(UUID().uuidString)")
  init() throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }
  private func write(_ text: String, _ name: String) throws {
    try text.write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
  }
  private func run(_ text: String) throws -> RecipeRun {
    try write(text, "r.yaml")
    let path = folder.appendingPathComponent("r.yaml").path
    return try RecipeRun(Recipe.read(path), options: options())
  }
  private func message(_ text: String) -> String {
    do {
      _ = try run(text)
      return ""
    } catch { return "\(error)".replacingOccurrences(of: folder.path + "/", with: "") }
  }
  /// y = 3a − 2b + 1, with words for half of b.
  private func table() throws {
    var rows = "a,b,colour,y\n"
    for index in 0..<60 {
      let (a, b) = (Double(index % 7), Double(index % 5))
      rows +=
        "\(a),\(b),\(index % 2 == 0 ? "red" : "blue"),\(3 * a - 2 * b + 1 + Double(index % 2))\n"
    }
    try write(rows, "t.csv")
  }

  @Test func aTableOfOnesOwnIsLearned() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    try table()
    let text = """
      data:
        source: {csv: {file: t.csv, categorical: [colour]}}
        split: {test: 0.2, validation: 0}
      model: [linear: targets]
      optimizer: lbfgs
      metrics: [r2, mae]
      """
    let made = try run(text)
    #expect(made.data.columnNames == ["a", "b", "colour=blue", "colour=red"])
    try made.run()
    let (measures, line) = try made.evaluate()
    #expect(line == "test R²: 100.00 %" && (measures["MAE"] ?? 1) < 1e-3, "\(measures)")
    // A word as the target makes classes.
    let classes = try run(
      "data: {source: {csv: {file: t.csv, target: colour}}}\nmodel: [{linear: classes}]")
    #expect(classes.data.targets[0].classes == ["blue", "red"])
    // Saved weights carry the scalings with them.
    let path = folder.appendingPathComponent("m.martlet").path
    try made.save(to: path, notes: [])
    let (manifest, weights) = try ModelDirectory.read(path)
    #expect(weights.count == 2 && manifest.name == "recipe")
    #expect(manifest.outputs?.array?.first?["divisors"]?.array?.count == 1)
    #expect(manifest.table?["columns"]?.array?.count == 3)
  }

  @Test func whatDoesNotFitIsSaidWithItsPlace() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    try table()
    #expect(
      message("data: {source: {csv: nothing.csv}}\nmodel: [{linear: 1}]").hasPrefix(
        "r.yaml:1:17: data.csv: no such file"))
    #expect(
      message("data: {source: {csv: t.csv}}\nmodel: [{linear: 1}]").contains(
        "t.csv:2, column \"colour\""))
    #expect(
      message("data: {source: {csv: {file: t.csv, target: z}}}\nmodel: [{linear: 1}]").contains(
        "has no column 'z'"))
    let source = "data: {source: {csv: {file: t.csv, features: [a, b]}}}\n"
    #expect(
      message(source + "model: [{linear: 2}]")
        == "r.yaml:2:8: model: the last layer gives 2, meanSquaredError of 'y' takes 1")
    #expect(
      message(source + "model: [{linear: 1}]\nloss: crossEntropy")
        == "r.yaml:3:7: loss.crossEntropy: is for classes, and 'y' is a number")
    #expect(
      message(source + "model: [{linear: 1}]\nmetrics: [f1]")
        == "r.yaml:3:10: metrics: f1 is for classes")
    #expect(
      message(
        source + "heads: [{name: p, layers: []}, {name: y, layers: [{linear: 3}]}]"
      ).split(separator: "\n").count == 2)
    try write("a,y\n1,2\n3\n", "ragged.csv")
    #expect(
      message("data: {source: {csv: ragged.csv}}\nmodel: [{linear: 1}]").contains("ragged.csv"))
    try write("a,y\n1,2\n\(Double.nan),4\n5,6\n", "nan.csv")
    #expect(!message("data: {source: {csv: nan.csv}}\nmodel: [{linear: 1}]").isEmpty)
  }

  @Test func averagesStoppingAndSchedulesWorkTogether() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let text = """
      data: {source: wine, split: {validation: 0.2}}
      model: [{linear: 8}, batchNorm, silu, {residual: [{linear: 8}, tanh]}, {linear: classes}]
      loss: {crossEntropy: 0.1}
      optimizer: {nadam: {learningRate: 0.02, averageWeights: 0.9, clipping: 1, accumulate: 2}}
      schedule: {plateau: {patience: 2}}
      regularization: {l1: 0.0001, maxNorm: 3}
      epochs: 30
      callbacks: {earlyStopping: {patience: 3, monitor: measure}}
      """
    let (a, b) = (try run(text), try run(text))
    try a.run()
    try b.run()
    #expect(try a.evaluate().measures == b.evaluate().measures)
    #expect((try a.evaluate().measures["accuracy"] ?? 0) > 0.85)
    #expect(a.history.epochs.count < 30)
  }
}
