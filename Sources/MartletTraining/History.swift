// What a run leaves behind: numbers for each epoch, and how it ended.

import MartletNN

/// Numbers by name, in the order in which they were computed.
public struct Measures: Hashable, Sendable, Sequence, ExpressibleByDictionaryLiteral {
  private var pairs: [Pair] = []
  /// A name and its number.
  public struct Pair: Hashable, Sendable {
    /// Such as `accuracy`.
    public var name: String
    /// The number.
    public var value: Double
  }
  /// None, or some.
  public init(dictionaryLiteral elements: (String, Double)...) {
    for (name, value) in elements { self[name] = value }
  }
  /// The number of that name.
  public subscript(name: String) -> Double? {
    get { pairs.first { $0.name == name }?.value }
    set {
      let place = pairs.firstIndex { $0.name == name }
      switch (place, newValue) {
      case (let place?, let value?): pairs[place].value = value
      case (let place?, nil): pairs.remove(at: place)
      case (nil, let value?): pairs.append(Pair(name: name, value: value))
      case (nil, nil): break
      }
    }
  }
  /// The names in order.
  public var names: [String] { pairs.map(\.name) }
  /// Name and number, in order.
  public func makeIterator() -> IndexingIterator<[Pair]> { pairs.makeIterator() }
  /// Equal bit for bit, so that no number equals itself here.
  public static func == (a: Measures, b: Measures) -> Bool {
    a.pairs.count == b.pairs.count
      && zip(a.pairs, b.pairs).allSatisfy {
        $0.name == $1.name && $0.value.bitPattern == $1.value.bitPattern
      }
  }
  /// By name and bits.
  public func hash(into hasher: inout Hasher) {
    for pair in pairs {
      hasher.combine(pair.name)
      hasher.combine(pair.value.bitPattern)
    }
  }
}

/// One epoch of a run.
public struct EpochRecord: Hashable, Sendable {
  /// The epoch, from 0.
  public var epoch: Int
  /// Steps of the run until its end.
  public var steps: Int
  /// The learning rate of its last step.
  public var learningRate: Double
  /// `loss` and metrics over the epoch's batches, each as it was before its update.
  public var training: Measures
  /// `loss` and metrics over the validation set after the epoch; empty without one.
  public var validation: Measures
  /// Wall time, validation included.
  public var seconds: Double

  /// A measure of the epoch.
  public subscript(measure: Measure) -> Double? {
    measure.part == .training ? training[measure.name] : validation[measure.name]
  }
}

/// What a step told of gradients and activations: ``TrainerOptions/observes``.
public struct Observation: Hashable, Sendable {
  /// The step, from 1.
  public let step: Int
  /// The L2 norm of each layer's gradients.
  public let gradientNorms: [String: Double]
  /// What each layer gave.
  public let activations: [String: ActivationStatistics]
}

/// What a run has done, epoch by epoch, and how it ended.
public struct History: Sendable {
  /// How a run ended.
  public enum Outcome: Hashable, Sendable {
    /// It has not ended: as a checkpoint holds it.
    case running
    /// All epochs are done.
    case completed
    /// Early stopping, or a callback, ended it, for a reason.
    case stopped(String)
    /// The caller asked for it, by a signal for one; a checkpoint was written where there is a place.
    case interrupted
  }
  /// The epochs that were completed.
  public internal(set) var epochs: [EpochRecord] = []
  /// How it ended.
  public internal(set) var outcome = Outcome.running
  /// Steps done, those before a resumption included.
  public internal(set) var steps = 0
  /// The epoch with the best value of the watched measure, where there is one.
  public internal(set) var bestEpoch: Int?
  /// True when the weights of the best epoch were put back.
  public internal(set) var restoredBest = false
  /// Wall time of this call of `run`, without compilation.
  public internal(set) var seconds = 0.0
  /// The newest checkpoint written, if any.
  public internal(set) var checkpoint: String?

  /// What steps told of gradients and activations. Checkpoints hold the last of them.
  public internal(set) var observations: [Observation] = []

  /// Nothing yet.
  public init() {}

  /// A measure over the epochs.
  public subscript(measure: Measure) -> [Double] { epochs.compactMap { $0[measure] } }
  /// The last epoch.
  public var last: EpochRecord? { epochs.last }
}
