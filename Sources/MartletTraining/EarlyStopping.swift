// Stopping when a measure no longer improves.

/// Ends a run when a measure has not improved for some epochs.
public struct EarlyStopping: Hashable, Sendable {
  /// What is watched; the validation loss, or without validation the training loss, if nil.
  public var measure: Measure?
  /// Epochs in a row without an improvement that are borne.
  public var patience: Int
  /// An improvement is better than the best by more than this.
  public var minimalChange: Double
  /// Whether the weights of the best epoch are put back at the end.
  public var restoresBest: Bool

  /// A rule.
  public init(
    measure: Measure? = nil, patience: Int = 5, minimalChange: Double = 0,
    restoresBest: Bool = true
  ) {
    self.measure = measure
    self.patience = patience
    self.minimalChange = minimalChange
    self.restoresBest = restoresBest
  }
}

/// The best value of a measure so far.
struct Best: Hashable {
  var value: Double?
  var epoch: Int?
  /// Epochs since then.
  var waited = 0

  /// Takes the value of an epoch; true when it is the best. A NaN never is.
  mutating func update(
    _ new: Double, epoch number: Int, rising: Bool, minimalChange: Double = 0
  ) -> Bool {
    let gain = value.map { rising ? new - $0 : $0 - new } ?? .infinity
    guard !new.isNaN, gain > minimalChange else {
      waited += 1
      return false
    }
    (value, epoch, waited) = (new, number, 0)
    return true
  }
}
