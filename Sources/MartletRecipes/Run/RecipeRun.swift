// A recipe at work: data, model and trainer made, the run, and what comes out of it.

import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletRecipeModels
import MartletTraining

/// A recipe with everything that it describes in place.
package final class RecipeRun {
  package let recipe: Recipe
  package let data: RecipeData
  package let problem: RecipeProblem
  package let trainer: Trainer
  /// What the run did, epoch by epoch.
  package var history: History { trainer.history }
  private let options: TrainerOptions
  private let events: EventCallback?

  /// - Parameters:
  ///   - given: Data and model, where they are not the recipe's.
  ///   - options: Threads, and who asks for an interruption.
  ///   - callbacks: What else follows the run; the recipe's own need no mention.
  package init(
    _ recipe: Recipe, _ given: (data: RecipeData, problem: RecipeProblem)? = nil,
    options: TrainerOptions, callbacks: [any Callback] = []
  ) throws {
    let data = try given?.data ?? RecipeData.read(recipe)
    let problem =
      try given?.problem
      ?? withWeights(storedAs: recipe.storage) { try RecipeProblem(recipe, data) }
    let root = recipe.root
    let batch = recipe.batch ?? data.training.count
    let perEpoch =
      (data.training.count + min(batch, data.training.count) - 1)
      / max(
        1, min(batch, data.training.count))
    let isFullBatch = root.fields("optimizer")?.name == "lbfgs"
    let schedule: LearningRateSchedule =
      if let plateau = OptimizerBuilder.plateau(root.fields("schedule")) {
        .plateau(plateau)
      } else {
        .perStep(
          OptimizerBuilder.schedule(
            root.fields("schedule"), stepsPerEpoch: perEpoch, epochs: recipe.epochs) ?? .constant)
      }
    let stopping = RecipeRun.stopping(root, problem, isHeldOut: data.validation != nil)
    let optimizer =
      isFullBatch
      ? SGD() as any Optimizer
      : OptimizerBuilder.optimizer(
        root.fields("optimizer"), regularization: root.fields("regularization"))
    var options = options
    // Rows that fill whole tiles, but no more than there are.
    let own = root.fields("callbacks")
    // The report's kernels by time; a clock a kernel is what it costs.
    if own?.fields("report") != nil { options.compile.profiles = true }
    events = own?.fields("events").map {
      EventCallback($0, directory: $0.text("directory") ?? "events")
    }
    options.evaluationBatch = min(256, max(1, data.test?.count ?? data.training.count))
    self.recipe = recipe
    self.data = data
    self.problem = problem
    self.options = options
    trainer = try Trainer(
      problem.model, optimizer, training: data.training, validation: data.validation,
      batch: isFullBatch ? min(32, data.training.count) : batch, epochs: recipe.epochs,
      seed: recipe.seed, schedule: schedule, metrics: problem.tasks.flatMap(\.metrics),
      callbacks: callbacks + (events.map { [$0] } ?? []), stopping: stopping,
      checkpoints: own?.fields("checkpoints").map {
        CheckpointPolicy(
          $0.text("directory") ?? "checkpoints", every: .epochs($0.integer("every") ?? 1),
          keepLast: $0.integer("keepLast") ?? 2, keepsBest: $0.boolean("keepBest") ?? true)
      }, options: options
    ) { try problem.objective($0) }
  }

  private static func stopping(
    _ root: CheckedFields, _ problem: RecipeProblem, isHeldOut: Bool
  ) -> EarlyStopping? {
    guard let fields = root.fields("callbacks")?.fields("earlyStopping") else { return nil }
    let name = fields.text("monitor") == "measure" ? problem.tasks[0].metrics[0].name : "loss"
    return EarlyStopping(
      measure: isHeldOut ? .validation(name) : .training(name),
      patience: fields.integer("patience") ?? 10,
      minimalChange: fields.number("minimalChange") ?? 0,
      restoresBest: fields.boolean("restoreBest") ?? true)
  }

  /// Trains.
  package func run() throws {
    if recipe.root.fields("optimizer")?.name == "lbfgs" { return try minimize() }
    let history = try trainer.run()
    if recipe.root.fields("optimizer")?.number("averageWeights") != nil,
      history.outcome != .interrupted
    {
      try trainer.step.swapAverages()
    }
  }

  /// L-BFGS over the whole training set.
  private func minimize() throws {
    let fields = recipe.root.fields("optimizer")
    let solver = LBFGS(
      history: fields?.integer("history") ?? 10, iterations: fields?.integer("iterations") ?? 100,
      gradientTolerance: fields?.number("gradientTolerance") ?? 1e-6,
      lossTolerance: fields?.number("lossTolerance") ?? 1e-10)
    let whole = try data.training.batch(Array(0..<data.training.count))
    var compile = options.compile
    compile.seed = recipe.seed
    let problem = problem
    let l2 = recipe.root.fields("regularization")?.number("l2") ?? 0
    let fit = try solver.minimize(problem.model, whole, options: compile) { inputs in
      let loss = try problem.objective(inputs).loss
      guard l2 > 0 else { return loss }
      // λ/2·ΣW² of the weights, as the optimizers' own penalty: not of bias and norm.
      return problem.model.parameters.reduce(loss) { sum, parameter in
        guard parameter.isTrainable, parameter.shape.rank >= 2 else { return sum }
        let weight = parameter.tensor(in: loss.trace)
        return sum + (weight * weight).sum() * (l2 / 2)
      }
    }
    lbfgsLosses = fit.losses
  }

  /// The losses of L-BFGS's iterations, where it was the optimizer.
  package private(set) var lbfgsLosses: [Double] = []

  /// Which examples the last line is about: `test`, or where there are none what comes next.
  package var finalPart: (name: String, examples: any Examples) {
    if let test = data.test { return ("test", test) }
    if let validation = data.validation { return ("validation", validation) }
    return ("training", data.training)
  }

  /// The measures on ``finalPart``, and the line that the tool ends with.
  package func evaluate() throws -> (measures: Measures, line: String) {
    let (name, examples) = finalPart
    let measures = try trainer.evaluate(examples).measures
    let metric = problem.tasks[0].metrics[0]
    let value = measures[metric.name] ?? .nan
    let line: String
    if ["RMSE", "MAE"].contains(where: { metric.name.hasSuffix($0) }) {
      line = "\(name) \(metric.name): \(NumberText.short(value)) \(problem.tasks[0].target.name)"
    } else {
      line = "\(name) \(metric.name): \(NumberText.fixed(value * 100, 2)) %"
    }
    return (measures, line)
  }
}

extension RecipeRun {
  /// Writes what the recipe asks for beside the model; what was written, and where.
  package func finish(
    measures: Measures, line: String
  ) throws -> [(what: String, path: String)] {
    var written: [(what: String, path: String)] = []
    if let path = events?.path { written.append(("events", path)) }
    if let report = recipe.root.fields("callbacks")?.fields("report") {
      let path = report.text("file") ?? "report.html"
      let results = try results(worst: report.integer("worst") ?? 24)
      let page = HTMLReport(self, measures: measures, line: line, results: results)
        .page(title: recipe.name)
      try FileSystem.write(Array(page.utf8), to: path)
      written.append(("report", path))
    }
    return written
  }
}
