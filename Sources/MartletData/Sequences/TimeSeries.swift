// A series of numbers in time, and windows of it to forecast from.

import MartletExecution
import MartletIR
import MartletTraining

/// Numbers at equal steps in time.
///
///     let series = try TimeSeries.airline()
///     let training = 0..<120
///     let scaling = try series.standardScaling(fitting: training)
///     let windows = try series.scaled(scaling).windows(of: 24, horizon: 12, targets: training)
public struct TimeSeries: Sendable {
  /// What the series is called.
  public let name: String
  /// The values, oldest first.
  public let values: [Double]
  /// What the steps are called, such as `1949-01`; empty if they have no names.
  public let times: [String]
  /// The number of steps after which the series repeats itself, roughly, if it does.
  public let period: Int?

  /// A series from its values.
  ///
  /// - Throws: ``DataError`` when it is empty, a value is not finite, or times are of another number.
  public init(
    _ values: [Double], name: String = "series", times: [String] = [], period: Int? = nil
  ) throws(DataError) {
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      throw DataError(
        .outOfRange, "a value of the series is not finite", at: "\(name), step \(bad + 1)",
        got: "\(values[bad])")
    }
    guard !values.isEmpty, times.isEmpty || times.count == values.count, (period ?? 1) > 0 else {
      throw DataError(
        .mismatch, "no series of these parts", at: name,
        got: "\(values.count) values, \(times.count) times, period \(period ?? 0)",
        expected: "values, as many times or none, and a period of at least 1 or none")
    }
    self.name = name
    self.values = values
    self.times = times
    self.period = period
  }

  /// A series from a table's columns.
  ///
  /// - Throws: ``DataError`` that names file, line and column.
  public init(
    _ table: Table, values: String, times: String? = nil, period: Int? = nil,
    missing: Table.MissingValues = .refuse
  ) throws(DataError) {
    var names: [String] = []
    if let times { names = try table.texts(times) }
    try self.init(
      table.numbers(values, missing: missing), name: table.location, times: names, period: period)
  }

  /// Airline passengers of the world in thousands, each month from 1949 to 1960, embedded.
  ///
  /// - Throws: ``DataError`` where the embedded bytes are damaged.
  public static func airline() throws(DataError) -> TimeSeries {
    try TimeSeries(
      EmbeddedFile.table("airline.csv"), values: "passengers", times: "month", period: 12)
  }

  /// Mean numbers of sunspots, each month from 1749 to June 2009, embedded. The cycle takes about
  /// eleven years; 132 months are its period here.
  ///
  /// - Throws: ``DataError`` where the embedded bytes are damaged.
  public static func sunspots() throws(DataError) -> TimeSeries {
    try TimeSeries(
      EmbeddedFile.table("sunspots.csv"), values: "sunspots", times: "month", period: 132)
  }

  /// The number of steps.
  public var count: Int { values.count }

  /// The z-score scaling of some steps: those of training.
  ///
  /// - Throws: ``DataError`` when the range is empty or goes beyond the series.
  public func standardScaling(fitting range: Range<Int>) throws(DataError) -> Scaling {
    let part = try steps(range)
    let mean = part.reduce(0, +) / Double(part.count)
    let variance = part.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(part.count)
    return try Scaling(offsets: [mean], divisors: [variance > 0 ? variance.squareRoot() : 1])
  }

  /// The min–max scaling of some steps, those of training, to 0...1.
  ///
  /// - Throws: ``DataError`` when the range is empty or goes beyond the series.
  public func minMaxScaling(fitting range: Range<Int>) throws(DataError) -> Scaling {
    let part = try steps(range)
    let (low, high) = (part.min() ?? 0, part.max() ?? 0)
    return try Scaling(offsets: [low], divisors: [high > low ? high - low : 1])
  }

  /// The series with its values scaled by the scaling's first column.
  ///
  /// - Throws: ``DataError`` where a scaled value is not finite.
  public func scaled(_ scaling: Scaling) throws(DataError) -> TimeSeries {
    try TimeSeries(
      values.map { scaling.value($0, column: 0) }, name: name, times: times, period: period)
  }

  /// The series of logarithms, in which growth by a factor is a sum.
  ///
  /// - Throws: ``DataError`` when a value is not above 0.
  public func logarithms() throws(DataError) -> TimeSeries {
    try TimeSeries(values.map(naturalLogarithm), name: name, times: times, period: period)
  }

  /// Windows whose targets lie in a range of steps; their inputs may reach back before it.
  ///
  /// - Parameters:
  ///   - length: The number of steps that are seen.
  ///   - horizon: The number of steps that follow and are to be forecast.
  ///   - targets: Where forecast steps may lie; nil for the whole series.
  ///   - stride: The steps from one window to the next.
  /// - Throws: ``DataError`` when there is no such window.
  public func windows(
    of length: Int, horizon: Int = 1, targets: Range<Int>? = nil, stride: Int = 1
  ) throws(DataError) -> SeriesWindows {
    let range = targets ?? 0..<count
    guard range.lowerBound >= 0, range.upperBound <= count, length > 0, horizon > 0, stride > 0,
      length <= count, horizon <= count,
      case let first = max(range.lowerBound, length), first <= range.upperBound - horizon
    else {
      throw DataError(
        .outOfRange, "the series has no such window", at: name,
        got: "\(length) steps seen, \(horizon) forecast within \(range), every \(stride)",
        expected: "windows within \(count) steps")
    }
    return SeriesWindows(
      series: self, length: length, horizon: horizon, first: first, stride: stride,
      count: (range.upperBound - horizon - first) / stride + 1)
  }

  /// The forecast that repeats the period before step `start`: what any model must beat.
  ///
  /// Without a period, the last value.
  ///
  /// - Throws: ``DataError`` when less than a period precedes `start`.
  public func naiveForecast(from start: Int, horizon: Int) throws(DataError) -> [Double] {
    let period = period ?? 1
    guard start >= period, start <= count, horizon >= 0 else {
      throw DataError(
        .outOfRange, "no period to repeat", at: name, got: "\(horizon) steps from step \(start)",
        expected: "a start in \(period)...\(count)")
    }
    return (0..<horizon).map { values[start - period + $0 % period] }
  }

  private func steps(_ range: Range<Int>) throws(DataError) -> ArraySlice<Double> {
    guard range.lowerBound >= 0, range.upperBound <= count, !range.isEmpty else {
      throw DataError(
        .outOfRange, "no such steps", at: name, got: "\(range)", expected: "within 0..<\(count)")
    }
    return values[range]
  }
}

/// Windows of a series: `inputs` f32[length,1] and `targets` f32[horizon].
public struct SeriesWindows: Examples {
  /// The series.
  public let series: TimeSeries
  /// The number of steps that are seen.
  public let length: Int
  /// The number of steps to be forecast.
  public let horizon: Int
  // The step of the first window's first target.
  fileprivate let first: Int
  fileprivate let stride: Int
  /// The number of windows.
  public let count: Int

  fileprivate init(
    series: TimeSeries, length: Int, horizon: Int, first: Int, stride: Int, count: Int
  ) {
    self.series = series
    self.length = length
    self.horizon = horizon
    self.first = first
    self.stride = stride
    self.count = count
  }

  /// `inputs` and `targets`.
  public var fields: [TensorSpec] {
    [TensorSpec([length, 1], name: "inputs"), TensorSpec([horizon], name: "targets")]
  }

  /// The step of a window's first target.
  public func start(of index: Int) -> Int { first + index * stride }

  /// Writes windows; neither seed nor epoch matter.
  public func write(
    _ indices: [Int], seed: UInt64, epoch: Int, into arrays: inout [NDArray]
  ) throws(DataError) {
    try checkBatch(indices, arrays)
    for (field, (shift, length)) in [(-length, length), (0, horizon)].enumerated() {
      try arrays[field].fill { (bytes) throws(DataError) in
        let target = bytes.bindMemory(to: Float.self)
        for (row, index) in indices.enumerated() {
          let at = start(of: index) + shift
          for i in 0..<length { target[row * length + i] = Float(series.values[at + i]) }
        }
      }
    }
  }
}
