// When a run writes checkpoints, and which of them it keeps.

import MartletExecution

/// Checkpoints of a run: where, how often, how many.
///
/// The directory holds `step-0000000100` and so on, and `best`; each a directory of
/// `model.safetensors` (weights and running statistics), `training.safetensors` (optimizer state,
/// sums of the epoch's measures) and `checkpoint.json` (counters, schedules, history). Each appears
/// under its name all at once: a crash leaves it whole or not at all.
public struct CheckpointPolicy: Hashable, Sendable {
  /// How often.
  public enum Interval: Hashable, Sendable {
    /// After every n-th step of the run.
    case steps(Int)
    /// After every n-th epoch.
    case epochs(Int)
  }
  /// The directory; made where it does not exist. One run at a time may use it.
  public var directory: String
  /// How often; the end of the run, or an interruption, writes one in any case.
  public var every: Interval
  /// How many of the newest are kept.
  public var keepLast: Int
  /// Whether the best epoch's is kept as `best`.
  public var keepsBest: Bool
  /// What is best; early stopping's measure, else the validation loss, if nil.
  public var measure: Measure?
  /// Whether a run goes on from the newest checkpoint in the directory, if there is one.
  public var resumes: Bool

  /// A policy.
  public init(
    _ directory: String, every: Interval = .epochs(1), keepLast: Int = 2, keepsBest: Bool = true,
    measure: Measure? = nil, resumes: Bool = false
  ) {
    self.directory = directory
    self.every = every
    self.keepLast = keepLast
    self.keepsBest = keepsBest
    self.measure = measure
    self.resumes = resumes
  }
}
