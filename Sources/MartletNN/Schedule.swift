// Learning rates over time. A rate is an input of the step: changing it recompiles nothing.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The learning rate of each step or epoch, as a multiple of a base rate.
///
///     let schedule = Schedule.cosine(over: 1_000).warmUp(over: 100)
///     try step(x, y, learningRate: 1e-3 * schedule.factor(at: number))
///
/// Times count from 0, in steps or epochs: whatever `factor(at:)` is given.
public struct Schedule: Sendable {
  private let function: @Sendable (Double) -> Double

  /// A schedule of one's own: time, from 0, to factor.
  public init(_ function: @escaping @Sendable (_ time: Double) -> Double) {
    self.function = function
  }

  /// The multiple of the base rate at a time.
  public func factor(at time: Int) -> Double { function(Double(time)) }
  /// The multiple of the base rate at a time between two steps.
  public func factor(at time: Double) -> Double { function(time) }

  /// 1
  public static let constant = Schedule { _ in 1 }
  /// `1 / (1 + decay·t)`
  public static func inverseTime(decay: Double) -> Schedule { Schedule { 1 / (1 + decay * $0) } }
  /// `base^t`, such as 0.95 an epoch.
  public static func exponential(_ base: Double) -> Schedule { Schedule { pow(base, $0) } }
  /// `k / √t`, at t = 0 as at t = 1.
  public static func inverseSquareRoot(_ k: Double = 1) -> Schedule {
    Schedule { k / max(1, $0).squareRoot() }
  }
  /// `factor^⌊t / every⌋`
  public static func staircase(every: Int, factor: Double) -> Schedule {
    Schedule { pow(factor, ($0 / Double(max(1, every))).rounded(.down)) }
  }
  /// `factor^n` after n of the milestones have been reached.
  public static func milestones(_ times: [Int], factor: Double) -> Schedule {
    Schedule { time in
      pow(factor, Double(times.reduce(0) { Double($1) <= time ? $0 + 1 : $0 }))
    }
  }
  /// From `start` to `end` in equal steps over a time, then constant.
  public static func linear(from start: Double = 1, to end: Double = 0, over time: Int) -> Schedule
  {
    Schedule { start + (end - start) * progress($0, time) }
  }
  /// `end + (1 − end)(1 − t/T)^power` until T, then constant.
  public static func polynomial(power: Double, to end: Double = 0, over time: Int) -> Schedule {
    Schedule { end + (1 - end) * pow(1 - progress($0, time), power) }
  }
  /// `end + (1 − end)·½(1 + cos(πt/T))` until T, then constant (Loshchilov and Hutter 2017).
  public static func cosine(to end: Double = 0, over time: Int) -> Schedule {
    Schedule { end + (1 - end) * 0.5 * (1 + cos(.pi * progress($0, time))) }
  }
  /// Cosine with warm restarts (SGDR): the first cycle takes a time, each later one `multiplier`
  /// times as long as the one before.
  public static func cosineRestarts(
    to end: Double = 0, first time: Int, multiplier: Int = 1
  ) -> Schedule {
    Schedule { t in
      var length = Double(max(1, time))
      var rest = t
      while rest >= length {
        rest -= length
        length *= Double(max(1, multiplier))
      }
      return end + (1 - end) * 0.5 * (1 + cos(.pi * rest / length))
    }
  }
  /// One cycle (Smith and Topin 2018), with cosine ramps as in PyTorch: from `1/divisor` to 1 in the
  /// first `rise` of the time, then to `1/(divisor·finalDivisor)`.
  public static func oneCycle(
    over time: Int, rise: Double = 0.3, divisor: Double = 25, finalDivisor: Double = 1e4
  ) -> Schedule {
    Schedule { t in
      func ramp(_ from: Double, _ to: Double, _ x: Double) -> Double {
        to + (from - to) * 0.5 * (1 + cos(.pi * min(1, max(0, x))))
      }
      let top = rise * Double(time) - 1
      let last = Double(time) - 1
      if t <= top { return ramp(1 / divisor, 1, top > 0 ? t / top : 1) }
      return ramp(1, 1 / (divisor * finalDivisor), last > top ? (t - top) / (last - top) : 1)
    }
  }

  /// Preceded by a linear rise from `start` over a time; this schedule then begins at its 0.
  public func warmUp(over time: Int, from start: Double = 0) -> Schedule {
    let after = function
    let length = Double(max(1, time))
    return Schedule { t in
      t < length ? (start + (1 - start) * t / length) * after(0) : after(t - length)
    }
  }
  /// This schedule until a time, then another one from its own 0.
  public func followed(at time: Int, by next: Schedule) -> Schedule {
    let (before, after, change) = (function, next.function, Double(time))
    return Schedule { $0 < change ? before($0) : after($0 - change) }
  }
  /// The product of two schedules.
  public static func * (a: Schedule, b: Schedule) -> Schedule {
    Schedule { a.function($0) * b.function($0) }
  }

  private static func progress(_ time: Double, _ whole: Int) -> Double {
    min(1, max(0, time / Double(max(1, whole))))
  }
}

/// Lowers the rate when a measure has stopped falling (`ReduceLROnPlateau`).
public struct Plateau: Sendable {
  /// The rate is multiplied by this at a plateau.
  public var factor: Double
  /// Measurements without an improvement that are borne.
  public var patience: Int
  /// What counts as one: below the best by this fraction of it.
  public var threshold: Double
  /// The smallest multiple of the base rate.
  public var minimum: Double
  /// The multiple of the base rate now.
  public private(set) var rate = 1.0
  private var best = Double.infinity
  private var waited = 0

  /// A rule with PyTorch's usual numbers.
  public init(
    factor: Double = 0.1, patience: Int = 10, threshold: Double = 1e-4, minimum: Double = 0
  ) {
    self.factor = factor
    self.patience = patience
    self.threshold = threshold
    self.minimum = minimum
  }

  /// Takes a measurement, such as a validation loss, and gives the multiple of the base rate.
  ///
  /// With `rising`, for accuracies, an improvement is a rise by the threshold's fraction of the best.
  public mutating func update(_ measure: Double, rising: Bool = false) -> Double {
    let improved =
      rising ? measure > best * (1 + threshold) : measure < best * (1 - threshold)
    if improved || best == .infinity && measure.isFinite {
      best = measure
      waited = 0
    } else {
      waited += 1
      if waited > patience {
        rate = max(minimum, rate * factor)
        waited = 0
      }
    }
    return rate
  }

  /// What measurements have made of it, for a checkpoint: rate, best, epochs waited.
  package var memory: [Double] {
    get { [rate, best, Double(waited)] }
    set {
      guard newValue.count == 3, let waits = Int(exactly: newValue[2]) else { return }
      (rate, best, waited) = (newValue[0], newValue[1], waits)
    }
  }
}
