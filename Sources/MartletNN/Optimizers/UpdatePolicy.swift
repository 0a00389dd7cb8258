// What is done to gradients and weights around an optimizer's rule: decay, clipping, groups,
// accumulation, averages.

import MartletExecution
import MartletIR
import MartletOps

/// Some of a model's parameters.
public struct ParameterSelection: Sendable {
  let contains: @Sendable (_ path: String, _ shape: Shape) -> Bool

  /// Those for which the closure is true, by path (`block.0.norm.scale`) and shape.
  public init(where contains: @escaping @Sendable (_ path: String, _ shape: Shape) -> Bool) {
    self.contains = contains
  }
  /// All.
  public static let all = ParameterSelection { _, _ in true }
  /// Those of two axes and more: weights and filters, not bias, scale and shift.
  public static let weights = ParameterSelection { _, shape in shape.rank >= 2 }
  /// Those whose path begins so: `encoder` selects `encoder.0.weight`, not `encoder2.weight`.
  public static func path(_ prefix: String) -> ParameterSelection {
    ParameterSelection { path, _ in path == prefix || path.hasPrefix(prefix + ".") }
  }
}

/// What is done around an optimizer's rule, in this order: gradients are averaged over the
/// accumulated batches, clipped (by value, by norm, by global norm), penalties added (L2, L1), the
/// rule applied, weights decayed and projected (max-norm), averages updated.
public struct UpdatePolicy: Sendable {
  /// A pull of weights towards zero.
  public struct Decay: Sendable {
    /// How it pulls.
    public enum Form: Hashable, Sendable {
      /// `W ← (1 − ηλ)W` beside the rule, not through its averages.
      case decoupled
      /// `g ← g + λW`: the gradient of `λ/2·ΣW²`.
      case l2
      /// `g ← g + λ·sign(W)`: the gradient of `λ·Σ|W|`.
      case l1
    }
    let form: Form
    let rate: Double
    let selection: ParameterSelection
    init(_ form: Form, _ rate: Double, _ selection: ParameterSelection) {
      self.form = form
      self.rate = rate
      self.selection = selection
    }
  }

  /// How gradients are kept from exploding.
  public enum Clipping: Hashable, Sendable {
    /// Each element into −c … c.
    case value(Double)
    /// Each parameter's gradient to at most this L2 norm.
    case norm(Double)
    /// All gradients together to at most this L2 norm.
    case globalNorm(Double)
  }

  var decays: [Decay] = []
  var clippings: [Clipping] = []
  var rateScales: [(selection: ParameterSelection, scale: Double)] = []
  var maximumNorms: [(selection: ParameterSelection, norm: Double, axis: Int)] = []
  var accumulation = 1
  var averageDecay: Double?
  var reportsGradientNorm = false

  /// Nothing.
  public init() {}
}

/// An optimizer with a policy around it; made by the modifiers of ``Optimizer``.
public struct ModifiedOptimizer<Base: Optimizer>: Optimizer {
  /// The rule.
  public var base: Base
  /// What is done around it.
  public var policy: UpdatePolicy
  /// The rule's.
  public var learningRate: Double { base.learningRate }
  /// The rule's.
  public var slots: [String] { base.slots }
  /// The rule's.
  public var scalars: [(name: String, initial: Double)] { base.scalars }
  /// The rule's.
  public var countsSteps: Bool { base.countsSteps }
  /// The rule's.
  public var updatesRows: Bool { base.updatesRows }
  /// The rule's.
  public func advance(_ scalars: inout [String: Tensor], step: Tensor) {
    base.advance(&scalars, step: step)
  }
  /// The rule's.
  public func update(
    _ parameter: Tensor, _ gradient: Tensor, learningRate: Tensor, _ state: inout OptimizerState
  ) -> Tensor { base.update(parameter, gradient, learningRate: learningRate, &state) }
}

extension Optimizer {
  private func modified(_ change: (inout UpdatePolicy) -> Void) -> ModifiedOptimizer<Self> {
    var policy = self.policy
    change(&policy)
    return ModifiedOptimizer(base: self, policy: policy)
  }

  /// With weight decay λ; of weights only, not of bias and norm, unless told otherwise.
  ///
  /// Decoupled (the default, Loshchilov and Hutter 2019) and L2 are the same for plain SGD and differ
  /// for every adaptive rule.
  public func weightDecay(
    _ rate: Double, form: UpdatePolicy.Decay.Form = .decoupled,
    of selection: ParameterSelection = .weights
  ) -> ModifiedOptimizer<Self> { modified { $0.decays.append(.init(form, rate, selection)) } }

  /// With gradients clipped element by element into −c … c.
  public func clipping(value: Double) -> ModifiedOptimizer<Self> {
    modified { $0.clippings.append(.value(value)) }
  }
  /// With each parameter's gradient scaled down to an L2 norm of at most c.
  public func clipping(norm: Double) -> ModifiedOptimizer<Self> {
    modified { $0.clippings.append(.norm(norm)) }
  }
  /// With all gradients together scaled down to an L2 norm of at most c (Pascanu et al. 2013):
  /// `g ← g·min(1, c/(‖g‖ + 1e-6))`.
  public func clipping(globalNorm: Double) -> ModifiedOptimizer<Self> {
    modified { $0.clippings.append(.globalNorm(globalNorm)) }
  }
  /// With the learning rate of some parameters multiplied; 0 freezes them.
  public func learningRate(
    of selection: ParameterSelection, times scale: Double
  ) -> ModifiedOptimizer<Self> { modified { $0.rateScales.append((selection, scale)) } }
  /// With some parameters left as they are: they get no gradient and no optimizer state.
  ///
  ///     Adam().freezing(.path("trunk"))
  ///
  /// Batch norm in what is frozen still moves its running statistics: see ``Frozen``.
  public func freezing(_ selection: ParameterSelection) -> ModifiedOptimizer<Self> {
    learningRate(of: selection, times: 0)
  }
  /// With weights projected after each update: each unit's incoming weights, the slice along all axes
  /// but `axis`, to an L2 norm of at most c (Srebro and Shraibman 2005; with dropout: Srivastava et
  /// al. 2014).
  public func maxNorm(
    _ norm: Double, axis: Int = -1, of selection: ParameterSelection = .weights
  ) -> ModifiedOptimizer<Self> { modified { $0.maximumNorms.append((selection, norm, axis)) } }
  /// With one update for every `count` batches, from the mean of their gradients.
  public func accumulating(_ count: Int) -> ModifiedOptimizer<Self> {
    modified { $0.accumulation = max(1, count) }
  }
  /// With an exponential moving average of the weights, `a ← d·a + (1−d)·W`, kept beside them: see
  /// ``TrainingStep/averages()`` and ``TrainingStep/swapAverages()``.
  public func averagingWeights(decay: Double = 0.999) -> ModifiedOptimizer<Self> {
    modified { $0.averageDecay = decay }
  }
  /// With the L2 norm of all gradients, before clipping, as the auxiliary output `gradientNorm`.
  public func reportingGradientNorm() -> ModifiedOptimizer<Self> {
    modified { $0.reportsGradientNorm = true }
  }
}

// MARK: - In the trace

extension UpdatePolicy {
  /// `√Σ g²` over all gradients, in float32 or wider.
  static func globalNorm(_ gradients: [Tensor]) -> Tensor? {
    let wide: DType = gradients.contains { $0.dtype == .float64 } ? .float64 : .float32
    let squares = gradients.map { ($0 * $0).sum().converted(to: wide) }
    guard let first = squares.first else { return nil }
    return sqrt(squares.dropFirst().reduce(first, +))
  }

  /// Clipped gradients, in the order given.
  func clipped(_ gradients: [Tensor]) -> [Tensor] {
    clippings.reduce(gradients) { gradients, clipping in
      switch clipping {
      case .value(let c): return gradients.map { $0.clipped(low: -c, high: c) }
      case .norm(let c):
        return gradients.map { $0 * minimum(c / (sqrt(($0 * $0).sum()) + 1e-6), 1) }
      case .globalNorm(let c):
        guard let norm = UpdatePolicy.globalNorm(gradients) else { return gradients }
        let scale = minimum(c / (norm + 1e-6), 1)
        return gradients.map { $0 * scale.converted(to: $0.dtype) }
      }
    }
  }

  /// The gradient with the penalties that go through the rule.
  func penalised(_ gradient: Tensor, _ weight: Tensor, _ path: String) -> Tensor {
    decays.reduce(gradient) { gradient, decay in
      guard decay.selection.contains(path, weight.shape) else { return gradient }
      switch decay.form {
      case .l2: return gradient + weight * decay.rate
      case .l1: return gradient + sign(weight) * decay.rate
      case .decoupled: return gradient
      }
    }
  }

  /// The weight that the rule starts from: decayed where the decay is decoupled.
  func decayed(_ weight: Tensor, _ learningRate: Tensor, _ path: String) -> Tensor {
    decays.reduce(weight) { weight, decay in
      guard decay.form == .decoupled, decay.selection.contains(path, weight.shape) else {
        return weight
      }
      return weight * (1 - learningRate * decay.rate)
    }
  }

  /// The weight after the constraints.
  func projected(_ weight: Tensor, _ path: String) -> Tensor {
    maximumNorms.reduce(weight) { weight, constraint in
      guard constraint.selection.contains(path, weight.shape), weight.rank > 0 else {
        return weight
      }
      let kept = (constraint.axis % weight.rank + weight.rank) % weight.rank
      let axes = (0..<weight.rank).filter { $0 != kept }
      let norm = sqrt((weight * weight).sum(axes: axes, keepDims: true))
      return weight * minimum(constraint.norm / maximum(norm, 1e-12), 1)
    }
  }

  func rateScale(_ path: String, _ shape: Shape) -> Double {
    rateScales.reduce(1) { $1.selection.contains(path, shape) ? $0 * $1.scale : $0 }
  }
}
