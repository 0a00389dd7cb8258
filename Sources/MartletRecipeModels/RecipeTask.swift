// What a recipe's model is to learn: losses, outputs and metrics over the data's fields.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTraining

/// A trunk and a head for each task; with one task the head is empty.
package struct RecipeModel: Layer {
  package let layers: Sequential
  package let heads: [Sequential]
  /// The first task's output.
  package func callAsFunction(_ x: Tensor) -> Tensor { outputs(x)[0] }
  /// Each task's output.
  package func outputs(_ x: Tensor) -> [Tensor] {
    let trunk = layers(x)
    return heads.isEmpty ? [trunk] : heads.map { $0(trunk) }
  }
}

/// One of the things that are learned.
package struct RecipeTask: Sendable {
  /// Empty where there is only one.
  package var name: String
  package var target: RecipeTarget
  package var loss: CheckedFields
  package var weight: Double
  package var metrics: [Metric]

  package func loss(_ output: Tensor, _ target: Tensor) -> (loss: Tensor, targets: Tensor) {
    switch loss.name {
    case "crossEntropy":
      let smoothing = loss.number("labelSmoothing") ?? 0
      return (
        softmaxCrossEntropy(logits: output, labels: target, labelSmoothing: smoothing), target
      )
    case "binaryCrossEntropy":
      let labels = target.converted(to: output.dtype).reshaped(output.shape)
      return (sigmoidCrossEntropy(logits: output, labels: labels), target)
    case "hinge":
      let labels = target.converted(to: output.dtype).reshaped(output.shape) * 2 - 1
      return (
        hinge(
          output, labels, margin: loss.number("margin") ?? 1,
          squared: loss.boolean("squared") ?? false), target
      )
    case "meanAbsoluteError": return (meanAbsoluteError(output, target), target)
    case "huber": return (huber(output, target, delta: loss.number("delta") ?? 1), target)
    default: return (meanSquaredError(output, target), target)
    }
  }
}

/// Model and tasks, built for the data.
package struct RecipeProblem: Sendable {
  package var model: RecipeModel
  package var tasks: [RecipeTask]
  package var rows: [LayerRow]
  package var outputs: [[Int]]

  /// - Parameters:
  ///   - input: The shape of one input.
  ///   - targets: What can be predicted; at least one.
  /// - Throws: ``RecipeError`` with every impossible shape that can be found.
  package init(
    _ recipe: Recipe, input: [Int], targets: [RecipeTarget]
  ) throws(RecipeError) {
    let root = recipe.root
    let heads = root.sections("heads") ?? []
    guard let first = targets.first else {
      throw RecipeError(file: recipe.file, "the data has no target")
    }
    var builder = ModelBuilder(
      classes: first.classes?.count, targets: first.width)
    var problems: [RecipeError.Problem] = []
    var trunk: (layers: [any Layer], output: [Int])? = ([], input)
    if let named = root.fields("model") {
      trunk = builder.model(named, input: input, outputs: first.classes?.count ?? first.width)
        .map { ([$0.layer], $0.output) }
    } else if let list = root.list("model") {
      trunk = builder.layers(list, input: input, path: "model")
    }
    problems += builder.problems
    rows = builder.rows
    var tasks: [RecipeTask] = []
    var branches: [Sequential] = []
    var outputs: [[Int]] = []
    if heads.isEmpty {
      let task = RecipeProblem.task("", first, root, recipe, &problems)
      if let trunk { RecipeProblem.check(task, trunk.output, root, &problems) }
      tasks = [task]
      outputs = [trunk?.output ?? []]
    }
    for (index, head) in heads.enumerated() {
      let name = head.text("name") ?? "\(index)"
      let column = head.text("target") ?? name
      guard let target = targets.first(where: { $0.name == column }) else {
        problems.append(
          .init(
            "heads.\(index): no target '\(column)'; "
              + Checker.suggestion(column, targets.map(\.name)), at: head.position))
        continue
      }
      let task = RecipeProblem.task(name, target, head, recipe, &problems)
      tasks.append(task)
      guard let trunk else { continue }
      var own = ModelBuilder(classes: target.classes?.count, targets: target.width)
      let made = own.layers(
        head.list("layers") ?? [], input: trunk.output, path: "heads.\(index)")
      problems += own.problems
      rows += own.rows
      guard let made else { continue }
      RecipeProblem.check(task, made.output, head, &problems)
      branches.append(Sequential(made.layers))
      outputs.append(made.output)
    }
    guard problems.isEmpty, let trunk else { throw RecipeError(file: recipe.file, problems) }
    model = RecipeModel(layers: Sequential(trunk.layers), heads: branches)
    self.tasks = tasks
    self.outputs = outputs
  }

  /// A model that is no recipe's, on the task of the first target.
  package init(
    _ recipe: Recipe, targets: [RecipeTarget], model: any Layer, named name: String, output: [Int]
  ) throws(RecipeError) {
    guard let target = targets.first else {
      throw RecipeError(file: recipe.file, "the data has no target")
    }
    var problems: [RecipeError.Problem] = []
    let task = RecipeProblem.task("", target, recipe.root, recipe, &problems)
    RecipeProblem.check(task, output, recipe.root, &problems)
    guard problems.isEmpty else { throw RecipeError(file: recipe.file, problems) }
    self.model = RecipeModel(layers: Sequential([model]), heads: [])
    tasks = [task]
    rows = [LayerRow(path: "model.\(name)", name: name, output: output, layer: model)]
    outputs = [output]
  }

  private static func task(
    _ name: String, _ target: RecipeTarget, _ fields: CheckedFields, _ recipe: Recipe,
    _ problems: inout [RecipeError.Problem]
  ) -> RecipeTask {
    let isClass = target.classes != nil
    let loss =
      fields.fields("loss")
      ?? CheckedFields(
        name: isClass ? "crossEntropy" : "meanSquaredError", position: fields.position)
    let ofClasses = ["crossEntropy", "binaryCrossEntropy", "hinge"].contains(loss.name)
    if ofClasses != isClass {
      problems.append(
        .init(
          "loss.\(loss.name): is for \(ofClasses ? "classes" : "numbers"), and '\(target.name)' is "
            + (isClass ? "a class" : "a number"), at: loss.position))
    }
    let count = target.classes?.count ?? 0
    if ofClasses, isClass, loss.name != "crossEntropy", count != 2 {
      problems.append(
        .init("loss.\(loss.name): is for two classes, got \(count)", at: loss.position))
    }
    let names =
      recipe.root.texts("metrics").map { names in
        // Of several tasks each takes the metrics that mean something for it.
        name.isEmpty ? names : names.filter { classMetrics.contains($0) == isClass }
      } ?? []
    var metrics: [Metric] = []
    for metric in names.isEmpty ? [isClass ? "accuracy" : "r2"] : names {
      if classMetrics.contains(metric) != isClass {
        problems.append(
          .init(
            "metrics: \(metric) is for \(isClass ? "numbers" : "classes")",
            at: recipe.root["metrics"]?.position ?? fields.position))
        continue
      }
      let made = RecipeProblem.metric(metric, target)
      metrics.append(name.isEmpty ? made : made.of(name))
    }
    return RecipeTask(
      name: name, target: target, loss: loss, weight: fields.number("weight") ?? 1,
      metrics: metrics)
  }

  private static let classMetrics: Set = ["accuracy", "top5", "precision", "recall", "f1", "auc"]

  private static func metric(_ name: String, _ target: RecipeTarget) -> Metric {
    let average: Metric.Average = target.classes?.count == 2 ? .binary : .macro
    // Errors are told in the target's own unit.
    let units = target.scaling?.divisors ?? []
    switch name {
    case "top5": return .topK(5)
    case "precision": return .precision(average)
    case "recall": return .recall(average)
    case "f1": return .f1(average)
    case "auc": return .auc
    case "r2": return .rSquared
    case "rmse":
      return error("RMSE", units, { $0 * $0 }, { $0.squareRoot() })
    case "mae": return error("MAE", units, { abs($0) }, { $0 })
    default: return .accuracy
    }
  }

  private static func error(
    _ name: String, _ units: [Double], _ term: @escaping @Sendable (Double) -> Double,
    _ value: @escaping @Sendable (Double) -> Double
  ) -> Metric {
    Metric(name, higherIsBetter: false) { batch, sums in
      if sums.isEmpty { sums = [0, 0] }
      for (index, (output, target)) in zip(batch.outputs, batch.targets).enumerated() {
        let unit = units.isEmpty ? 1 : units[index % units.count]
        sums[0] += term((output - target) * unit)
        sums[1] += 1
      }
    } value: { sums in
      sums.count == 2 && sums[1] > 0 ? value(sums[0] / sums[1]) : .nan
    }
  }

  private static func check(
    _ task: RecipeTask, _ output: [Int], _ fields: CheckedFields,
    _ problems: inout [RecipeError.Problem]
  ) {
    let wanted: Int
    switch task.loss.name {
    case "crossEntropy": wanted = task.target.classes?.count ?? 1
    case "binaryCrossEntropy", "hinge": wanted = 1
    default: wanted = task.target.width
    }
    guard output != [wanted] else { return }
    let place =
      (fields["layers"] ?? fields["model"])?.position ?? fields.position
    let text = output.map(String.init).joined(separator: " × ")
    problems.append(
      .init(
        "\(task.name.isEmpty ? "model" : "heads, \(task.name)"): the last layer gives \(text), "
          + "\(task.loss.name) of '\(task.target.name)' takes \(wanted)"
          + (output.count > 1 ? " (flatten makes one axis)" : ""), at: place))
  }

  /// The traced objective.
  package func objective(_ fields: [Tensor]) throws -> Objective {
    let outputs = model.outputs(fields[0])
    if tasks.count == 1, tasks[0].name.isEmpty {
      let target = fields[tasks[0].target.field]
      let (loss, targets) = tasks[0].loss(outputs[0], target)
      return Objective(loss: loss, outputs: outputs[0], targets: targets)
    }
    return try Objective(
      zip(tasks, outputs).map { task, output in
        let (loss, targets) = task.loss(output, fields[task.target.field])
        return .init(
          task.name, loss, weight: task.weight, outputs: output, targets: targets)
      })
  }
}
