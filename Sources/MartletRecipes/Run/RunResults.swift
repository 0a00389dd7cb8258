// What a finished run says example by example: outputs, the worst of them, who was taken for whom.

import MartletData
import MartletExecution
import MartletIR
import MartletRecipeModels
import MartletTraining

/// An example that the model got wrong, or was least sure of.
package struct WorstSample: Sendable {
  package var index: Int
  package var loss: Double
  /// The target and the output as a person reads them.
  package var target: String
  package var output: String
  /// The picture as PNG; nil for rows of a table.
  package var png: [UInt8]?
  /// The row's columns in their own units; empty for pictures.
  package var columns: [(name: String, value: String)]
}

/// Outputs of the first task over a set, and what follows from them.
package struct RunResults: Sendable {
  package var confusion: ConfusionMatrix?
  package var worst: [WorstSample] = []
  /// Targets and outputs of a regression with one number, in its own unit.
  package var scatter: [(target: Double, output: Double)] = []
}

extension RecipeRun {
  /// Looks at every example of ``finalPart``.
  package func results(worst count: Int) throws -> RunResults {
    let examples = finalPart.examples
    let task = problem.tasks[0]
    let model = problem.model
    let size = min(256, max(1, examples.count))
    let field = examples.fields[0]
    let function = try compile(
      TensorSpec(Shape([size] + field.type.shape.dimensions), field.type.dtype, name: "x"),
      options: trainer.step.program.options
    ) { model($0) }
    var result = RunResults()
    var found: [(index: Int, loss: Double, target: Double, outputs: [Double])] = []
    for start in stride(from: 0, to: examples.count, by: size) {
      let indices = Array(start..<min(examples.count, start + size))
      let batch = try examples.batch(indices)
      let outputs = try function.resized(batch: indices.count)(batch[0]).doubles
      let targets = batch[task.target.field].doubles
      let (width, columns) = (outputs.count / indices.count, targets.count / indices.count)
      for (row, index) in indices.enumerated() {
        let own = Array(outputs[(row * width)..<((row + 1) * width)])
        let target = targets[row * columns]
        found.append((index, loss(own, target, task), target, own))
      }
    }
    if let classes = task.target.classes {
      result.confusion = try trainer.confusionMatrix(
        on: examples, of: task.name.isEmpty ? nil : task.name, names: classes)
    } else if task.target.width == 1 {
      result.scatter = found.map {
        (target: unit($0.target, task), output: unit($0.outputs.first ?? .nan, task))
      }
    }
    found.sort {
      ($1.loss.isNaN ? -1 : $1.loss, $0.index) < ($0.loss.isNaN ? -1 : $0.loss, $1.index)
    }
    for sample in found.prefix(count) {
      result.worst.append(try worstSample(sample, task, examples))
    }
    return result
  }

  private func unit(_ x: Double, _ task: RecipeTask) -> Double {
    task.target.scaling?.inverse(x, column: 0) ?? x
  }

  private func loss(_ outputs: [Double], _ target: Double, _ task: RecipeTask) -> Double {
    guard task.target.classes != nil else { return abs((outputs.first ?? .nan) - target) }
    return -logarithm(max(1e-300, probability(outputs, Int(target))))
  }

  /// By softmax; of a score alone by the logistic function.
  private func probability(_ outputs: [Double], _ label: Int) -> Double {
    if outputs.count == 1 {
      return 1 / (1 + exponential(label == 1 ? -outputs[0] : outputs[0]))
    }
    let top = outputs.max() ?? 0
    let total = outputs.reduce(0) { $0 + exponential($1 - top) }
    return outputs.indices.contains(label) ? exponential(outputs[label] - top) / total : 0
  }

  private func worstSample(
    _ sample: (index: Int, loss: Double, target: Double, outputs: [Double]), _ task: RecipeTask,
    _ examples: any Examples
  ) throws -> WorstSample {
    var made = WorstSample(
      index: sample.index, loss: sample.loss, target: "", output: "", png: nil, columns: [])
    if let classes = task.target.classes {
      let label = Int(sample.target)
      var predicted = 0
      if sample.outputs.count == 1 {
        predicted = sample.outputs[0] > 0 ? 1 : 0
      } else {
        for index in sample.outputs.indices where sample.outputs[index] > sample.outputs[predicted]
        {
          predicted = index
        }
      }
      made.target = classes.indices.contains(label) ? classes[label] : "\(label)"
      let share = NumberText.fixed(probability(sample.outputs, predicted) * 100, 1)
      made.output = "\(classes.indices.contains(predicted) ? classes[predicted] : "") (\(share) %)"
    } else {
      made.target = NumberText.short(unit(sample.target, task))
      made.output = NumberText.short(unit(sample.outputs.first ?? .nan, task))
    }
    let values = try examples.batch([sample.index])[0].doubles
    if data.input.count == 3 {
      made.png = RecipeRun.png(values, data.input)
    } else if data.columnNames.count == values.count {
      made.columns = values.enumerated().map { column, value in
        let own = data.columns?.inverse(value, column: column) ?? value
        return (data.columnNames[column], NumberText.short(own))
      }
    }
    return made
  }

  /// A picture of numbers, from the smallest as black to the largest as white.
  package static func png(_ values: [Double], _ shape: [Int]) -> [UInt8]? {
    let (low, high) = (values.min() ?? 0, values.max() ?? 1)
    guard shape.count == 3, low.isFinite, high.isFinite, values.count == shape.reduce(1, *) else {
      return nil
    }
    let scale = high > low ? 255 / (high - low) : 0
    let pixels = values.map { UInt8(min(255, max(0, (($0 - low) * scale).rounded()))) }
    return try? PixelImage(
      width: shape[1], height: shape[0], channels: shape[2], pixels: pixels
    ).pngData()
  }
}
