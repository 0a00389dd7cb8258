// Loss and metrics of a model on a set, without training on it.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps

/// A model's losses and metrics on a set.
public struct Evaluation: Sendable {
  /// `loss`, the terms' losses, and the metrics.
  public let measures: Measures
  /// The number of examples.
  public let count: Int
  /// A measure by name.
  public subscript(name: String) -> Double? { measures[name] }
  /// The mean loss.
  public var loss: Double { measures["loss"] ?? .nan }
}

/// The objective's program without training: dropout passes everything, batch norm uses its running
/// statistics, nothing is updated.
final class Evaluator {
  private let fields: [TensorSpec]
  private let options: TrainerOptions
  private let seed: UInt64
  private let objective: ([Tensor]) throws -> Objective
  private var compiled: (function: Function, layout: ObjectiveLayout)?

  init(_ trainer: Trainer) {
    fields = trainer.training.fields
    options = trainer.options
    seed = trainer.seed
    objective = trainer.objective
  }

  /// The program, compiled on first use.
  func program(batch: Int) throws -> (function: Function, layout: ObjectiveLayout) {
    if let compiled { return compiled }
    final class Found { var layout: ObjectiveLayout? }
    let found = Found()
    let objective = objective
    let function = try Function(
      specs: fields.map { $0.batched(batch) }, options: options.compile,
      isTraining: false
    ) { _, inputs in
      let made = try objective(inputs)
      var results: [String: Tensor] = [:]
      found.layout = ObjectiveLayout(made, inputs: inputs, results: &results, heads: true)
      return [(name: "loss", tensor: made.loss)]
        + results.sorted { $0.key < $1.key }.map { (name: $0.key, tensor: $0.value) }
    }
    let made = (function: function, layout: found.layout ?? ObjectiveLayout())
    compiled = made
    return made
  }

  /// Runs the program on every batch of a set.
  func forEachBatch(
    of examples: any Examples, batch: Int? = nil,
    _ body: (
      _ first: Int, _ loss: Double, _ layout: ObjectiveLayout, _ batch: [NDArray],
      _ results: [String: NDArray]
    ) throws -> Void
  ) throws {
    guard examples.count > 0, examples.fields.map(\.type) == fields.map(\.type) else {
      throw RunError(
        .mismatch,
        "\(examples.count) examples of "
          + examples.fields.map { "\($0.type)" }.joined(separator: ", "),
        at: "evaluation",
        hint: "the model is trained on " + fields.map { "\($0.type)" }.joined(separator: ", "))
    }
    let size = min(batch ?? options.evaluationBatch, examples.count)
    let (function, layout) = try program(batch: size)
    let order = BatchOrder(
      count: examples.count, batch: size, seed: seed, shuffles: false, dropsLast: false)
    let loader = BatchLoader(
      examples, order, steps: 0..<order.perEpoch, threads: options.loaderThreads, heldOut: true)
    var first = 0
    while let arrays = try loader.next() {
      let rows = order.size(of: first / size)
      let sized = try function.resized(batch: rows)
      sized.session.step = 0
      let outputs = try sized.run(arrays)
      var results: [String: NDArray] = [:]
      for (result, array) in zip(sized.program.results, outputs) { results[result.name] = array }
      try body(first, try outputs[0].item(), layout, arrays, results)
      first += rows
      loader.recycle(arrays)
    }
  }
}

extension Trainer {
  /// The model's losses and metrics on a set, as it is now.
  ///
  /// - Parameters:
  ///   - examples: Of the training set's fields; read as of epoch 0.
  ///   - metrics: The trainer's own if nil.
  ///
  /// - Throws: ``DataError`` of the examples, ``RunError`` where they do not fit the step.
  public func evaluate(_ examples: any Examples, metrics: [Metric]? = nil) throws -> Evaluation {
    var running = RunningMeasures(layout.terms, metrics: metrics ?? self.metrics)
    try evaluator.forEachBatch(of: examples) { _, loss, layout, batch, results in
      let rows = batch.first?.shape.dimensions.first ?? 0
      try running.add(
        loss: loss, examples: rows, layout, batch: batch, results: results)
    }
    return Evaluation(measures: running.measures, count: examples.count)
  }

  /// Which class was taken for which on a set.
  ///
  /// - Throws: What evaluating throws; ``DataError`` where the outputs are no classes.
  public func confusionMatrix(
    on examples: any Examples, of term: String? = nil, names: [String] = []
  ) throws -> ConfusionMatrix {
    var sums: [Double] = []
    try evaluator.forEachBatch(of: examples) { _, _, layout, batch, results in
      try ConfusionMatrix.add(
        try layout.predictions(of: term, batch, results), threshold: 0, to: &sums)
    }
    var matrix = ConfusionMatrix(sums)
    matrix.names = names
    return matrix
  }
}
