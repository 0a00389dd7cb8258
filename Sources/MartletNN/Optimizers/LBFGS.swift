// Limited-memory BFGS for full-batch problems, driven from Swift over one compiled program.

import MartletExecution
import MartletIR
import MartletOps

/// Limited-memory BFGS (Liu and Nocedal 1989) with a line search that satisfies the strong Wolfe
/// conditions (Nocedal and Wright 2006, algorithms 3.5 and 3.6).
///
/// For problems whose loss is a function of the parameters alone: the whole data set in one batch, no
/// dropout. The loss and its gradients are one compiled program; vectors are kept in float64.
///
///     let fit = try LBFGS().minimize(model, [x, y]) { inputs in
///       softmaxCrossEntropy(logits: model(inputs[0]), labels: inputs[1])
///     }
public struct LBFGS: Sendable {
  /// Pairs of steps and gradient differences that approximate the curvature.
  public var history: Int
  /// Iterations at most, each one line search.
  public var iterations: Int
  /// Ends when the largest gradient element is below this.
  public var gradientTolerance: Double
  /// Ends when the loss falls by less than this fraction.
  public var lossTolerance: Double

  /// The method with its usual numbers.
  public init(
    history: Int = 10, iterations: Int = 100, gradientTolerance: Double = 1e-6,
    lossTolerance: Double = 1e-10
  ) {
    self.history = history
    self.iterations = iterations
    self.gradientTolerance = gradientTolerance
    self.lossTolerance = lossTolerance
  }

  /// Why the method ended.
  public enum Ending: Hashable, Sendable {
    /// The gradient or the fall of the loss is below its tolerance.
    case converged
    /// ``LBFGS/iterations`` are used up.
    case iterations
    /// No step along the direction lowers the loss any more: the precision is used up.
    case lineSearch
    /// The loss is not finite.
    case notFinite
  }

  /// What was reached.
  public struct Fit: Sendable {
    /// The loss at the start and after each iteration.
    public var losses: [Double]
    /// Evaluations of loss and gradient.
    public var evaluations: Int
    /// Why it ended.
    public var ending: Ending
  }

  /// Minimises a loss over the trainable parameters of a model, which it leaves at the best point.
  ///
  /// The closure runs once, now. Throws what ``compile(_:options:_:)`` and a run throw.
  public func minimize(
    _ model: some Layer, _ inputs: [NDArray], options: CompileOptions? = nil,
    _ loss: @escaping ([Tensor]) throws -> Tensor
  ) throws -> Fit {
    let parameters = model.parameters.filter(\.isTrainable)
    if let half = parameters.first(where: { $0.type.computed != $0.type }) {
      throw RunError(
        .input, "L-BFGS takes weights of float32 or float64, got \(half.type)", at: half.path,
        hint: "its line search needs losses that differ in less than halves can tell")
    }
    let specs = inputs.map { TensorSpec($0.shape, $0.dtype) }
    let function = try compile(specs, options: options) { tensors in
      let value = try loss(tensors)
      let (_, grads) = valueAndGrad(value, wrt: model)
      return [value] + parameters.compactMap { grads[$0] }
    }
    var problem = Problem(function: function, inputs: inputs, parameters: parameters)
    return try minimize(&problem)
  }

  /// The loss as a function of one vector of all parameters.
  private struct Problem {
    let function: Function
    let inputs: [NDArray]
    let parameters: [Parameter]
    var evaluations = 0

    func start() throws -> [Double] { try parameters.flatMap { try $0.value().doubles } }

    func set(_ x: [Double]) throws {
      var offset = 0
      for parameter in parameters {
        let count = parameter.shape.count
        let part = Array(x[offset..<offset + count])
        offset += count
        let array =
          parameter.type.dtype == .float64
          ? try NDArray(part, shape: parameter.shape)
          : try NDArray(part.map { Float($0) }, shape: parameter.shape)
        try parameter.set(array)
      }
    }

    mutating func evaluate(_ x: [Double]) throws -> Point {
      try set(x)
      evaluations += 1
      let results = try function.run(inputs)
      return Point(
        x: x, loss: try results[0].item(), gradient: results.dropFirst().flatMap { $0.doubles })
    }
  }

  private struct Point {
    var x: [Double]
    var loss: Double
    var gradient: [Double]
  }

  private func minimize(_ problem: inout Problem) throws -> Fit {
    var point = try problem.evaluate(try problem.start())
    var losses = [point.loss]
    var pairs: [(s: [Double], y: [Double], rho: Double)] = []
    var ending = Ending.iterations
    for iteration in 0..<max(0, iterations) {
      guard point.loss.isFinite else {
        ending = .notFinite
        break
      }
      if (point.gradient.map(abs).max() ?? 0) <= gradientTolerance {
        ending = .converged
        break
      }
      var direction = LBFGS.direction(point.gradient, pairs)
      var slope = dot(direction, point.gradient)
      if slope >= 0 {
        // Rounding has spoilt the approximation: begin anew from the steepest descent.
        pairs.removeAll()
        direction = point.gradient.map { -$0 }
        slope = dot(direction, point.gradient)
      }
      let length = point.gradient.reduce(0) { $0 + abs($1) }
      let first = iteration == 0 || pairs.isEmpty ? min(1, 1 / max(1e-300, length)) : 1
      guard let next = try LBFGS.search(&problem, point, direction, slope, first: first) else {
        ending = .lineSearch
        break
      }
      let s = zip(next.x, point.x).map { $0 - $1 }
      let y = zip(next.gradient, point.gradient).map { $0 - $1 }
      let curvature = dot(s, y)
      if curvature > 1e-10 * dot(y, y) {
        pairs.append((s, y, 1 / curvature))
        if pairs.count > max(1, history) { pairs.removeFirst() }
      }
      let fall = point.loss - next.loss
      point = next
      losses.append(point.loss)
      if fall <= lossTolerance * max(abs(point.loss), 1e-30) {
        ending = .converged
        break
      }
    }
    try problem.set(point.x)
    return Fit(losses: losses, evaluations: problem.evaluations, ending: ending)
  }

  /// `−H·g` by the two-loop recursion.
  private static func direction(
    _ gradient: [Double], _ pairs: [(s: [Double], y: [Double], rho: Double)]
  ) -> [Double] {
    var q = gradient
    var alphas: [Double] = []
    for pair in pairs.reversed() {
      let alpha = pair.rho * dot(pair.s, q)
      alphas.append(alpha)
      for i in q.indices { q[i] -= alpha * pair.y[i] }
    }
    if let last = pairs.last {
      let scale = 1 / (last.rho * dot(last.y, last.y))
      for i in q.indices { q[i] *= scale }
    }
    for (pair, alpha) in zip(pairs, alphas.reversed()) {
      let beta = pair.rho * dot(pair.y, q)
      for i in q.indices { q[i] += pair.s[i] * (alpha - beta) }
    }
    return q.map { -$0 }
  }

  /// A point along the direction where the strong Wolfe conditions hold (c₁ = 1e-4, c₂ = 0.9), or the
  /// lowest seen if it is lower than the start; nil if there is none.
  private static func search(
    _ problem: inout Problem, _ start: Point, _ direction: [Double], _ slope: Double, first: Double
  ) throws -> Point? {
    let (c1, c2) = (1e-4, 0.9)
    func along(_ t: Double) throws -> (point: Point, slope: Double) {
      let x = zip(start.x, direction).map { $0 + t * $1 }
      let point = try problem.evaluate(x)
      return (point, dot(point.gradient, direction))
    }
    var best: Point?
    func consider(_ point: Point) {
      if point.loss.isFinite, point.loss < (best?.loss ?? start.loss) { best = point }
    }
    var low = (t: 0.0, loss: start.loss, slope: slope)
    var high: (t: Double, loss: Double, slope: Double)?
    var t = first
    for attempt in 0..<25 {
      let (point, slopeNow) = try along(t)
      consider(point)
      let isTooHigh =
        !point.loss.isFinite || point.loss > start.loss + c1 * t * slope
        || (attempt > 0 && point.loss >= low.loss)
      if isTooHigh {
        high = (t, point.loss, slopeNow)
      } else {
        if abs(slopeNow) <= -c2 * slope { return point }
        if let top = high, slopeNow * (top.t - low.t) >= 0 { high = low }
        if high == nil, slopeNow >= 0 { high = low }
        low = (t, point.loss, slopeNow)
      }
      if let high {
        t = between(low, high)
        if abs(high.t - low.t) * (direction.map(abs).max() ?? 0) < 1e-12 { break }
      } else {
        t = min(t * 2, 1e10)
      }
    }
    return best
  }

  /// The minimum of the cubic through two points and their slopes, kept off the ends.
  private static func between(
    _ a: (t: Double, loss: Double, slope: Double), _ b: (t: Double, loss: Double, slope: Double)
  ) -> Double {
    let middle = 0.5 * (a.t + b.t)
    guard b.loss.isFinite, b.slope.isFinite, a.t != b.t else { return middle }
    let d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    let square = d1 * d1 - a.slope * b.slope
    guard square >= 0 else { return middle }
    let d2 = square.squareRoot() * (b.t > a.t ? 1 : -1)
    let t = b.t - (b.t - a.t) * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2)
    let (low, high) = (min(a.t, b.t), max(a.t, b.t))
    let margin = 0.1 * (high - low)
    return t.isFinite ? min(max(t, low + margin), high - margin) : middle
  }
}

private func dot(_ a: [Double], _ b: [Double]) -> Double {
  var sum = 0.0
  for i in a.indices { sum += a[i] * b[i] }
  return sum
}
