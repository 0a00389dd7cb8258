// What a search varies: axes, each a path into the recipe with the values it may take.

import MartletRecipeModels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A value of one axis.
package enum AxisValue: Hashable, Sendable {
  case integer(Int)
  case number(Double)
  case text(String)
  case boolean(Bool)

  /// As a recipe spells it.
  package var yaml: String {
    switch self {
    case .integer(let x): "\(x)"
    case .number(let x): "\(x)"
    case .text(let x): x
    case .boolean(let x): "\(x)"
    }
  }
}

/// One dimension of a search.
package struct Axis: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    case linear(Double, Double)
    case log(Double, Double)
    case integer(Int, Int, isLog: Bool)
    case choice([AxisValue])
  }
  /// The path into the recipe.
  package var path: String
  package var kind: Kind
  package init(_ path: String, _ kind: Kind) {
    self.path = path
    self.kind = kind
  }

  /// The coordinate's range: the value, its logarithm, or the index of a choice. Integers have half
  /// a unit more on each side, so that the ends are as likely as the rest.
  package var bounds: (low: Double, high: Double) {
    switch kind {
    case .linear(let low, let high): (low, high)
    case .log(let low, let high): (logarithm(low), logarithm(high))
    case .integer(let low, let high, isLog: false): (Double(low) - 0.5, Double(high) + 0.5)
    case .integer(let low, let high, isLog: true):
      (logarithm(Double(low) - 0.5), logarithm(Double(high) + 0.5))
    case .choice(let values): (0, Double(values.count))
    }
  }

  package var isCategorical: Bool { if case .choice = kind { true } else { false } }

  /// The value at a coordinate.
  package func value(at x: Double) -> AxisValue {
    switch kind {
    case .linear(let low, let high): return .number(min(high, max(low, x)))
    case .log(let low, let high): return .number(min(high, max(low, exponential(x))))
    case .integer(let low, let high, let isLog):
      let number = (isLog ? exponential(x) : x).rounded()
      return .integer(min(high, max(low, Int(number))))
    case .choice(let values):
      return values[min(values.count - 1, max(0, Int(x)))]
    }
  }

  /// The coordinate of a value; of a choice the middle of its index.
  package func coordinate(of value: AxisValue) -> Double? {
    switch (kind, value) {
    case (.linear, .number(let x)): return x
    case (.log, .number(let x)): return x > 0 ? logarithm(x) : nil
    case (.linear, .integer(let x)): return Double(x)
    case (.log, .integer(let x)): return x > 0 ? logarithm(Double(x)) : nil
    case (.integer(_, _, let isLog), .integer(let x)):
      return isLog ? (x > 0 ? logarithm(Double(x)) : nil) : Double(x)
    case (.choice(let values), _): return values.firstIndex(of: value).map { Double($0) + 0.5 }
    default: return nil
    }
  }

  /// The values of a grid, evenly in the coordinate.
  package func grid(_ points: Int) -> [AxisValue] {
    switch kind {
    case .choice(let values): return values
    case .integer(let low, let high, _) where high - low < points:
      return (low...high).map { .integer($0) }
    default:
      let ends: (low: Double, high: Double)
      switch kind {
      case .integer(let low, let high, let isLog):
        ends =
          isLog
          ? (logarithm(Double(low)), logarithm(Double(high))) : (Double(low), Double(high))
      default: ends = bounds
      }
      var values: [AxisValue] = []
      for index in 0..<points {
        let share = points > 1 ? Double(index) / Double(points - 1) : 0.5
        let value = value(at: ends.low + (ends.high - ends.low) * share)
        if values.last != value { values.append(value) }
      }
      return values
    }
  }
}

func logarithm(_ x: Double) -> Double { log(x) }
func exponential(_ x: Double) -> Double { exp(x) }

/// How a search goes about its work.
package struct SearchPlan: Hashable, Sendable {
  package enum Method: String, Hashable, Sendable { case tpe, random, grid, coarseToFine }
  package var axes: [Axis]
  package var method = Method.tpe
  package var trials = 20
  package var parallel = 1
  package var startup = 10
  package var points = 4
  package var seed: UInt64 = 0
  package var pruning = Pruning.none
  /// Whether the recipe's first metric is watched, not the loss.
  package var monitorsMeasure = true

  package init(axes: [Axis]) { self.axes = axes }

  /// The plan that a recipe's `search` describes; nil without one.
  package init?(_ recipe: Recipe) throws(RecipeError) {
    guard let search = recipe.root.fields("search"), let space = search.fields("space") else {
      return nil
    }
    axes = []
    for path in space.order {
      guard let axis = space.fields(path) else { continue }
      axes.append(Axis(path, SearchPlan.kind(axis)))
    }
    guard !axes.isEmpty, axes.count <= 64 else {
      throw recipe.error("search.space: expected 1 to 64 paths", at: search.position)
    }
    method = Method(rawValue: search.text("method") ?? "tpe") ?? .tpe
    parallel = search.integer("parallel") ?? 1
    startup = search.integer("startup") ?? 10
    points = search.integer("points") ?? 4
    seed = UInt64(search.integer("seed") ?? 0)
    switch search.text("pruning") {
    case "median": pruning = .median
    case "asha":
      pruning = .halving(
        first: search.integer("firstRung") ?? 1, factor: search.integer("reduction") ?? 4)
    default: pruning = .none
    }
    monitorsMeasure = search.text("monitor") != "loss"
    trials = search.integer("trials") ?? (method == .grid ? gridCount ?? 0 : 20)
    guard method != .grid || gridCount != nil else {
      throw recipe.error("search: the grid has more than 100,000 points", at: search.position)
    }
    // A path that leads nowhere must not be found after the first hour.
    for (axis, path) in zip(axes, space.order) {
      let middle = (axis.bounds.low + axis.bounds.high) / 2
      do throws(RecipeError) {
        _ = try Recipe(
          recipe.document, file: recipe.file, folder: recipe.folder,
          overrides: [Override(path, .scalar(axis.value(at: middle).yaml, isPlain: true))])
      } catch {
        throw recipe.error(
          "search.space.\(path): " + (error.problems.first?.message ?? "no such value"),
          at: space.fields(path)?.position ?? search.position)
      }
    }
  }

  /// The points of the grid; nil when there are too many.
  package var gridCount: Int? {
    var count = 1
    for axis in axes {
      count *= max(1, axis.grid(points).count)
      if count > 100_000 { return nil }
    }
    return count
  }

  private static func kind(_ axis: CheckedFields) -> Axis.Kind {
    func number(_ value: Checked) -> Double {
      switch value.value {
      case .number(let x): x
      case .integer(let x): Double(x)
      default: 0
      }
    }
    let range = (axis.list("range") ?? []).map(number)
    switch axis.name {
    case "linear": return .linear(range[0], range[1])
    case "log": return .log(range[0], range[1])
    case "integer":
      return .integer(Int(range[0]), Int(range[1]), isLog: axis.boolean("log") ?? false)
    default:
      return .choice(
        (axis.list("values") ?? []).map { value in
          switch value.value {
          case .integer(let x): .integer(x)
          case .number(let x): .number(x)
          case .boolean(let x): .boolean(x)
          case .text(let x): .text(x)
          default: .text("")
          }
        })
    }
  }
}
