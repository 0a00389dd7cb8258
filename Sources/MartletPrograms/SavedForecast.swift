// A saved forecast model: read from its directory, and asked what comes after a series.

import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletTraining

/// A forecast model with its scaling: what a model directory holds.
package struct SavedForecastModel: Sendable {
  package static let name = "forecast"
  package let model: ForecastModel
  package let window: Int
  package let horizon: Int
  package let hidden: Int
  package let transform: SeriesTransform
  package let scaling: Scaling
  /// The series that it was trained on.
  package let series: String
  package let notes: [JSONValue.Member]

  package init(
    _ model: ForecastModel, window: Int, horizon: Int, hidden: Int, transform: SeriesTransform,
    scaling: Scaling, series: String, notes: [JSONValue.Member]
  ) {
    self.model = model
    self.window = window
    self.horizon = horizon
    self.hidden = hidden
    self.transform = transform
    self.scaling = scaling
    self.series = series
    self.notes = notes
  }

  private var described: [JSONValue] {
    [
      .object([
        .init("type", .string("gru")), .init("in", .integer(1)),
        .init("hidden", .integer(hidden)),
      ]),
      .object([
        .init("type", .string("linear")), .init("in", .integer(hidden)),
        .init("out", .integer(horizon)),
      ]),
    ]
  }

  /// Writes the model; see ``ModelDirectory``. Scaling and transformation stand beside the layers.
  package func write(to path: String) throws {
    let manifest = ModelManifest(
      name: SavedForecastModel.name, inputShape: [window, 1],
      mean: Float(scaling.offsets[0]), deviation: Float(scaling.divisors[0]),
      classes: (1...horizon).map { "step \($0)" }, layers: described,
      notes: [
        .init("series", .string(series)), .init("logarithms", .bool(transform.isLogarithmic)),
        .init("lag", .integer(transform.lag)),
      ] + notes)
    try SavedModel.write(model, manifest, to: path)
  }

  /// Reads a model directory. Every parameter must be there, with its type, and nothing else.
  package init(_ path: String) throws {
    let (manifest, weights) = try ModelDirectory.read(path)
    let file = FileSystem.join(path, ModelDirectory.manifestName)
    guard manifest.name == SavedForecastModel.name else {
      throw DataError(
        .mismatch, "not a forecast model", at: file, got: manifest.name,
        expected: SavedForecastModel.name, hint: "martlet train forecast --output DIR makes one")
    }
    let sizes = ManifestSizes(layers: manifest.layers, file: file)
    let hidden = try ManifestSizes.integer(
      try sizes.layer("gru"), "hidden", 1...(1 << 16), file: file)
    let horizon = manifest.classes.count
    func note(_ name: String) -> JSONValue? { manifest.notes.first { $0.name == name }?.value }
    guard let isLogarithmic = note("logarithms")?.bool, let lag = note("lag")?.integer,
      (0...(1 << 16)).contains(lag), (1...(1 << 12)).contains(horizon),
      manifest.inputShape.count == 2, manifest.inputShape[1] == 1,
      (1...(1 << 16)).contains(manifest.inputShape[0]), manifest.deviation > 0,
      manifest.deviation.isFinite, manifest.mean.isFinite
    else {
      throw DataError(
        .wrongFormat, "the description of the series is incomplete", at: file,
        expected: "a window [n, 1], steps ahead, logarithms, lag, mean and deviation")
    }
    self.init(
      ForecastModel(hidden: hidden, horizon: horizon), window: manifest.inputShape[0],
      horizon: horizon, hidden: hidden,
      transform: SeriesTransform(isLogarithmic: isLogarithmic, lag: lag),
      scaling: try Scaling(
        offsets: [Double(manifest.mean)], divisors: [Double(manifest.deviation)]),
      series: note("series")?.string ?? "", notes: [])
    guard described == manifest.layers else {
      throw DataError(
        .mismatch, "the layers in model.json do not fit one another", at: file,
        got: "\(horizon) steps ahead",
        expected: "the sizes of gru and linear layers in agreement")
    }
    try SavedModel.load(
      weights, into: model, file: FileSystem.join(path, ModelDirectory.weightsName))
  }

  /// The values that follow a series, `horizon` of them.
  ///
  /// - Throws: ``DataError`` for a series that is shorter than what the model sees, or has a value
  ///   without a logarithm where the model sees logarithms.
  package func forecast(_ series: TimeSeries, options: CompileOptions) throws -> [Double] {
    let seen = try transform.apply(series)
    guard seen.count >= window else {
      throw DataError(
        .outOfRange, "the series is shorter than what the model sees", at: series.name,
        got: "\(series.count) steps", expected: "at least \(window + transform.lag)")
    }
    let inputs = seen.values.suffix(window).map { Float(scaling.value($0, column: 0)) }
    let model = model
    let predict = try compile(TensorSpec([1, window, 1], name: "window"), options: options) {
      model($0)
    }
    let scaled = try predict(try NDArray(inputs, shape: [1, window, 1])).doubles
    return transform.invert(
      scaled.map { scaling.inverse($0, column: 0) }, series.values, from: series.count)
  }
}
