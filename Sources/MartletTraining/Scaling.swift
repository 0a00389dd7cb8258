// Scaling of a field column by column: fitted on the training set, applied to every set, saved
// with the model.

import MartletExecution
import MartletIR

/// How the values of a column become a model's input: (value − offset) / divisor, for each column
/// of a table or each channel of an image (the last axis).
///
///     let scaling = try Scaling.standard(fitting: training)
///     let (a, b) = (try training.scaled(scaling), try validation.scaled(scaling))
public struct Scaling: Hashable, Sendable {
  /// What is subtracted, for each column.
  public let offsets: [Double]
  /// What the difference is divided by, for each column.
  public let divisors: [Double]

  /// A scaling from its parts.
  ///
  /// - Throws: ``DataError`` unless the parts are of one length, finite, and divisors not 0.
  public init(offsets: [Double], divisors: [Double]) throws(DataError) {
    guard offsets.count == divisors.count, !offsets.isEmpty,
      offsets.allSatisfy(\.isFinite), divisors.allSatisfy({ $0.isFinite && $0 != 0 })
    else {
      throw DataError(
        .outOfRange, "values cannot be scaled so", at: "scaling",
        got: "\(offsets.count) offsets and \(divisors.count) divisors",
        expected: "as many of each, finite, and no divisor of 0")
    }
    self.offsets = offsets
    self.divisors = divisors
  }

  /// The number of columns.
  public var columns: Int { offsets.count }

  /// The model's input for a value.
  public func value(_ x: Double, column: Int) -> Double {
    (x - offsets[column]) / divisors[column]
  }

  /// The value that a model's input stands for.
  public func inverse(_ y: Double, column: Int) -> Double {
    y * divisors[column] + offsets[column]
  }

  /// The scaling that gives each column a mean of 0 and a standard deviation of 1 (z-scores).
  ///
  /// The deviation is that of the whole set (divided by n), as scikit-learn's StandardScaler has
  /// it. A column of one value is only shifted.
  ///
  /// - Parameters:
  ///   - examples: The training set; read as epoch 0, without augmentation if you give it none.
  ///   - field: The field's name; nil for the first one.
  /// - Throws: ``DataError`` when the field is missing, integers, empty, or not finite.
  public static func standard(
    fitting examples: some Examples, field: String? = nil
  ) throws(DataError) -> Scaling {
    let moments = try ColumnMoments(examples, field: field)
    return try Scaling(
      offsets: moments.means,
      divisors: moments.variances.map { $0 > 0 ? $0.squareRoot() : 1 })
  }

  /// The scaling that takes each column to 0...1, or to `range`.
  ///
  /// A column of one value becomes the range's lower bound.
  ///
  /// - Throws: ``DataError`` when the field is missing, integers, empty, or not finite.
  public static func minMax(
    fitting examples: some Examples, field: String? = nil, to range: ClosedRange<Double> = 0...1
  ) throws(DataError) -> Scaling {
    let moments = try ColumnMoments(examples, field: field)
    let width = range.upperBound - range.lowerBound
    guard width > 0, width.isFinite else {
      throw DataError(
        .outOfRange, "values cannot be scaled so", at: "scaling", got: "the range \(range)",
        expected: "a lower and a higher finite bound")
    }
    var (offsets, divisors): ([Double], [Double]) = ([], [])
    for (low, high) in zip(moments.minima, moments.maxima) {
      // lower + (x − low) · width / (high − low) as (x − offset) / divisor.
      let divisor = high > low ? (high - low) / width : 1
      divisors.append(divisor)
      offsets.append(low - range.lowerBound * divisor)
    }
    return try Scaling(offsets: offsets, divisors: divisors)
  }
}

/// Examples with one field scaled column by column.
public struct ScaledExamples: Examples {
  /// The examples as they were.
  public let base: any Examples
  /// The scaling of the field's last axis.
  public let scaling: Scaling
  /// The place of the field among ``fields``.
  public let field: Int

  /// The number of examples.
  public var count: Int { base.count }
  /// The fields, unchanged.
  public var fields: [TensorSpec] { base.fields }

  init(_ base: some Examples, _ scaling: Scaling, field: String?) throws(DataError) {
    let place = try base.place(of: field)
    let type = base.fields[place].type
    guard (type.shape.dimensions.last ?? 1) == scaling.columns else {
      throw DataError(
        .mismatch, "the scaling is for another number of columns", at: base.fields[place].label,
        got: "\(type)", expected: "\(scaling.columns) columns along the last axis")
    }
    self.base = base
    self.scaling = scaling
    self.field = place
  }

  /// Writes examples as the base does, then scales the field.
  public func write(
    _ indices: [Int], seed: UInt64, epoch: Int, into arrays: inout [NDArray]
  ) throws(DataError) {
    try base.write(indices, seed: seed, epoch: epoch, into: &arrays)
    guard arrays.indices.contains(field) else { return }
    let isDouble = arrays[field].dtype == .float64
    try arrays[field].fill { (bytes) throws(DataError) in
      let columns = scaling.columns
      if isDouble {
        let values = bytes.bindMemory(to: Double.self)
        var column = 0
        for i in values.indices {
          values[i] = scaling.value(values[i], column: column)
          column = column + 1 == columns ? 0 : column + 1
        }
      } else {
        // In double precision: a column of years less their mean has few digits in single.
        let values = bytes.bindMemory(to: Float.self)
        var column = 0
        for i in values.indices {
          values[i] = Float(scaling.value(Double(values[i]), column: column))
          column = column + 1 == columns ? 0 : column + 1
        }
      }
    }
  }
}

extension Examples {
  /// The examples with a field scaled; `field` is its name, nil for the first one.
  ///
  /// - Throws: ``DataError`` when the field is missing, integers, or of other columns.
  public func scaled(
    _ scaling: Scaling, field: String? = nil
  ) throws(DataError) -> ScaledExamples {
    try ScaledExamples(self, scaling, field: field)
  }

  // The place of a field of f32 or f64.
  fileprivate func place(of name: String?) throws(DataError) -> Int {
    let place = name == nil ? 0 : fields.firstIndex { $0.name == name }
    guard let place, fields.indices.contains(place) else {
      throw DataError(
        .notFound, "no such field", at: "examples", got: name,
        expected: fields.map(\.label).joined(separator: ", "))
    }
    guard [.float32, .float64].contains(fields[place].type.dtype) else {
      throw DataError(
        .mismatch, "only f32 and f64 can be scaled", at: fields[place].label,
        got: "\(fields[place].type)")
    }
    return place
  }
}

// Means, variances and ranges of the columns of a field, in one pass (Welford).
private struct ColumnMoments {
  var means: [Double]
  var variances: [Double]
  var minima: [Double]
  var maxima: [Double]

  init(_ examples: some Examples, field name: String?) throws(DataError) {
    let field = try examples.place(of: name)
    let spec = examples.fields[field]
    let columns = spec.type.shape.dimensions.last ?? 1
    means = Array(repeating: 0, count: columns)
    var squares = means
    minima = Array(repeating: .infinity, count: columns)
    maxima = Array(repeating: -.infinity, count: columns)
    var rows = 0.0
    for start in stride(from: 0, to: examples.count, by: 64) {
      let array = try examples.batch(Array(start..<min(examples.count, start + 64)))[field]
      let values = array.doubles
      for row in 0..<(columns == 0 ? 0 : values.count / columns) {
        rows += 1
        for column in 0..<columns {
          let x = values[row * columns + column]
          guard x.isFinite else {
            throw DataError(
              .outOfRange, "a value to fit a scaling on is not finite",
              at: "\(spec.label), column \(column + 1)", got: "\(x)", expected: "a number",
              hint: "fill or drop missing values first")
          }
          let change = x - means[column]
          means[column] += change / rows
          squares[column] += change * (x - means[column])
          minima[column] = min(minima[column], x)
          maxima[column] = max(maxima[column], x)
        }
      }
    }
    guard rows > 0 else {
      throw DataError(
        .outOfRange, "no values to fit a scaling on", at: spec.label,
        got: "\(examples.count) examples of \(spec.type)")
    }
    variances = squares.map { $0 / rows }
  }
}
