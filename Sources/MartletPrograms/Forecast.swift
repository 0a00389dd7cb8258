// Forecasts of a series by a gated recurrent unit, beside the forecasts that cost nothing.

import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletRecipes
import MartletTraining

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How a series is forecast.
package struct ForecastRecipe: Hashable, Sendable {
  /// Steps that are seen.
  package var window: Int
  /// Steps that are forecast.
  package var horizon = 12
  /// Steps at the end that are held out.
  package var heldOut: Int
  package var hidden = 32
  package var batch: Int
  package var epochs: Int
  package var learningRate = 3e-3
  package var dropout = 0.1
  /// Whether the model sees logarithms: what grows by factors then grows by sums.
  package var isLogarithmic: Bool
  /// The model sees the difference to the value as many steps before; 0: the value itself.
  package var lag: Int

  package static let airline = ForecastRecipe(
    window: 24, heldOut: 24, batch: 16, epochs: 120, isLogarithmic: true, lag: 12)
  package static let sunspots = ForecastRecipe(
    window: 132, heldOut: 264, batch: 64, epochs: 12, isLogarithmic: false, lag: 0)
}

/// A series as the model sees it, and back.
package struct SeriesTransform: Hashable, Sendable {
  package let isLogarithmic: Bool
  package let lag: Int

  package init(isLogarithmic: Bool, lag: Int) {
    self.isLogarithmic = isLogarithmic
    self.lag = lag
  }

  package func apply(_ series: TimeSeries) throws(DataError) -> TimeSeries {
    let base = isLogarithmic ? try series.logarithms() : series
    guard lag > 0 else { return base }
    guard lag < base.count else {
      throw DataError(
        .outOfRange, "the series is shorter than its season", at: series.name,
        got: "\(base.count) steps", expected: "more than \(lag)")
    }
    return try TimeSeries(
      (lag..<base.count).map { base.values[$0] - base.values[$0 - lag] }, name: series.name,
      period: series.period)
  }

  /// The values of steps from `start` on, from their transformed ones and what came before them.
  package func invert(_ transformed: [Double], _ values: [Double], from start: Int) -> [Double] {
    var known = values[..<start].map { isLogarithmic ? log($0) : $0 }
    for value in transformed { known.append(value + (lag > 0 ? known[known.count - lag] : 0)) }
    return known[start...].map { isLogarithmic ? exp($0) : $0 }
  }
}

/// Windows in, what follows out: `[B, T, 1] → [B, horizon]`, as differences to the last value seen.
package struct ForecastModel: Layer {
  package let recurrent: GRU
  package let output: Linear
  package let dropoutRate: Double

  package init(hidden: Int, horizon: Int, dropout: Double = 0) {
    recurrent = GRU(1, hidden)
    output = Linear(hidden, horizon)
    dropoutRate = dropout
  }

  package func callAsFunction(_ x: Tensor) -> Tensor {
    var last = recurrent.run(x.transposed([1, 0, 2])).state[0]
    if dropoutRate > 0 { last = dropout(last, rate: dropoutRate) }
    let steps = x.shape[1]
    return output(last) + x.sliced((steps - 1)..<steps, axis: 1).reshaped([x.shape[0], 1])
  }
}

/// A forecast beside the true values.
package struct Forecasts: Sendable {
  package var start: Int
  package var truth: [Double]
  package var model: [Double]
  /// The period before, again.
  package var seasonal: [Double]
  /// The last value, again and again.
  package var last: [Double]

  /// Root mean squared errors over several forecasts: the model's, the seasonal and the last value's.
  package static func errors(
    _ all: [Forecasts]
  ) -> (model: Double, seasonal: Double, last: Double) {
    func error(_ part: (Forecasts) -> [Double]) -> Double {
      let squares = all.flatMap { f in zip(part(f), f.truth).map { ($0 - $1) * ($0 - $1) } }
      return (squares.reduce(0, +) / Double(max(1, squares.count))).squareRoot()
    }
    return (error { $0.model }, error { $0.seasonal }, error { $0.last })
  }
}

package struct ForecastTraining {
  package let series: TimeSeries
  package let recipe: ForecastRecipe
  package let model: ForecastModel
  package let trainer: Trainer
  package let scaling: Scaling
  private let seen: TimeSeries
  private let transform: SeriesTransform
  private let options: CompileOptions

  /// - Throws: ``DataError`` where the series is too short for the recipe.
  package init(
    _ series: TimeSeries, _ recipe: ForecastRecipe, callbacks: [any Callback] = [],
    checkpoints: CheckpointPolicy? = nil, options: TrainerOptions
  ) throws {
    self.series = series
    self.recipe = recipe
    self.options = options.compile
    transform = SeriesTransform(isLogarithmic: recipe.isLogarithmic, lag: recipe.lag)
    let transformed = try transform.apply(series)
    guard recipe.heldOut >= recipe.horizon, transformed.count - recipe.heldOut > 0 else {
      throw DataError(
        .outOfRange, "the series is too short to hold out its end", at: series.name,
        got: "\(series.count) steps, \(recipe.heldOut) held out",
        expected: "at least \(recipe.horizon) held out, and some to train on")
    }
    let training = 0..<(transformed.count - recipe.heldOut)
    scaling = try transformed.standardScaling(fitting: training)
    seen = try transformed.scaled(scaling)
    let windows = try seen.windows(
      of: recipe.window, horizon: recipe.horizon, targets: training)
    let model = ForecastModel(
      hidden: recipe.hidden, horizon: recipe.horizon, dropout: recipe.dropout)
    self.model = model
    trainer = try Trainer(
      model, Adam(learningRate: recipe.learningRate).clipping(globalNorm: 1), training: windows,
      batch: recipe.batch, epochs: recipe.epochs, seed: options.compile.seed,
      schedule: .perStep { .cosine(to: 0.02, over: $0) }, callbacks: callbacks,
      checkpoints: checkpoints, options: options
    ) { meanSquaredError($0, $1) }
  }

  /// Forecasts within the held-out steps, one from each step, or from every `stride`-th.
  package func forecasts(stride: Int = 1) throws -> [Forecasts] {
    let first = series.count - recipe.heldOut
    let shift = series.count - seen.count
    let model = model
    let predict = try compile(
      TensorSpec([1, recipe.window, 1], name: "window"), options: options
    ) { model($0) }
    var result: [Forecasts] = []
    for start in Swift.stride(from: first, through: series.count - recipe.horizon, by: stride) {
      let end = start - shift
      let window = seen.values[(end - recipe.window)..<end].map { Float($0) }
      let scaled = try predict(try NDArray(window, shape: [1, recipe.window, 1])).doubles
      let values = scaled.map { scaling.inverse($0, column: 0) }
      result.append(
        Forecasts(
          start: start, truth: Array(series.values[start..<(start + recipe.horizon)]),
          model: transform.invert(values, series.values, from: start),
          seasonal: try series.naiveForecast(from: start, horizon: recipe.horizon),
          last: Array(repeating: series.values[start - 1], count: recipe.horizon)))
    }
    return result
  }

  /// The held-out end of the series with forecasts side by side, as SVG.
  package func plot() throws -> String {
    let first = max(0, series.count - recipe.heldOut - 2 * recipe.horizon)
    let made = try forecasts(stride: recipe.horizon)
    func points(_ part: (Forecasts) -> [Double]) -> [(Double, Double)] {
      made.flatMap { f in part(f).enumerated().map { (Double(f.start + $0), $1) } }
    }
    let chart = Chart(
      title: "\(series.name): \(recipe.horizon) steps ahead", x: "step", y: series.name,
      series: [
        .init("series", (first..<series.count).map { (Double($0), series.values[$0]) }),
        .init("GRU", points { $0.model }), .init("naive seasonal", points { $0.seasonal }),
      ])
    return Chart.page([chart])
  }

  /// Writes the model; see ``SavedForecastModel``.
  package func write(to path: String, notes: [JSONValue.Member]) throws {
    try SavedForecastModel(
      model, window: recipe.window, horizon: recipe.horizon, hidden: recipe.hidden,
      transform: transform, scaling: scaling, series: series.name, notes: notes
    ).write(to: path)
  }
}
