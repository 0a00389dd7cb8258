// Optimizers and schedules of a recipe → those of MartletNN.

import MartletIR
import MartletNN

package enum OptimizerBuilder {
  /// The rule and what is done around it.
  package static func optimizer(
    _ fields: CheckedFields?, regularization: CheckedFields?
  ) -> any Optimizer {
    guard let fields else { return policy(Adam(), nil, regularization) }
    return policy(rule(fields), fields, regularization)
  }

  private static func rule(_ f: CheckedFields) -> any Optimizer {
    let rate = f.number("learningRate")
    let form: Momentum.Form? =
      switch f.text("form") {
      case "scaledVelocity": .scaledVelocity
      case "velocity": .velocity
      case "accumulated": .accumulated
      case "exponentialAverage": .exponentialAverage
      default: nil
      }
    let place: EpsilonPlace = f.text("epsilonPlace") == "outsideRoot" ? .outsideRoot : .insideRoot
    let (beta1, beta2) = (f.number("beta1") ?? 0.9, f.number("beta2") ?? 0.999)
    let epsilon = f.number("epsilon")
    switch f.name {
    case "sgd": return SGD(learningRate: rate ?? 0.01)
    case "momentum":
      return Momentum(
        learningRate: rate ?? 0.01, momentum: f.number("momentum") ?? 0.9,
        form: form ?? .scaledVelocity)
    case "nesterov":
      return Nesterov(
        learningRate: rate ?? 0.01, momentum: f.number("momentum") ?? 0.9, form: form ?? .velocity)
    case "adagrad":
      return AdaGrad(learningRate: rate ?? 0.01, epsilon: epsilon ?? 1e-10, epsilonPlace: place)
    case "rmsprop":
      return RMSProp(
        learningRate: rate ?? 0.01, decay: f.number("decay") ?? 0.99,
        momentum: f.number("momentum") ?? 0, epsilon: epsilon ?? 1e-8, epsilonPlace: place,
        correctsBias: f.boolean("correctsBias") ?? false, centered: f.boolean("centered") ?? false)
    case "adadelta":
      return Adadelta(
        learningRate: rate ?? 1, decay: f.number("decay") ?? 0.9, epsilon: epsilon ?? 1e-6)
    case "adamw":
      let decay = f.fields("weightDecay")
      return AdamW(
        learningRate: rate ?? 1e-3, beta1: beta1, beta2: beta2, epsilon: epsilon ?? 1e-8,
        weightDecay: decay == nil ? 0.01 : 0)
    case "nadam":
      return NAdam(
        learningRate: rate ?? 2e-3, beta1: beta1, beta2: beta2, epsilon: epsilon ?? 1e-8,
        momentumDecay: f.number("momentumDecay") ?? 4e-3)
    case "lion":
      return Lion(learningRate: rate ?? 1e-4, beta1: beta1, beta2: f.number("beta2") ?? 0.99)
    default:
      return Adam(
        learningRate: rate ?? 1e-3, beta1: beta1, beta2: beta2, epsilon: epsilon ?? 1e-8)
    }
  }

  private static func selection(_ text: String?) -> ParameterSelection {
    switch text {
    case nil, "weights": .weights
    case "all": .all
    case .some(let path): .path(path)
    }
  }

  private static func policy(
    _ rule: any Optimizer, _ fields: CheckedFields?, _ regularization: CheckedFields?
  ) -> any Optimizer {
    var result = rule
    if let decay = fields?.fields("weightDecay"), let rate = decay.number("rate"), rate > 0 {
      let form: UpdatePolicy.Decay.Form =
        switch decay.text("form") {
        case "l2": .l2
        case "l1": .l1
        default: .decoupled
        }
      result = weightDecay(result, rate, form, selection(decay.text("of")))
    }
    if let clipping = fields?.fields("clipping") { result = clipped(result, clipping) }
    for group in fields?.sections("groups") ?? [] {
      result = scaled(result, selection(group.text("of")), group.number("times") ?? 1)
    }
    for (name, form) in [("l1", UpdatePolicy.Decay.Form.l1), ("l2", .l2)] {
      if let rate = regularization?.number(name), rate > 0 {
        result = weightDecay(result, rate, form, .weights)
      }
    }
    if let norm = regularization?.number("maxNorm") { result = limited(result, norm) }
    if let count = fields?.integer("accumulate"), count > 1 { result = accumulating(result, count) }
    if let decay = fields?.number("averageWeights") { result = averaging(result, decay) }
    return result
  }

  // The modifiers, with the optimizer's own type opened.
  private static func weightDecay<O: Optimizer>(
    _ rule: O, _ rate: Double, _ form: UpdatePolicy.Decay.Form, _ selection: ParameterSelection
  ) -> any Optimizer { rule.weightDecay(rate, form: form, of: selection) }
  private static func clipped<O: Optimizer>(_ rule: O, _ clipping: CheckedFields) -> any Optimizer {
    if let c = clipping.number("value") { return rule.clipping(value: c) }
    if let c = clipping.number("norm") { return rule.clipping(norm: c) }
    if let c = clipping.number("globalNorm") { return rule.clipping(globalNorm: c) }
    return rule
  }
  private static func scaled<O: Optimizer>(
    _ rule: O, _ selection: ParameterSelection, _ scale: Double
  ) -> any Optimizer { rule.learningRate(of: selection, times: scale) }
  private static func limited<O: Optimizer>(_ rule: O, _ norm: Double) -> any Optimizer {
    rule.maxNorm(norm)
  }
  private static func accumulating<O: Optimizer>(_ rule: O, _ count: Int) -> any Optimizer {
    rule.accumulating(count)
  }
  private static func averaging<O: Optimizer>(_ rule: O, _ decay: Double) -> any Optimizer {
    rule.averagingWeights(decay: decay)
  }

  // MARK: - Schedules

  /// The factor on the rate at each step; nil for `plateau`, which ``plateau(_:)`` reads.
  ///
  /// What jumps stays the same during an epoch when its unit is epochs; what runs smoothly changes
  /// from step to step.
  package static func schedule(
    _ fields: CheckedFields?, stepsPerEpoch: Int, epochs: Int, from begin: Int = 0
  ) -> Schedule? {
    guard let f = fields else { return .constant }
    if f.name == "plateau" { return nil }
    let perEpoch = max(1, stepsPerEpoch)
    let inSteps = f.text("unit") == "steps"
    func steps(_ time: Double) -> Int { Int(inSteps ? time : time * Double(perEpoch)) }
    let warmUp = steps(f.number("warmUp") ?? 0)
    let rest = max(1, perEpoch * epochs - begin - warmUp)
    let over = f.number("over").map(steps) ?? rest
    let to = f.number("to") ?? 0
    /// One that counts epochs, by whole ones.
    func stepped(_ schedule: Schedule) -> Schedule {
      guard !inSteps else { return schedule }
      return Schedule { schedule.factor(at: ($0 / Double(perEpoch)).rounded(.down)) }
    }
    let factor = f.number("factor") ?? 0.1
    var schedule = Schedule.constant
    switch f.name {
    case "inverseTime": schedule = stepped(.inverseTime(decay: f.number("decay") ?? 0))
    case "exponential": schedule = stepped(.exponential(f.number("base") ?? 1))
    case "inverseSquareRoot": schedule = stepped(.inverseSquareRoot(f.number("k") ?? 1))
    case "staircase":
      schedule = .staircase(every: max(1, steps(f.number("every") ?? 1)), factor: factor)
    case "milestones":
      let times = (f.list("times") ?? []).compactMap { time -> Int? in
        switch time.value {
        case .number(let x): steps(x)
        case .integer(let x): steps(Double(x))
        default: nil
        }
      }
      schedule = .milestones(times, factor: factor)
    case "linear": schedule = .linear(from: f.number("from") ?? 1, to: to, over: over)
    case "polynomial":
      schedule = .polynomial(power: f.number("power") ?? 2, to: to, over: over)
    case "cosine": schedule = .cosine(to: to, over: over)
    case "cosineRestarts":
      schedule = .cosineRestarts(
        to: to, first: max(1, steps(f.number("first") ?? 1)),
        multiplier: f.integer("multiplier") ?? 1)
    case "oneCycle":
      schedule = .oneCycle(
        over: over, rise: f.number("rise") ?? 0.3, divisor: f.number("divisor") ?? 25,
        finalDivisor: f.number("finalDivisor") ?? 1e4)
    case "chain":
      let stages = f.sections("stages") ?? []
      // From the last to the first: each is followed by what has been made so far.
      var made: Schedule?
      for (index, stage) in stages.enumerated().reversed() {
        let start = index == 0 ? 0 : stages[index - 1].number("until").map(steps) ?? 0
        let own =
          OptimizerBuilder.schedule(
            stage.fields("schedule"), stepsPerEpoch: perEpoch, epochs: epochs,
            from: begin + start) ?? .constant
        if let next = made, let until = stage.number("until").map(steps) {
          made = own.followed(at: max(0, until - start), by: next)
        } else {
          made = own
        }
      }
      schedule = made ?? .constant
    case "product":
      for factor in f.sections("factors") ?? [] {
        let own =
          OptimizerBuilder.schedule(
            factor, stepsPerEpoch: perEpoch, epochs: epochs, from: begin) ?? .constant
        schedule = schedule * own
      }
    default: break
    }
    return warmUp > 0 ? schedule.warmUp(over: warmUp) : schedule
  }

  /// The rule that lowers the rate at plateaus.
  package static func plateau(_ fields: CheckedFields?) -> Plateau? {
    guard let f = fields, f.name == "plateau" else { return nil }
    return Plateau(
      factor: f.number("factor") ?? 0.1, patience: f.integer("patience") ?? 10,
      threshold: f.number("threshold") ?? 1e-4, minimum: f.number("minimum") ?? 0)
  }
}
