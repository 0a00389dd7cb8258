// Hooks of a training run.

import MartletExecution

/// One step of a run, after its update.
public struct StepReport: Sendable {
  /// The number of steps done, this one included.
  public let step: Int
  /// The steps of the whole run.
  public let totalSteps: Int
  /// The epoch, from 0.
  public let epoch: Int
  /// The batch within the epoch, from 0.
  public let batch: Int
  /// The batches of an epoch.
  public let batchesPerEpoch: Int
  /// The examples of the batch.
  public let examples: Int
  /// The loss before the update.
  public let loss: Double
  let measures: RunningMeasures
  /// The rate that the step was taken with.
  public let learningRate: Double
  /// Gradients and activations, in the steps that tell of them.
  public let observation: Observation?

  /// Losses and metrics over the epoch so far; computed when asked for.
  public var running: Measures { measures.measures }
}

/// Something that follows a run, and may stop it with ``Trainer/stop(because:)``.
///
/// What throws ends the run with that error. Every hook does nothing unless it is written.
public protocol Callback {
  /// Before the first step of this call of ``Trainer/run()``.
  func begin(_ trainer: Trainer) throws
  /// After a step. Reading the model's values here is allowed, and costs a copy.
  func step(_ trainer: Trainer, _ report: StepReport) throws
  /// After an epoch and its validation.
  func epoch(_ trainer: Trainer, _ record: EpochRecord) throws
  /// After the last step, with the weights that the run leaves.
  func end(_ trainer: Trainer, _ history: History) throws
}

extension Callback {
  /// Nothing.
  public func begin(_ trainer: Trainer) throws {}
  /// Nothing.
  public func step(_ trainer: Trainer, _ report: StepReport) throws {}
  /// Nothing.
  public func epoch(_ trainer: Trainer, _ record: EpochRecord) throws {}
  /// Nothing.
  public func end(_ trainer: Trainer, _ history: History) throws {}
}
