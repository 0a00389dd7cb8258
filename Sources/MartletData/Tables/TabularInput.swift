// What a model of a table must know to read another one: columns, vocabularies, scaling.

import MartletExecution
import MartletIR
import MartletTraining

/// How a table's columns become a model's input, as it was when the model was trained: saved with
/// the model, so that other tables are read alike.
///
///     let input = try TabularInput(of: set, scaling: scaling)      // at training
///     let x = try input.features(of: Table(csv: "new.csv"))        // at prediction
public struct TabularInput: Hashable, Sendable {
  /// A column of the table.
  public struct Column: Hashable, Sendable {
    /// The column's name.
    public let name: String
    /// How its texts become numbers, with the vocabulary; nil for a column of numbers.
    public let encoding: CategoricalEncoding?

    package init(name: String, encoding: CategoricalEncoding? = nil) {
      self.name = name
      self.encoding = encoding
    }
  }

  /// The columns in the order of the input.
  public let columns: [Column]
  /// The scaling of the features, if they are scaled.
  public let scaling: Scaling?

  /// How a set was made of its table, and scaled.
  ///
  /// - Throws: ``DataError`` when the scaling is for another number of features.
  public init(of set: TabularSet, scaling: Scaling? = nil) throws(DataError) {
    try self.init(
      columns: set.columnNames.map { Column(name: $0, encoding: set.encodings[$0]) },
      scaling: scaling, location: set.name)
  }

  package init(columns: [Column], scaling: Scaling?, location: String) throws(DataError) {
    self.columns = columns
    self.scaling = scaling
    guard scaling == nil || scaling?.columns == featureCount else {
      throw DataError(
        .mismatch, "the scaling is for another number of columns", at: location,
        got: "\(scaling?.columns ?? 0)", expected: "\(featureCount)")
    }
  }

  /// The number of features: of columns of numbers, and of one-hot texts.
  public var featureCount: Int {
    columns.reduce(0) { sum, column in
      if case .oneHot(let vocabulary?) = column.encoding { return sum + vocabulary.count }
      return sum + 1
    }
  }

  /// The model's input for a table's rows: f32[rows, features]. Other columns are passed over.
  ///
  /// - Throws: ``DataError`` that names file, line and column when one is missing, a field is no
  ///   number, or a text is not in the vocabulary.
  public func features(
    of table: Table, missing: Table.MissingValues = .refuse
  ) throws(DataError) -> NDArray {
    var categorical: [String: CategoricalEncoding] = [:]
    for column in columns { categorical[column.name] = column.encoding }
    var rows = try table.encoded(columns.map(\.name), categorical, missing).rows
    if let scaling {
      for i in rows.indices { rows[i] = scaling.value(rows[i], column: i % scaling.columns) }
    }
    do throws(RunError) {
      return try NDArray(rows.map { Float($0) }, shape: [table.rowCount, featureCount])
    } catch {
      throw DataError(
        .tooLarge, "no memory for the table's rows", at: table.location,
        got: "\(table.rowCount) rows")
    }
  }

  // MARK: - model.json

  /// As `model.json` spells it.
  package var json: JSONValue {
    func texts(_ vocabulary: Vocabulary?) -> JSONValue {
      .array((vocabulary?.values ?? []).map { .string($0) })
    }
    var members: [JSONValue.Member] = [
      .init(
        "columns",
        .array(
          columns.map { column in
            let name = JSONValue.Member("name", .string(column.name))
            return switch column.encoding {
            case .oneHot(let vocabulary): .object([name, .init("oneHot", texts(vocabulary))])
            case .index(let vocabulary): .object([name, .init("index", texts(vocabulary))])
            case nil: .object([name])
            }
          }))
    ]
    if let scaling {
      members.append(.init("offsets", .array(scaling.offsets.map { .number($0) })))
      members.append(.init("divisors", .array(scaling.divisors.map { .number($0) })))
    }
    return .object(members)
  }

  /// What a `model.json` says; `file` names it in errors.
  package init(_ json: JSONValue, file: String) throws(DataError) {
    func bad(_ what: String) -> DataError {
      DataError(
        .wrongFormat, "model.json: \(what)", at: file,
        expected: "columns with names and vocabularies, offsets and divisors")
    }
    guard let entries = json["columns"]?.array, !entries.isEmpty else { throw bad("no columns") }
    var columns: [Column] = []
    for entry in entries {
      guard let name = entry["name"]?.string else { throw bad("a column without a name") }
      var encoding: CategoricalEncoding?
      for kind in ["oneHot", "index"] {
        guard let values = entry[kind] else { continue }
        guard let texts = values.array?.compactMap(\.string), texts.count == values.array?.count,
          !texts.isEmpty
        else { throw bad("the vocabulary of \(name)") }
        let vocabulary = try Vocabulary(texts)
        encoding = kind == "oneHot" ? .oneHot(vocabulary) : .index(vocabulary)
      }
      columns.append(Column(name: name, encoding: encoding))
    }
    var scaling: Scaling?
    if json["offsets"] != nil || json["divisors"] != nil {
      guard let offsets = json["offsets"]?.array?.compactMap(\.number),
        let divisors = json["divisors"]?.array?.compactMap(\.number),
        offsets.count == json["offsets"]?.array?.count,
        divisors.count == json["divisors"]?.array?.count
      else { throw bad("the scaling") }
      scaling = try Scaling(offsets: offsets, divisors: divisors)
    }
    try self.init(columns: columns, scaling: scaling, location: file)
  }
}
