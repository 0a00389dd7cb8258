// What a model said beside what it should have said, as numbers of the host.

import MartletExecution
import MartletIR

/// Outputs and targets of some examples, as metrics read them.
///
/// Classes: outputs `[…, C]` are logits or probabilities, targets `[…]` are indices of an integer
/// dtype, or `[…, C]`, whose largest element is the class. Outputs with one number for each target
/// are a binary classifier's score, or a regression's value.
public struct Predictions: Sendable {
  /// Row by row.
  public let outputs: [Double]
  /// Row by row.
  public let targets: [Double]
  /// Rows: an example has one, or one for each place of a sequence.
  public let rows: Int
  /// Numbers of the outputs in a row.
  public let width: Int
  /// Numbers of the targets in a row.
  public let targetWidth: Int
  /// Whether the targets are integers.
  public let isClassIndex: Bool

  /// Throws when the shapes do not belong together.
  public init(outputs: NDArray, targets: NDArray) throws(RunError) {
    let (o, t) = (outputs.shape.dimensions, targets.shape.dimensions)
    isClassIndex = targets.dtype.isInteger || targets.dtype == .bool
    let last = o.last ?? 1
    if outputs.count == targets.count {
      // One number each, [B] beside [B, 1] too, or a row of numbers beside a row of targets.
      width = o.count > 1 && o == t ? max(1, last) : 1
      targetWidth = width
    } else if last > 0, outputs.count == targets.count * last {
      width = last
      targetWidth = 1
    } else {
      throw RunError(
        .input, "a metric cannot compare outputs \(outputs.type) with targets \(targets.type)",
        at: "metrics", hint: "outputs […, classes] go with targets […] or […, classes]")
    }
    rows = outputs.count / max(1, width)
    self.outputs = outputs.doubles
    self.targets = targets.doubles
  }

  /// The numbers that a prediction has: the classes, or 2 for a score alone.
  public var classCount: Int { max(2, width) }

  /// The class of a row's target.
  ///
  /// Throws when it is none of the classes.
  public func label(_ row: Int) throws(RunError) -> Int {
    if targetWidth > 1 {
      return Predictions.largest(targets[(row * targetWidth)..<((row + 1) * targetWidth)])
    }
    let value = targets[row]
    guard value >= 0, value < Double(classCount), value == value.rounded() else {
      throw RunError(
        .range, "a target is \(value), which is none of \(classCount) classes", at: "metrics",
        hint: "classes count from 0; a metric for numbers is meanSquaredError")
    }
    return Int(value)
  }

  /// The class that a row's outputs name: the largest, or for a score alone whether it is above the
  /// threshold.
  public func predicted(_ row: Int, threshold: Double = 0) -> Int {
    if width == 1 { return outputs[row] > threshold ? 1 : 0 }
    return Predictions.largest(scores(row))
  }

  /// A row's outputs.
  public func scores(_ row: Int) -> ArraySlice<Double> {
    outputs[(row * width)..<((row + 1) * width)]
  }

  /// The place of the first NaN, else of the first largest element.
  static func largest(_ row: ArraySlice<Double>) -> Int {
    var best = row.startIndex
    for index in row.indices {
      if row[index].isNaN { return index - row.startIndex }
      if row[index] > row[best] { best = index }
    }
    return best - row.startIndex
  }
}
