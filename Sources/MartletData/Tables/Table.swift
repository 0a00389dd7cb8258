// Tables of text fields, as a CSV file has them; what a field means is decided by who asks for it.

import MartletExecution

/// A table whose columns have names: what a CSV file holds.
///
///     let table = try Table(csv: "passengers.csv")
///     let ages = try table.numbers("age", missing: .fill(29.7))
///     let set = try TabularSet(table, target: "survived", task: .classification())
///
/// Fields are kept as text. A column becomes numbers when it is asked for, and a field that is no
/// number is an error that names the file and the line.
public struct Table: Sendable {
  /// The file, for messages.
  public let location: String
  /// The names of the columns, all different.
  public let columnNames: [String]
  /// The number of rows, the header not among them.
  public let rowCount: Int

  // The fields' bytes end to end; field i, row by row, is bytes[ends[i − 1]..<ends[i]].
  private let bytes: [UInt8]
  private let ends: [UInt32]
  // The file's line on which each row begins.
  private let lines: [UInt32]

  init(
    location: String, columnNames: [String], bytes: [UInt8], ends: [UInt32], lines: [UInt32]
  ) {
    self.location = location
    self.columnNames = columnNames
    self.bytes = bytes
    self.ends = ends
    self.lines = lines
    rowCount = lines.count
  }

  /// A table from columns of texts.
  ///
  /// - Throws: ``DataError`` when two names are equal or columns differ in length.
  public init(
    _ columns: KeyValuePairs<String, [String]>, location: String = "table"
  ) throws(DataError) {
    try self.init(columns.map { ($0.key, $0.value) }, location: location)
  }

  init(_ columns: [(name: String, texts: [String])], location: String) throws(DataError) {
    let rows = columns.first?.texts.count ?? 0
    if let odd = columns.first(where: { $0.texts.count != rows }) {
      throw DataError(
        .mismatch, "columns differ in length", at: "\(location), column \"\(odd.name)\"",
        got: "\(odd.texts.count) rows", expected: "\(rows)")
    }
    let names = columns.map(\.name)
    try Table.checkNames(names, at: location)
    let size = columns.reduce(0) { $0 + $1.texts.reduce(0) { $0 + $1.utf8.count } }
    guard size < Table.byteLimit else { throw Table.tooLarge(size, location) }
    var bytes: [UInt8] = []
    var ends: [UInt32] = []
    bytes.reserveCapacity(size)
    for row in 0..<rows {
      for column in columns {
        bytes += column.texts[row].utf8
        ends.append(UInt32(bytes.count))
      }
    }
    self.init(
      location: location, columnNames: names, bytes: bytes, ends: ends,
      lines: (0..<UInt32(rows)).map { $0 + 1 })
  }

  // Places of fields are 32 bits wide.
  static let byteLimit = 2 << 30

  static func tooLarge(_ size: Int, _ location: String) -> DataError {
    DataError(
      .tooLarge, "the table is too large", at: location, got: "\(size) bytes",
      expected: "at most \(byteLimit) bytes", hint: "split the file")
  }

  static func checkNames(_ names: [String], at location: String) throws(DataError) {
    var seen: Set<String> = []
    for name in names where !seen.insert(name).inserted {
      throw DataError(
        .mismatch, "two columns have the same name", at: location, got: "\"\(name)\" twice",
        hint: "rename one of them in the header")
    }
  }

  /// What a field that holds nothing, `NA`, `NaN` or the like is taken for.
  public enum MissingValues: Hashable, Sendable {
    /// An error that names the line.
    case refuse
    /// This number.
    case fill(Double)
    /// The mean of the column's other values.
    case mean
  }

  /// The place of a column.
  ///
  /// - Throws: ``DataError`` when there is no such column.
  public func index(of name: String) throws(DataError) -> Int {
    guard let index = columnNames.firstIndex(of: name) else {
      let shown = columnNames.prefix(12).map { "\"\($0)\"" }.joined(separator: ", ")
      throw DataError(
        .notFound, "the table has no such column", at: location, got: "\"\(name)\"",
        expected: columnNames.count > 12 ? shown + ", …" : shown)
    }
    return index
  }

  /// A column as numbers.
  ///
  /// - Throws: ``DataError`` that names the line, when the column is missing, or a field is text,
  ///   infinite, or missing while `missing` refuses it.
  public func numbers(
    _ name: String, missing: MissingValues = .refuse
  ) throws(DataError) -> [Double] {
    let column = try index(of: name)
    var result: [Double] = []
    result.reserveCapacity(rowCount)
    var gaps: [Int] = []
    for row in 0..<rowCount {
      switch NumberField(field(row, column)) {
      case .number(let x): result.append(x)
      case .missing where missing != .refuse:
        gaps.append(row)
        result.append(0)
      case .missing:
        throw DataError(
          .outOfRange, "a value is missing", at: place(row, name), got: quoted(row, column),
          expected: "a number", hint: "fill it, or drop rows with missing values")
      case .infinite:
        throw DataError(
          .outOfRange, "a number is not finite", at: place(row, name), got: quoted(row, column),
          expected: "a finite number")
      case .text:
        throw DataError(
          .wrongFormat, "text in a column of numbers", at: place(row, name),
          got: quoted(row, column), expected: "a number",
          hint: "name the column among the categorical ones if it holds categories")
      }
    }
    guard !gaps.isEmpty else { return result }
    let filling: Double
    switch missing {
    case .fill(let x): filling = x
    case .mean, .refuse:
      guard gaps.count < rowCount else {
        throw DataError(
          .outOfRange, "a column without any value has no mean", at: "\(location), \"\(name)\"",
          got: "\(rowCount) missing values")
      }
      filling = result.reduce(0, +) / Double(rowCount - gaps.count)
    }
    for row in gaps { result[row] = filling }
    return result
  }

  /// A column as the texts of its fields.
  ///
  /// - Throws: ``DataError`` when there is no such column.
  public func texts(_ name: String) throws(DataError) -> [String] {
    let column = try index(of: name)
    return (0..<rowCount).map { String(decoding: field($0, column), as: UTF8.self) }
  }

  /// The rows in which no value of the columns is missing; nil for all columns.
  ///
  /// - Throws: ``DataError`` when there is no such column.
  public func droppingRows(missingIn names: [String]? = nil) throws(DataError) -> Table {
    var columns: [Int] = []
    for name in names ?? columnNames { columns.append(try index(of: name)) }
    let kept = (0..<rowCount).filter { row in
      columns.allSatisfy {
        if case .missing = NumberField(field(row, $0)) { false } else { true }
      }
    }
    return rows(kept)
  }

  /// The rows at these indices.
  package func rows(_ kept: [Int]) -> Table {
    var bytes: [UInt8] = []
    var ends: [UInt32] = []
    for row in kept {
      for column in columnNames.indices {
        bytes += field(row, column)
        ends.append(UInt32(bytes.count))
      }
    }
    return Table(
      location: location, columnNames: columnNames, bytes: bytes, ends: ends,
      lines: kept.map { lines[$0] })
  }

  /// The table with the columns of another one beside its own: for each row, those of the other's
  /// row with the same text in the column `key`.
  ///
  /// - Parameters:
  ///   - other: A table in which no two rows have the same key.
  ///   - key: A column of both.
  ///   - dropsUnmatched: True to leave out rows whose key the other table lacks.
  /// - Throws: ``DataError`` that names the line when a key is missing or twice in `other`, or when
  ///   both tables have another column of the same name.
  public func joined(
    with other: Table, on key: String, dropsUnmatched: Bool = false
  ) throws(DataError) -> Table {
    let (own, theirs) = (try index(of: key), try other.index(of: key))
    var places: [ArraySlice<UInt8>: Int] = [:]
    for row in 0..<other.rowCount {
      guard let first = places.updateValue(row, forKey: other.field(row, theirs)) else { continue }
      throw DataError(
        .mismatch, "a key is in two rows", at: other.place(row, key),
        got: other.quoted(row, theirs), expected: "a key that line \(other.lines[first]) lacks")
    }
    let added = other.columnNames.indices.filter { $0 != theirs }
    let names = columnNames + added.map { other.columnNames[$0] }
    try Table.checkNames(names, at: "\(location) with \(other.location)")
    var bytes: [UInt8] = []
    var ends: [UInt32] = []
    var kept: [UInt32] = []
    for row in 0..<rowCount {
      guard let match = places[field(row, own)] else {
        if dropsUnmatched { continue }
        throw DataError(
          .notFound, "a key that the other table lacks", at: place(row, key),
          got: quoted(row, own), expected: "a key of \(other.location)")
      }
      for column in columnNames.indices {
        bytes += field(row, column)
        ends.append(UInt32(bytes.count))
      }
      for column in added {
        bytes += other.field(match, column)
        ends.append(UInt32(bytes.count))
      }
      guard bytes.count < Table.byteLimit else { throw Table.tooLarge(bytes.count, location) }
      kept.append(lines[row])
    }
    return Table(
      location: location, columnNames: names, bytes: bytes, ends: ends, lines: kept)
  }

  /// The table with the rows of another one below its own; columns are matched by name.
  ///
  /// Errors in the other's rows will name its lines, and this table's file.
  ///
  /// - Throws: ``DataError`` when a column is missing in one of them.
  public func appending(_ other: Table) throws(DataError) -> Table {
    guard other.columnNames.count == columnNames.count else {
      throw DataError(
        .mismatch, "tables of other columns", at: other.location,
        got: "\(other.columnNames.count) columns", expected: "\(columnNames.count)")
    }
    var columns: [Int] = []
    for name in columnNames { columns.append(try other.index(of: name)) }
    guard bytes.count + other.bytes.count < Table.byteLimit else {
      throw Table.tooLarge(bytes.count + other.bytes.count, location)
    }
    var (bytes, ends) = (bytes, ends)
    for row in 0..<other.rowCount {
      for column in columns {
        bytes += other.field(row, column)
        ends.append(UInt32(bytes.count))
      }
    }
    return Table(
      location: location, columnNames: columnNames, bytes: bytes, ends: ends,
      lines: lines + other.lines)
  }

  func field(_ row: Int, _ column: Int) -> ArraySlice<UInt8> {
    let i = row * columnNames.count + column
    return bytes[Int(i == 0 ? 0 : ends[i - 1])..<Int(ends[i])]
  }

  func quoted(_ row: Int, _ column: Int) -> String {
    let text = String(decoding: field(row, column).prefix(60), as: UTF8.self)
    return text.isEmpty ? "an empty field" : "\"\(text)\""
  }

  /// File and line of a row, and the column, for messages.
  func place(_ row: Int, _ column: String? = nil) -> String {
    "\(location):\(lines[row])" + (column.map { ", column \"\($0)\"" } ?? "")
  }
}

/// What a field says when a number is expected.
enum NumberField: Equatable {
  case number(Double)
  case missing
  case infinite
  case text

  private static let missingSpellings: Set<String> = [
    "", "?", "-", "na", "n/a", "nan", "-nan", "null", "none", "#n/a",
  ]
  private static let infiniteSpellings: Set<String> = ["inf", "infinity"]

  init(_ field: ArraySlice<UInt8>) {
    var field = field
    while let first = field.first, first == 0x20 || first == 0x09 { field.removeFirst() }
    while let last = field.last, last == 0x20 || last == 0x09 { field.removeLast() }
    if let x = NumberField.simple(field) {
      self = .number(x)
      return
    }
    // Far longer than any number that anybody writes.
    guard field.count <= 400 else {
      self = .text
      return
    }
    let text = String(decoding: field, as: UTF8.self)
    // Swift also reads hexadecimal, `nan(…)` and `infinity`: only what looks decimal goes there.
    if !field.isEmpty, field.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }),
      let x = Double(text)
    {
      self = x.isFinite ? .number(x) : .infinite
    } else if NumberField.missingSpellings.contains(text.lowercased()) {
      self = .missing
    } else {
      let bare = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
      self = NumberField.infiniteSpellings.contains(bare.lowercased()) ? .infinite : .text
    }
  }

  // Up to 15 digits and 22 places are exact in double precision, and so is their quotient's
  // rounding: the same number as strtod's (Clinger 1990), a tenth of the time.
  private static func simple(_ field: ArraySlice<UInt8>) -> Double? {
    var (digits, places, seen) = (Int64(0), 0, 0)
    var point = false
    var rest = field
    let negative = rest.first == UInt8(ascii: "-")
    if negative { rest.removeFirst() }
    for byte in rest {
      switch byte {
      case 0x30...0x39:
        digits = digits * 10 + Int64(byte - 0x30)
        seen += 1
        if point { places += 1 }
        if seen > 15 { return nil }
      case UInt8(ascii: ".") where !point: point = true
      default: return nil
      }
    }
    guard seen > 0 else { return nil }
    let x = Double(digits) / powers[places]
    return negative ? -x : x
  }

  private static let powers: [Double] = (0...15).map { power in
    (0..<power).reduce(1.0) { x, _ in x * 10 }
  }
}
