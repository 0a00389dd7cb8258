// Trials: what was tried, how it went, and when one is not worth its end.

/// One try of a search.
package struct Trial: Hashable, Sendable {
  package enum State: String, Hashable, Sendable { case running, done, pruned, failed }
  /// From 0, in the order of the start.
  package var number: Int
  /// A value for each axis, in the order of the axes.
  package var values: [AxisValue]
  package var state = State.running
  /// The watched number after each epoch.
  package var curve: [Double] = []
  /// The watched number at the end.
  package var value: Double?
  package var seconds = 0.0
  /// Why it failed.
  package var message: String?

  package init(number: Int, values: [AxisValue]) {
    self.number = number
    self.values = values
  }

  /// What is compared, the smaller the better; nil while there is nothing to compare. A pruned trial
  /// counts with what it had reached; one that failed or came to no number is worst of all.
  package func score(rising: Bool) -> Double? {
    switch state {
    case .running: return nil
    case .failed: return .infinity
    case .done, .pruned:
      guard let value = value ?? curve.last, !value.isNaN else { return .infinity }
      return rising ? -value : value
    }
  }
}

package enum MedianPruning {
  /// Trials that must have ended, and epochs of this one, before any is pruned.
  static let startup = 5
  static let warmUp = 2

  /// Whether a trial is worse than the median of the others: its best number so far against their
  /// best up to the same epoch (Golovin et al. 2017, in the form without running averages).
  package static func prunes(_ trial: Trial, among others: [Trial], rising: Bool) -> Bool {
    let epoch = trial.curve.count
    guard epoch >= warmUp else { return false }
    func best(_ curve: [Double]) -> Double {
      let numbers = curve.prefix(epoch).filter { !$0.isNaN }
      return (rising ? numbers.map { -$0 } : numbers).min() ?? .infinity
    }
    let rivals = others.filter {
      $0.number != trial.number && $0.state != .running && $0.curve.count >= epoch
    }.map { best($0.curve) }.sorted()
    guard rivals.count >= startup else { return false }
    let middle = rivals.count / 2
    let median =
      rivals.count % 2 == 1 ? rivals[middle] : (rivals[middle - 1] + rivals[middle]) / 2
    return best(trial.curve) > median
  }
}
