// Looking at what a model gets wrong, and at what to try next.

import MartletExecution
import MartletIR

/// An example that a model gets wrong, or right with a high loss.
public struct WorstExample: Hashable, Sendable {
  /// Its index in the set.
  public let index: Int
  /// Its loss.
  public let loss: Double
  /// The target's class, where the objective has classes.
  public let label: Int?
  /// The class that the model names.
  public let predicted: Int?
  /// The share that a softmax gives the target's class; for a score alone, the logistic function.
  public let probability: Double?
}

/// Errors on the training and validation sets beside the error that could be had, and what to try.
///
/// The difference of training error and target is bias that can be avoided, the difference of
/// validation and training error is variance; the larger one is worth working on.
public struct BiasVarianceReport: Hashable, Sendable, CustomStringConvertible {
  /// Which difference is the larger one.
  public enum Diagnosis: String, Hashable, Sendable {
    /// The training error is the problem.
    case bias
    /// The gap between training and validation is.
    case variance
    /// Both are small: below a tenth of the target error, or half a hundredth.
    case neither
  }
  /// What was measured.
  public let measure: String
  /// The error on the training set.
  public let training: Double
  /// The error on the validation set.
  public let validation: Double
  /// The error that could be had: a human's, say.
  public let target: Double
  /// `training − target`
  public var avoidableBias: Double { training - target }
  /// `validation − training`
  public var variance: Double { validation - training }

  /// A report from three errors.
  public init(measure: String, training: Double, validation: Double, target: Double = 0) {
    self.measure = measure
    self.training = training
    self.validation = validation
    self.target = target
  }

  /// Which difference is the larger one.
  public var diagnosis: Diagnosis {
    let small = max(0.1 * abs(target), 0.005)
    if avoidableBias <= small, variance <= small { return .neither }
    return avoidableBias >= variance ? .bias : .variance
  }

  /// What usually helps, the likeliest first.
  public var advice: [String] {
    switch diagnosis {
    case .bias:
      [
        "a larger model: more units, more layers", "more epochs, or a better optimizer and rate",
        "less regularisation: dropout, weight decay, augmentation", "another architecture",
      ]
    case .variance:
      [
        "more data, or augmentation", "more regularisation: dropout, weight decay, early stopping",
        "a smaller model, or another architecture", "fewer or better input features",
      ]
    case .neither:
      ["error analysis of single examples", "a test set that is closer to what the model will see"]
    }
  }

  /// The numbers, the diagnosis and the advice as text.
  public var description: String {
    let problem =
      switch diagnosis {
      case .bias: "bias is the larger problem"
      case .variance: "variance is the larger problem"
      case .neither: "neither bias nor variance is a problem"
      }
    let numbers =
      "\(measure): target \(percent(target)), training \(percent(training)), "
      + "validation \(percent(validation))"
    return "\(numbers)\navoidable bias \(percent(avoidableBias)), variance \(percent(variance)): "
      + "\(problem)\n" + advice.map { "  try \($0)" }.joined(separator: "\n")
  }
}

extension Trainer {
  /// The examples with the highest losses, worst first; a loss that is no number is the worst.
  ///
  /// Each example is a batch of its own here, so that the loss is the objective's own.
  public func worst(
    _ count: Int, on examples: any Examples, of term: String? = nil
  ) throws -> [WorstExample] {
    var all: [WorstExample] = []
    try evaluator.forEachBatch(of: examples, batch: 1) { index, loss, layout, batch, results in
      let loss = try term.flatMap { try results["loss.\($0)"]?.item() } ?? loss
      let predictions =
        layout.heads.isEmpty ? nil : try layout.predictions(of: term, batch, results)
      let hasClasses =
        predictions.map { $0.rows == 1 && ($0.isClassIndex || $0.targetWidth > 1) } ?? false
      guard let predictions, hasClasses else {
        all.append(
          WorstExample(index: index, loss: loss, label: nil, predicted: nil, probability: nil))
        return
      }
      let label = try predictions.label(0)
      all.append(
        WorstExample(
          index: index, loss: loss, label: label, predicted: predictions.predicted(0),
          probability: predictions.probability(of: label, row: 0)))
    }
    all.sort { a, b in
      if a.loss.isNaN != b.loss.isNaN { return a.loss.isNaN }
      return a.loss == b.loss || a.loss.isNaN ? a.index < b.index : a.loss > b.loss
    }
    return Array(all.prefix(max(0, count)))
  }

  /// Training and validation error beside the error that could be had.
  ///
  /// - Parameters:
  ///   - metric: A share, such as accuracy, whose error is 1 minus it; or an error such as MSE. The
  ///     objective's loss if nil.
  ///   - target: The error that could be had.
  /// - Throws: ``RunError`` without a validation set.
  public func biasVariance(
    _ metric: Metric? = nil, target: Double = 0
  ) throws -> BiasVarianceReport {
    guard let validation else {
      throw RunError(.input, "bias and variance need a validation set", at: "training")
    }
    func error(_ examples: any Examples) throws -> Double {
      let evaluation = try evaluate(examples, metrics: metric.map { [$0] } ?? [])
      guard let metric else { return evaluation.loss }
      let value = evaluation[metric.name] ?? .nan
      return metric.higherIsBetter ? 1 - value : value
    }
    let name = metric.map { $0.higherIsBetter ? "1 − \($0.name)" : $0.name } ?? "loss"
    return BiasVarianceReport(
      measure: name, training: try error(training), validation: try error(validation),
      target: target)
  }
}

extension Predictions {
  /// The probability of a class by softmax, of a score alone by the logistic function.
  func probability(of label: Int, row: Int) -> Double {
    let scores = scores(row)
    if width == 1 {
      let score = scores.first ?? 0
      return 1 / (1 + exponential(label == 1 ? -score : score))
    }
    let top = scores.max() ?? 0
    let total = scores.reduce(0) { $0 + exponential($1 - top) }
    return exponential(scores[scores.startIndex + label] - top) / total
  }
}
