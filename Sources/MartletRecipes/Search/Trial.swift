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

/// Which trials are ended before their last epoch.
package enum Pruning: Hashable, Sendable {
  case none
  /// ``MedianPruning``
  case median
  /// ``SuccessiveHalving``: the first rung in epochs, and by how much each next one is longer.
  case halving(first: Int, factor: Int)

  func prunes(_ trial: Trial, among others: [Trial], rising: Bool) -> Bool {
    switch self {
    case .none: false
    case .median: MedianPruning.prunes(trial, among: others, rising: rising)
    case .halving(let first, let factor):
      SuccessiveHalving.prunes(trial, among: others, rising: rising, first: first, factor: factor)
    }
  }
}

/// Asynchronous successive halving (ASHA; Li et al. 2020), in the form without pauses: rungs are at
/// r, rη, rη², … epochs, and a trial goes on past a rung only while its number there is among the best
/// 1/η of those that have come so far. Nobody waits for a rung to fill up, so that workers are never
/// idle; the first at a rung always go on. Of n trials about n/ηᵏ see the k-th rung.
package enum SuccessiveHalving {
  /// Whether a trial ends at the epoch that it has just reached.
  package static func prunes(
    _ trial: Trial, among others: [Trial], rising: Bool, first: Int, factor: Int
  ) -> Bool {
    let epoch = trial.curve.count
    guard factor > 1, isRung(epoch, first, factor), let last = trial.curve.last else {
      return false
    }
    // What is no number is worse than all numbers.
    if last.isNaN { return true }
    func score(_ value: Double) -> Double { value.isNaN ? .infinity : rising ? -value : value }
    let all =
      (others.filter { $0.number != trial.number && $0.curve.count >= epoch }.map {
        score($0.curve[epoch - 1])
      } + [score(last)]).sorted()
    return score(last) > all[max(1, all.count / factor) - 1]
  }

  private static func isRung(_ epoch: Int, _ first: Int, _ factor: Int) -> Bool {
    var rung = max(1, first)
    while rung < epoch, rung <= Int.max / factor { rung *= factor }
    return rung == epoch
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
