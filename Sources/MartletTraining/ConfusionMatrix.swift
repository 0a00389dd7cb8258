// How often each class was taken for each other.

import MartletExecution
import MartletIR
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

func exponential(_ x: Double) -> Double { exp(x) }

/// Counts of (target's class, predicted class).
public struct ConfusionMatrix: Hashable, Sendable, CustomStringConvertible {
  /// The number of classes.
  public let classCount: Int
  /// Row by row: the row is the target's class, the column the predicted one.
  public let counts: [Int]
  /// What to call the classes in text; numbers where empty.
  public var names: [String] = []

  /// Of outputs and targets that are at hand.
  public init(_ predictions: Predictions, threshold: Double = 0, names: [String] = []) throws {
    var sums: [Double] = []
    try ConfusionMatrix.add(predictions, threshold: threshold, to: &sums)
    self.init(sums)
    self.names = names
  }

  init(_ sums: [Double]) {
    classCount = Int(Double(sums.count).squareRoot())
    // The sums may come from a file.
    counts = sums.prefix(classCount * classCount).map { Int(exactly: $0) ?? 0 }
  }

  static func add(_ batch: Predictions, threshold: Double, to sums: inout [Double]) throws {
    let n = batch.classCount
    if sums.count != n * n { sums = [Double](repeating: 0, count: n * n) }
    for row in 0..<batch.rows {
      sums[try batch.label(row) * n + batch.predicted(row, threshold: threshold)] += 1
    }
  }

  /// Rows of class `target` that were predicted as `predicted`.
  public subscript(target: Int, predicted: Int) -> Int { counts[target * classCount + predicted] }

  /// Of one class against all others.
  struct Counts {
    var right = 0.0
    var wrong = 0.0
    var missed = 0.0
    mutating func add(_ other: Counts) {
      right += other.right
      wrong += other.wrong
      missed += other.missed
    }
    func ratio(of a: Double, to b: Double) -> Double { b == 0 ? 0 : a / b }
  }

  func counts(of index: Int) -> Counts {
    var result = Counts()
    for other in 0..<classCount {
      if other == index {
        result.right = Double(self[index, index])
      } else {
        result.wrong += Double(self[other, index])
        result.missed += Double(self[index, other])
      }
    }
    return result
  }

  /// The share of rows on the diagonal.
  public var accuracy: Double {
    let total = counts.reduce(0, +)
    let right = (0..<classCount).reduce(0) { $0 + self[$1, $1] }
    return total == 0 ? .nan : Double(right) / Double(total)
  }

  /// The pairs of classes that are taken for each other most, worst first.
  public func worst(_ count: Int) -> [(target: Int, predicted: Int, count: Int)] {
    var pairs: [(target: Int, predicted: Int, count: Int)] = []
    for target in 0..<classCount {
      for predicted in 0..<classCount where predicted != target && self[target, predicted] > 0 {
        pairs.append((target, predicted, self[target, predicted]))
      }
    }
    // Sorting is not stable; places decide between equal counts.
    let sorted = pairs.sorted {
      ($1.count, $0.target, $0.predicted) < ($0.count, $1.target, $1.predicted)
    }
    return Array(sorted.prefix(max(0, count)))
  }

  /// A table: a row for each target's class, a column for each predicted one, and each class' recall.
  public var description: String {
    let labels = (0..<classCount).map { $0 < names.count ? names[$0] : "\($0)" }
    let head = "target \\ predicted"
    let first = max(head.count, labels.map(\.count).max() ?? 0)
    let width = max(labels.map(\.count).max() ?? 1, counts.map { "\($0)".count }.max() ?? 1)
    func padded(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(0, width - text.count)) + text
    }
    var lines = [
      padded(head, first) + labels.map { "  " + padded($0, width) }.joined() + "  recall"
    ]
    for target in 0..<classCount {
      let row = (0..<classCount).map { self[target, $0] }
      let total = row.reduce(0, +)
      let recall = total == 0 ? "–" : percent(Double(self[target, target]) / Double(total))
      lines.append(
        padded(labels[target], first) + row.map { "  " + padded("\($0)", width) }.joined() + "  "
          + padded(recall, 6))
    }
    return lines.joined(separator: "\n")
  }
}

/// 0.98765 as `98.8 %`.
func percent(_ x: Double) -> String {
  guard x.isFinite, abs(x) < 1e6 else { return "\(x)" }
  let tenths = Int((x * 1000).rounded())
  return "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10) %"
}
