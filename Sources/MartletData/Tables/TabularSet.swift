// A table as examples: columns of features, and a target that is a class or some numbers.

import MartletExecution
import MartletIR
import MartletTraining

/// What is to be learned of a table.
public enum TabularTask: Hashable, Sendable {
  /// A class; the vocabulary gives classes their numbers, nil sorts those of the table.
  case classification(Vocabulary? = nil)
  /// Numbers.
  case regression
}

/// How a column of categories becomes numbers; the vocabulary is nil to sort the column's texts.
public enum CategoricalEncoding: Hashable, Sendable {
  /// A column of 0 and 1 for each text.
  case oneHot(Vocabulary? = nil)
  /// One column with the text's number.
  case index(Vocabulary? = nil)

  /// The vocabulary, if it is given.
  public var vocabulary: Vocabulary? {
    switch self {
    case .oneHot(let vocabulary), .index(let vocabulary): vocabulary
    }
  }
}

/// Rows of numbers with a target each: `features` f32[columns], and `labels` i32[] for
/// classification or `targets` f32[number of targets] for regression.
///
///     let iris = try TabularSet.iris()
///     let parts = try iris.split([0.8, 0.2], seed: 1, stratified: true)
///     let scaling = try Scaling.standard(fitting: parts[0])
///     let training = try parts[0].scaled(scaling)
public struct TabularSet: Examples, ClassLabelled {
  /// What the set is called.
  public let name: String
  /// The names of the features' columns; a one-hot column is called `sex=male`.
  public let featureNames: [String]
  /// The names of the targets' columns; one for classification.
  public let targetNames: [String]
  /// The classes in the order of their numbers; nil for regression.
  public let classes: Vocabulary?
  /// The columns of the table that the features come from.
  public let columnNames: [String]
  /// How each categorical column was encoded, with its vocabulary, to encode other tables alike.
  public let encodings: [String: CategoricalEncoding]
  /// The features, row by row.
  public let features: [Double]
  /// The targets, row by row; a class as its number.
  public let targets: [Double]
  /// The dtype of features and of a regression's targets: `float32` or `float64`.
  public let dtype: DType

  /// A set from a table's columns.
  ///
  /// - Parameters:
  ///   - table: The table.
  ///   - name: What the set is called; nil for the table's file.
  ///   - features: The columns of features; nil for all that are no target.
  ///   - targets: The target's column; for regression there may be several.
  ///   - task: Classes or numbers.
  ///   - categorical: The columns of texts among the features, and how they become numbers.
  ///   - missing: What is put in place of missing features. Missing targets are always refused.
  ///   - dtype: `float32` or `float64`.
  /// - Throws: ``DataError`` that names file, line and column.
  public init(
    _ table: Table, name: String? = nil, features: [String]? = nil, targets: [String],
    task: TabularTask, categorical: [String: CategoricalEncoding] = [:],
    missing: Table.MissingValues = .refuse, dtype: DType = .float32
  ) throws(DataError) {
    guard dtype == .float32 || dtype == .float64 else {
      throw DataError(
        .unsupported, "a table cannot be of this dtype", at: table.location, got: "\(dtype)",
        expected: "f32 or f64")
    }
    let columns = features ?? table.columnNames.filter { !targets.contains($0) }
    guard !columns.isEmpty, !targets.isEmpty, table.rowCount > 0 else {
      throw DataError(
        .outOfRange, "a set needs features, a target and rows", at: table.location,
        got: "\(columns.count) features, \(targets.count) targets, \(table.rowCount) rows")
    }
    if let both = columns.first(where: { targets.contains($0) }) {
      throw DataError(
        .mismatch, "a column is a feature and a target", at: table.location, got: "\"\(both)\"")
    }
    for column in categorical.keys where !columns.contains(column) {
      throw DataError(
        .notFound, "a categorical column is no feature", at: table.location, got: "\"\(column)\"",
        expected: columns.joined(separator: ", "))
    }
    let encoded = try table.encoded(columns, categorical, missing)
    self.name = name ?? table.location
    columnNames = columns
    encodings = encoded.encodings
    self.dtype = dtype
    featureNames = encoded.names
    targetNames = targets
    self.features = encoded.rows
    switch task {
    case .regression:
      var columns: [[Double]] = []
      for target in targets { columns.append(try table.numbers(target)) }
      self.targets = Table.rows(columns)
      classes = nil
    case .classification(let given):
      guard targets.count == 1 else {
        throw DataError(
          .mismatch, "a classification has one target", at: table.location,
          got: targets.joined(separator: ", "))
      }
      let (codes, vocabulary) = try table.codes(targets[0], vocabulary: given)
      self.targets = codes.map(Double.init)
      classes = vocabulary
    }
  }

  /// The number of rows.
  public var count: Int { targets.count / targetNames.count }
  /// The number of columns of features.
  public var featureCount: Int { featureNames.count }

  /// `features`, and `labels` or `targets`.
  public var fields: [TensorSpec] {
    [
      TensorSpec([featureCount], dtype, name: "features"),
      classes == nil
        ? TensorSpec([targetNames.count], dtype, name: "targets")
        : TensorSpec([], .int32, name: "labels"),
    ]
  }

  // Only asked for where there is a field of labels.
  package var labels: [Int32] { targets.map { Int32($0) } }

  /// Writes rows; neither seed nor epoch matter.
  public func write(
    _ indices: [Int], seed: UInt64, epoch: Int, into arrays: inout [NDArray]
  ) throws(DataError) {
    try checkBatch(indices, arrays)
    func write(_ values: [Double], _ width: Int, _ bytes: UnsafeMutableRawBufferPointer) {
      for (row, index) in indices.enumerated() {
        for column in 0..<width {
          let (value, at) = (values[index * width + column], row * width + column)
          if dtype == .float64 {
            bytes.storeBytes(of: value, toByteOffset: at * 8, as: Double.self)
          } else {
            bytes.storeBytes(of: Float(value), toByteOffset: at * 4, as: Float.self)
          }
        }
      }
    }
    try arrays[0].fill { (bytes) throws(DataError) in write(features, featureCount, bytes) }
    try arrays[1].fill { (bytes) throws(DataError) in
      if classes == nil {
        write(targets, targetNames.count, bytes)
      } else {
        let labels = bytes.bindMemory(to: Int32.self)
        for (row, index) in indices.enumerated() { labels[row] = Int32(targets[index]) }
      }
    }
  }
}

extension Table {
  /// Columns as numbers, row by row, with the names and encodings of what they became.
  func encoded(
    _ columns: [String], _ categorical: [String: CategoricalEncoding], _ missing: MissingValues
  ) throws(DataError) -> (
    names: [String], rows: [Double], encodings: [String: CategoricalEncoding]
  ) {
    var names: [String] = []
    var values: [[Double]] = []
    var encodings: [String: CategoricalEncoding] = [:]
    for column in columns {
      guard let encoding = categorical[column] else {
        names.append(column)
        values.append(try numbers(column, missing: missing))
        continue
      }
      let (codes, vocabulary) = try codes(column, vocabulary: encoding.vocabulary)
      switch encoding {
      case .index:
        encodings[column] = .index(vocabulary)
        names.append(column)
        values.append(codes.map(Double.init))
      case .oneHot:
        guard vocabulary.count <= 4096 else {
          throw DataError(
            .tooLarge, "too many categories for a column each",
            at: "\(location), \"\(column)\"", got: "\(vocabulary.count) texts",
            expected: "at most 4096", hint: "encode it by index, and learn an embedding")
        }
        encodings[column] = .oneHot(vocabulary)
        for (code, text) in vocabulary.values.enumerated() {
          names.append("\(column)=\(text)")
          values.append(codes.map { $0 == code ? 1 : 0 })
        }
      }
    }
    return (names, Table.rows(values), encodings)
  }

  static func rows(_ columns: [[Double]]) -> [Double] {
    let count = columns.first?.count ?? 0
    var result = [Double](repeating: 0, count: count * columns.count)
    for (j, column) in columns.enumerated() {
      for i in 0..<count { result[i * columns.count + j] = column[i] }
    }
    return result
  }

  /// A column's texts as numbers; missing texts are refused.
  func codes(
    _ name: String, vocabulary given: Vocabulary?
  ) throws(DataError) -> (codes: [Int], vocabulary: Vocabulary) {
    let texts = try texts(name)
    if let row = texts.firstIndex(of: "") {
      throw DataError(
        .outOfRange, "a category is missing", at: place(row, name), got: "an empty field",
        hint: "drop rows with missing values")
    }
    let vocabulary = given ?? Vocabulary(collecting: texts)
    var codes: [Int] = []
    codes.reserveCapacity(texts.count)
    for (row, text) in texts.enumerated() {
      guard let code = vocabulary.index(of: text) else {
        let shown = vocabulary.values.prefix(12).joined(separator: ", ")
        throw DataError(
          .outOfRange, "an unknown category", at: place(row, name), got: "\"\(text)\"",
          expected: vocabulary.count > 12 ? shown + ", …" : shown)
      }
      codes.append(code)
    }
    return (codes, vocabulary)
  }
}
