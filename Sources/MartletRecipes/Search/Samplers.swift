// Which values a search tries next.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// SplitMix64, one stream for each (seed, trial).
package struct SearchRandom: RandomNumberGenerator {
  private var state: UInt64
  package init(seed: UInt64, trial: Int) {
    state =
      seed &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(truncatingIfNeeded: trial) &* 0xD1B5_4A32_D192_ED03
    _ = next()
  }
  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
  /// In 0 ..< 1.
  package mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }
}

extension SearchPlan {
  /// The values of a trial, from the plan and the trials before it; nil behind the last point of a
  /// grid. The same trials give the same values: a resumed search goes on as it would have.
  package func values(of number: Int, after trials: [Trial], rising: Bool) -> [AxisValue]? {
    var random = SearchRandom(seed: seed, trial: number)
    switch method {
    case .random: return axes.map { $0.random(&random) }
    case .grid:
      var rest = number
      var values: [AxisValue] = []
      // The last axis changes fastest.
      for axis in axes.reversed() {
        let grid = axis.grid(points)
        values.append(grid[rest % grid.count])
        rest /= grid.count
      }
      return rest == 0 ? values.reversed() : nil
    case .coarseToFine: return coarseToFine(number, trials, rising, &random)
    case .tpe:
      let known = trials.filter { $0.score(rising: rising) != nil }
      guard known.count >= startup else { return axes.map { $0.random(&random) } }
      return TreeParzen(self, trials, rising: rising).values(&random)
    }
  }

  /// Four rounds of random values, each in ranges 0.4 times as wide around the best so far.
  private func coarseToFine(
    _ number: Int, _ trials: [Trial], _ rising: Bool, _ random: inout SearchRandom
  ) -> [AxisValue] {
    let round = min(3, number * 4 / max(1, self.trials))
    let best = trials.filter { ($0.score(rising: rising) ?? .infinity) < .infinity }
      .min {
        ($0.score(rising: rising) ?? 0, $0.number) < ($1.score(rising: rising) ?? 0, $1.number)
      }
    return axes.enumerated().map { index, axis in
      guard round > 0, let best, let middle = axis.coordinate(of: best.values[index]) else {
        return axis.random(&random)
      }
      if axis.isCategorical {
        // The best value with more and more certainty.
        return random.uniform() < 1 - pow(0.5, Double(round))
          ? best.values[index] : axis.random(&random)
      }
      let (low, high) = axis.bounds
      let width = (high - low) * pow(0.4, Double(round))
      let start = min(max(low, middle - width / 2), high - width)
      return axis.value(at: start + width * random.uniform())
    }
  }
}

extension Axis {
  func random(_ random: inout SearchRandom) -> AxisValue {
    let (low, high) = bounds
    return value(at: low + (high - low) * random.uniform())
  }
}

/// The tree-structured Parzen estimator of Bergstra, Bardenet, Bengio and Kégl, "Algorithms for
/// Hyper-Parameter Optimization" (NIPS 2011), §4.
///
/// The trials so far are divided at the γ-quantile of their scores. l(x) is the density of the good
/// ones, g(x) that of the rest; the expected improvement grows with l/g, so of some draws from l
/// the one with the largest ratio is tried. Axes are independent of each other.
package struct TreeParzen {
  static let gamma = 0.15
  static let candidates = 24

  private let axes: [Axis]
  private let good: [[Double]]
  private let bad: [[Double]]

  init(_ plan: SearchPlan, _ trials: [Trial], rising: Bool) {
    axes = plan.axes
    let ended = trials.compactMap { trial in
      trial.score(rising: rising).map { (trial, $0) }
    }.sorted { ($0.1, $0.0.number) < ($1.1, $1.0.number) }.map(\.0)
    let count = min(25, max(1, Int((TreeParzen.gamma * Double(ended.count)).rounded(.up))))
    // What still runs counts as bad: trials in parallel then keep away from each other.
    let rest = Array(ended.dropFirst(count)) + trials.filter { $0.state == .running }
    func coordinates(_ trials: [Trial]) -> [[Double]] {
      plan.axes.indices.map { axis in
        trials.compactMap { plan.axes[axis].coordinate(of: $0.values[axis]) }
      }
    }
    good = coordinates(Array(ended.prefix(count)))
    bad = coordinates(rest)
  }

  func values(_ random: inout SearchRandom) -> [AxisValue] {
    axes.indices.map { index in
      let axis = axes[index]
      if case .choice(let values) = axis.kind {
        let l = TreeParzen.shares(good[index], of: values.count)
        let g = TreeParzen.shares(bad[index], of: values.count)
        return best(&random) { random in
          var rest = random.uniform()
          var choice = 0
          while choice < values.count - 1, rest >= l[choice] {
            rest -= l[choice]
            choice += 1
          }
          return (values[choice], logarithm(l[choice]) - logarithm(g[choice]))
        } ?? axis.random(&random)
      }
      let l = ParzenEstimator(good[index], bounds: axis.bounds)
      let g = ParzenEstimator(bad[index], bounds: axis.bounds)
      return best(&random) { random in
        let x = l.draw(&random)
        return (axis.value(at: x), logarithm(l.density(x)) - logarithm(g.density(x)))
      } ?? axis.random(&random)
    }
  }

  private func best(
    _ random: inout SearchRandom, _ draw: (inout SearchRandom) -> (AxisValue, Double)
  ) -> AxisValue? {
    var best: (AxisValue, Double)?
    for _ in 0..<TreeParzen.candidates {
      let drawn = draw(&random)
      if drawn.1 > best?.1 ?? -.infinity { best = drawn }
    }
    return best?.0
  }

  /// How often each choice was taken, with one count more for each from the prior: a choice that was
  /// unlucky once is tried again.
  private static func shares(_ coordinates: [Double], of count: Int) -> [Double] {
    var shares = [Double](repeating: 1, count: count)
    for x in coordinates { shares[min(count - 1, max(0, Int(x)))] += 1 }
    let total = Double(coordinates.count + count)
    return shares.map { $0 / total }
  }
}

/// A mixture of normal densities on the observations, cut to the range and normalised there, with one
/// wide component as the prior.
package struct ParzenEstimator {
  private var centres: [Double]
  private var widths: [Double]
  /// The height of each component: it holds an equal share of what lies in the range.
  private var heights: [Double] = []
  private let low: Double
  private let high: Double

  /// Each width is the larger distance to a neighbour, as in the paper, within limits: below, a share
  /// of the range that shrinks with the number of observations; above, the range.
  package init(_ observations: [Double], bounds: (low: Double, high: Double)) {
    (low, high) = bounds
    let range = high - low
    let middle = (low + high) / 2
    let sorted = (observations + [middle]).sorted()
    let narrowest = range / min(100, Double(sorted.count + 1))
    centres = sorted
    widths = sorted.indices.map { index in
      let left = index > 0 ? sorted[index] - sorted[index - 1] : sorted[index] - bounds.low
      let right =
        index + 1 < sorted.count ? sorted[index + 1] - sorted[index] : bounds.high - sorted[index]
      return min(range, max(narrowest, left, right))
    }
    if let prior = sorted.firstIndex(of: middle) { widths[prior] = range }
    heights = sorted.indices.map { index in
      func below(_ x: Double) -> Double {
        0.5 * (1 + erf((x - sorted[index]) / (widths[index] * 2.0.squareRoot())))
      }
      let mass = max(1e-300, below(bounds.high) - below(bounds.low))
      return 1 / (mass * widths[index] * (2 * Double.pi).squareRoot() * Double(sorted.count))
    }
  }

  package func density(_ x: Double) -> Double {
    var sum = 0.0
    for index in centres.indices {
      let z = (x - centres[index]) / widths[index]
      sum += heights[index] * exponential(-0.5 * z * z)
    }
    return max(1e-300, sum)
  }

  package func draw(_ random: inout SearchRandom) -> Double {
    let index = min(centres.count - 1, Int(random.uniform() * Double(centres.count)))
    for _ in 0..<64 {
      let u = 1 - random.uniform()
      let normal = (-2 * logarithm(u)).squareRoot() * cos(2 * Double.pi * random.uniform())
      let x = centres[index] + widths[index] * normal
      if x >= low, x <= high { return x }
    }
    return low + (high - low) * random.uniform()
  }
}
