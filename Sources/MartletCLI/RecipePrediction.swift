// martlet predict MODELDIR of a recipe's model: pictures, tables, and examples of its own data.

import Martlet
import MartletData
import MartletRecipes

struct RecipePrediction {
  private let saved: SavedRecipe

  init(_ saved: SavedRecipe) { self.saved = saved }

  private var tasks: [RecipeTask] { saved.problem.tasks }

  /// A picture, or a table's rows.
  func file(_ path: String) throws {
    if let table = saved.table { return try rows(of: path, table) }
    let picture = try PixelImage(contentsOf: path)
    try show(try saved.input(picture, location: path), truths: [])
  }

  /// An example of the recipe's test set, or where it has none of what comes next.
  func example(_ index: Int) throws {
    let manifest = saved.manifest
    let data = try RecipeData.read(
      saved.recipe,
      pixels: saved.table == nil
        ? PixelScaling(mean: manifest.mean, deviation: manifest.deviation) : nil)
    let part = data.test ?? data.validation ?? data.training
    guard data.input == saved.manifest.inputShape else {
      throw DataError(
        .mismatch, "the recipe's data are others by now", at: data.name, got: "\(data.input)",
        expected: "\(saved.manifest.inputShape)")
    }
    guard (0..<part.count).contains(index) else {
      throw DataError(
        .outOfRange, "no such example", at: data.name, got: "\(index)",
        expected: "0 to \(part.count - 1)")
    }
    let batch = try part.batch([index])
    let truths = tasks.map { task -> String in
      let values = batch[task.target.field].doubles
      if let classes = task.target.classes {
        let label = Int(values.first ?? -1)
        return classes.indices.contains(label) ? classes[label] : "\(label)"
      }
      return RecipePrediction.text(
        values.enumerated().map { task.target.scaling?.inverse($1, column: $0) ?? $1 })
    }
    try show(batch[0].floats, truths: truths)
  }

  private func show(_ input: [Float], truths: [String]) throws {
    let shape = saved.manifest.inputShape
    let answers = try saved.answers(NDArray(input, shape: Shape([1] + shape)))
    if shape.count == 3, [1, 3].contains(shape[2]) {
      let (mean, deviation) = (saved.manifest.mean, saved.manifest.deviation)
      let pixels = input.map { UInt8(max(0, min(255, (($0 * deviation + mean) * 255).rounded()))) }
      PredictionText.draw(pixels, height: shape[0], width: shape[1], channels: shape[2])
    }
    for (index, (task, answer)) in zip(tasks, answers.first ?? []).enumerated() {
      let truth = truths.indices.contains(index) ? truths[index] : nil
      switch answer {
      case .classes(let probabilities):
        PredictionText.show(
          task.target.name, task.target.classes ?? [], probabilities, truth: truth)
      case .numbers(let numbers):
        Output.line(
          "\(task.target.name): \(RecipePrediction.text(numbers))"
            + (truth.map { " (it is \($0))" } ?? ""))
      }
    }
  }

  /// A line of CSV for each row: each class with its probability, each number.
  private func rows(of path: String, _ input: TabularInput) throws {
    let table = try Table(csv: path)
    let answers = try saved.answers(input.features(of: table))
    func quoted(_ text: String) -> String {
      guard text.contains(where: { ",\"\n\r".contains($0) }) else { return text }
      return "\""
        + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
        + "\""
    }
    let head = tasks.flatMap { task -> [String] in
      if task.target.classes != nil {
        return [
          quoted(task.target.name),
          tasks.count == 1 ? "probability" : quoted("\(task.target.name) probability"),
        ]
      }
      return task.target.width == 1
        ? [quoted(task.target.name)]
        : (0..<task.target.width).map { quoted("\(task.target.name) \($0)") }
    }
    Output.line(head.joined(separator: ","))
    for row in answers {
      let fields = zip(tasks, row).flatMap { task, answer -> [String] in
        switch answer {
        case .classes(let probabilities):
          guard
            let best = probabilities.indices.max(by: { probabilities[$0] < probabilities[$1] }),
            let classes = task.target.classes, classes.indices.contains(best)
          else { return ["", ""] }
          return [quoted(classes[best]), fixed(probabilities[best], 4)]
        case .numbers(let numbers): return numbers.map(NumberText.short)
        }
      }
      Output.line(fields.joined(separator: ","))
    }
  }

  private static func text(_ numbers: [Double]) -> String {
    numbers.map(NumberText.short).joined(separator: ", ")
  }
}
