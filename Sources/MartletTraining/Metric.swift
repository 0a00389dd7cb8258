// Numbers that say how good a model is, computed over a whole set.

import MartletExecution
import MartletIR

/// A number computed from outputs and targets of a whole set: not the mean of batches' numbers.
///
/// A metric adds up what it needs batch by batch; the sums are saved in checkpoints.
public struct Metric: Sendable {
  /// What it is called in ``Measures``.
  public let name: String
  /// True for accuracy, false for an error.
  public let higherIsBetter: Bool
  /// The term of the objective that it reads; the first with outputs and targets if nil.
  public var term: String?
  package let add: @Sendable (Predictions, inout [Double]) throws -> Void
  package let value: @Sendable ([Double]) -> Double

  /// A metric from its sums: `add` takes a batch, `value` makes the number; the sums begin empty.
  public init(
    _ name: String, higherIsBetter: Bool,
    add: @escaping @Sendable (_ batch: Predictions, _ sums: inout [Double]) throws -> Void,
    value: @escaping @Sendable (_ sums: [Double]) -> Double
  ) {
    self.name = name
    self.higherIsBetter = higherIsBetter
    self.add = add
    self.value = value
  }

  /// The same metric of another term of the objective, named `TERM NAME`.
  public func of(_ term: String) -> Metric {
    var copy = Metric("\(term) \(name)", higherIsBetter: higherIsBetter, add: add, value: value)
    copy.term = term
    return copy
  }

  /// The metric of outputs and targets that are at hand.
  public func callAsFunction(_ predictions: Predictions) throws -> Double {
    var sums: [Double] = []
    try add(predictions, &sums)
    return value(sums)
  }
}

// MARK: - Classification

extension Metric {
  /// How a number for each class becomes one number.
  public enum Average: String, Hashable, Sendable {
    /// That of class 1, of two.
    case binary
    /// From the counts of all classes together.
    case micro
    /// The mean over the classes, each counting the same. A class that is neither predicted nor a
    /// target counts if the outputs have a number for it.
    case macro
  }

  /// The share of rows whose predicted class is the target's.
  ///
  /// A single score predicts class 1 above `threshold`: 0 fits logits, 0.5 probabilities.
  public static func accuracy(threshold: Double) -> Metric {
    Metric("accuracy", higherIsBetter: true) { batch, sums in
      if sums.count != 2 { sums = [0, 0] }
      for row in 0..<batch.rows
      where try batch.predicted(row, threshold: threshold) == batch.label(row) { sums[0] += 1 }
      sums[1] += Double(batch.rows)
    } value: {
      ratio($0.first ?? 0, $0.last ?? 0)
    }
  }
  /// ``accuracy(threshold:)`` for logits or class scores.
  public static let accuracy = Metric.accuracy(threshold: 0)

  /// The share of rows whose target is among the k largest outputs; of equal ones the first count.
  public static func topK(_ k: Int) -> Metric {
    Metric("top-\(k) accuracy", higherIsBetter: true) { batch, sums in
      if sums.count != 2 { sums = [0, 0] }
      for row in 0..<batch.rows {
        let label = try batch.label(row)
        let scores = batch.scores(row)
        guard label < scores.count else { continue }
        let own = scores[scores.startIndex + label]
        var ahead = 0
        for (index, score) in scores.enumerated()
        where score.isNaN || score > own || score == own && index < label { ahead += 1 }
        if ahead < k, !own.isNaN { sums[0] += 1 }
      }
      sums[1] += Double(batch.rows)
    } value: {
      ratio($0.first ?? 0, $0.last ?? 0)
    }
  }

  /// Of the rows predicted to be of a class, the share that is; 0 where none is predicted.
  public static func precision(_ average: Average = .macro, threshold: Double = 0) -> Metric {
    counted("precision", average, threshold) { $0.ratio(of: $0.right, to: $0.right + $0.wrong) }
  }
  /// Of the rows of a class, the share that is predicted to be; 0 where there is none.
  public static func recall(_ average: Average = .macro, threshold: Double = 0) -> Metric {
    counted("recall", average, threshold) { $0.ratio(of: $0.right, to: $0.right + $0.missed) }
  }
  /// `2·right / (2·right + wrong + missed)`: the harmonic mean of precision and recall.
  public static func f1(_ average: Average = .macro, threshold: Double = 0) -> Metric {
    counted("F1", average, threshold) {
      $0.ratio(of: 2 * $0.right, to: 2 * $0.right + $0.wrong + $0.missed)
    }
  }

  private static func counted(
    _ name: String, _ average: Average, _ threshold: Double,
    _ measure: @escaping @Sendable (ConfusionMatrix.Counts) -> Double
  ) -> Metric {
    Metric("\(average == .binary ? "" : "\(average.rawValue) ")\(name)", higherIsBetter: true) {
      batch, sums in
      try ConfusionMatrix.add(batch, threshold: threshold, to: &sums)
    } value: { sums in
      let matrix = ConfusionMatrix(sums)
      switch average {
      case .binary: return matrix.classCount > 1 ? measure(matrix.counts(of: 1)) : 0
      case .macro:
        let all = (0..<matrix.classCount).map { measure(matrix.counts(of: $0)) }
        return ratio(all.reduce(0, +), Double(all.count))
      case .micro:
        var total = ConfusionMatrix.Counts()
        for index in 0..<matrix.classCount { total.add(matrix.counts(of: index)) }
        return measure(total)
      }
    }
  }

  /// The area under the receiver operating characteristic: the probability that a row of class 1
  /// scores higher than one of class 0, equal scores counting half. With more than two classes the
  /// mean over the classes, each against all others, by softmax of the outputs. NaN where a class
  /// has no row, or all.
  public static let auc = Metric("AUC", higherIsBetter: true) { batch, sums in
    if sums.first != Double(batch.classCount) { sums = [Double(batch.classCount)] }
    for row in 0..<batch.rows {
      let scores = batch.scores(row)
      sums.append(Double(try batch.label(row)))
      switch batch.width {
      case 1: sums.append(scores[scores.startIndex])
      case 2: sums.append(scores[scores.startIndex + 1] - scores[scores.startIndex])
      default:
        let top = scores.max() ?? 0
        let powers = scores.map { exponential($0 - top) }
        let total = powers.reduce(0, +)
        sums += powers.map { $0 / total }
      }
    }
  } value: { sums in
    // The sums may come from a file.
    let classes = sums.first.flatMap { Int(exactly: $0) } ?? 2
    guard classes >= 2, classes <= sums.count else { return .nan }
    let stride = classes > 2 ? classes + 1 : 2
    let rows = (sums.count - 1) / stride
    guard rows > 0 else { return .nan }
    let areas = (classes > 2 ? Array(0..<classes) : [1]).map { index in
      area(
        (0..<rows).map { row in
          let start = 1 + row * stride
          return (sums[start + 1 + (classes > 2 ? index : 0)], sums[start] == Double(index))
        })
    }
    return areas.reduce(0, +) / Double(areas.count)
  }

  /// From the ranks of the positive rows, equal scores sharing the mean of theirs (Mann and Whitney).
  private static func area(_ rows: [(score: Double, isPositive: Bool)]) -> Double {
    if rows.contains(where: \.score.isNaN) { return .nan }
    let sorted = rows.sorted { $0.score < $1.score }
    let positives = Double(rows.count { $0.isPositive })
    let negatives = Double(rows.count) - positives
    guard positives > 0, negatives > 0 else { return .nan }
    var ranks = 0.0
    var start = 0
    while start < sorted.count {
      var end = start
      var found = 0
      while end < sorted.count, sorted[end].score == sorted[start].score {
        if sorted[end].isPositive { found += 1 }
        end += 1
      }
      ranks += Double(found) * Double(start + end + 1) / 2
      start = end
    }
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)
  }
}

// MARK: - Regression

extension Metric {
  /// The mean of the squared differences.
  public static let meanSquaredError = Metric.mean("MSE") { $0 * $0 }
  /// The root of the mean of the squared differences.
  public static let rootMeanSquaredError = Metric("RMSE", higherIsBetter: false) { batch, sums in
    try meanSquaredError.add(batch, &sums)
  } value: {
    meanSquaredError.value($0).squareRoot()
  }
  /// The mean of the absolute differences.
  public static let meanAbsoluteError = Metric.mean("MAE") { abs($0) }

  private static func mean(
    _ name: String, _ error: @escaping @Sendable (Double) -> Double
  ) -> Metric {
    Metric(name, higherIsBetter: false) { batch, sums in
      if sums.count != 2 { sums = [0, 0] }
      try comparable(batch)
      for (output, target) in zip(batch.outputs, batch.targets) {
        sums[0] += error(output - target)
      }
      sums[1] += Double(batch.outputs.count)
    } value: {
      ratio($0.first ?? 0, $0.last ?? 0)
    }
  }

  /// The coefficient of determination, `1 − Σ(y − ŷ)² / Σ(y − ȳ)²`; of several columns the mean of
  /// theirs. A constant column counts 1 where it is met exactly, else 0.
  public static let rSquared = Metric("R²", higherIsBetter: true) { batch, sums in
    try comparable(batch)
    let width = batch.width
    // Rows, then mean, Σ(y − ȳ)² and Σ(y − ŷ)² of each column, by Welford's updates.
    if sums.count != 1 + 3 * width { sums = [Double](repeating: 0, count: 1 + 3 * width) }
    for row in 0..<batch.rows {
      sums[0] += 1
      for column in 0..<width {
        let (output, target) = (
          batch.outputs[row * width + column], batch.targets[row * width + column]
        )
        let place = 1 + 3 * column
        let before = target - sums[place]
        sums[place] += before / sums[0]
        sums[place + 1] += before * (target - sums[place])
        sums[place + 2] += (target - output) * (target - output)
      }
    }
  } value: { sums in
    let columns = (sums.count - 1) / 3
    let values = (0..<max(0, columns)).map { column -> Double in
      let (total, residual) = (sums[2 + 3 * column], sums[3 + 3 * column])
      if total == 0 { return residual == 0 ? 1 : 0 }
      return 1 - residual / total
    }
    return ratio(values.reduce(0, +), Double(values.count))
  }

  private static func comparable(_ batch: Predictions) throws(RunError) {
    guard batch.width == batch.targetWidth else {
      throw RunError(
        .input,
        "a regression's metric needs as many targets as outputs: rows of "
          + "\(batch.width) outputs, \(batch.targetWidth) targets", at: "metrics")
    }
  }
}

private func ratio(_ a: Double, _ b: Double) -> Double { b == 0 ? .nan : a / b }
