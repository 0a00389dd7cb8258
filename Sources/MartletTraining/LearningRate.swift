// The learning rate of each step of a run.

import MartletNN

/// One of the numbers that a run keeps for each epoch: `loss`, `accuracy`, a term's loss.
public struct Measure: Hashable, Sendable, CustomStringConvertible {
  /// Which examples it was computed on.
  public enum Part: String, Hashable, Sendable { case training, validation }
  /// Which examples it was computed on.
  public var part: Part
  /// `loss`, a metric's name, or a term's name followed by ` loss`.
  public var name: String
  /// A measure on the training batches, while they were trained on.
  public static func training(_ name: String) -> Measure { Measure(part: .training, name: name) }
  /// A measure on the validation set, after the epoch.
  public static func validation(_ name: String) -> Measure {
    Measure(part: .validation, name: name)
  }
  /// Such as `validation loss`.
  public var description: String { "\(part.rawValue) \(name)" }
}

/// How the optimizer's learning rate changes over a run; an input of each step.
///
///     .perStep { .cosine(over: $0).warmUp(over: 100) }       // $0: the steps of the whole run
///     .perEpoch(.exponential(0.95))
///     .plateau(Plateau(factor: 0.5, patience: 3))             // watches the validation loss
public struct LearningRateSchedule: Sendable {
  /// What the schedule's time counts.
  public enum Unit: Hashable, Sendable { case step, epoch }
  /// What the schedule's time counts.
  public var unit: Unit
  /// The schedule, from the number of steps or epochs of the run.
  public var schedule: @Sendable (_ total: Int) -> Schedule
  /// A rule that lowers the rate further when a measure has stopped improving.
  public var plateau: Plateau?
  /// What the rule watches; the validation loss, or without validation the training loss, if nil.
  public var measure: Measure?

  /// The optimizer's rate throughout.
  public static let constant = LearningRateSchedule(unit: .epoch, schedule: { _ in .constant })
  /// A schedule over the steps of the run.
  public static func perStep(_ schedule: Schedule) -> LearningRateSchedule {
    LearningRateSchedule(unit: .step, schedule: { _ in schedule })
  }
  /// A schedule over the steps of the run, made from their number.
  public static func perStep(
    _ schedule: @escaping @Sendable (_ total: Int) -> Schedule
  ) -> LearningRateSchedule { LearningRateSchedule(unit: .step, schedule: schedule) }
  /// A schedule over the epochs of the run, counted from 0.
  public static func perEpoch(_ schedule: Schedule) -> LearningRateSchedule {
    LearningRateSchedule(unit: .epoch, schedule: { _ in schedule })
  }
  /// A rate that falls when a measure has stopped improving.
  public static func plateau(
    _ plateau: Plateau = Plateau(), of measure: Measure? = nil
  ) -> LearningRateSchedule { constant.lowered(at: plateau, of: measure) }

  /// This schedule, times the factor of a plateau rule.
  public func lowered(at plateau: Plateau, of measure: Measure? = nil) -> LearningRateSchedule {
    var copy = self
    copy.plateau = plateau
    copy.measure = measure
    return copy
  }
}
