// CSV files: RFC 4180 with the separators and line ends that are met in practice.
//
// Own parser, because files are hostile: SwiftCSV takes a whole file as a String of grapheme
// clusters, fills short rows up in silence and knows no line numbers.

import MartletExecution

/// What separates the fields of a CSV file.
public enum CSVSeparator: Hashable, Sendable, CaseIterable {
  /// `,`
  case comma
  /// `;`
  case semicolon
  /// A tab.
  case tab
  /// Any number of spaces or tabs.
  case blanks
}

/// How a CSV file is read.
public struct CSVOptions: Hashable, Sendable {
  /// What separates fields; nil finds out from the first lines.
  public var separator: CSVSeparator?
  /// Whether the first line names the columns; nil takes it for names if none of them is a number.
  public var hasHeader: Bool?
  /// The names of the columns, in place of the header's.
  public var columnNames: [String]?

  /// How a file is read; what is nil is found out.
  public init(
    separator: CSVSeparator? = nil, hasHeader: Bool? = nil, columnNames: [String]? = nil
  ) {
    self.separator = separator
    self.hasHeader = hasHeader
    self.columnNames = columnNames
  }
}

extension Table {
  /// Reads a CSV file in UTF-8, plain or gzip-compressed.
  ///
  /// Fields may stand in quotes, then `""` is a quote and line breaks belong to the field. Lines
  /// end in LF, CRLF or CR; a byte order mark and empty lines are skipped. Columns without a
  /// header are called `column 1`, `column 2`, ….
  ///
  /// - Throws: ``DataError`` that names file and line when rows differ in length, a quote is not
  ///   closed, names are equal, or the text is not UTF-8.
  public init(csv path: String, options: CSVOptions = CSVOptions()) throws(DataError) {
    let file = try FileSystem.read(path, limit: Table.byteLimit)
    try self.init(csv: file, location: path, options: options)
  }

  /// Parses a CSV file in memory; `location` names it in errors.
  public init(
    csv file: [UInt8], location: String, options: CSVOptions = CSVOptions()
  ) throws(DataError) {
    let text =
      file.starts(with: [0x1f, 0x8b])
      ? try GzipReader.inflated(file, limit: Table.byteLimit - 1, location: location) : file
    guard text.count < Table.byteLimit else { throw Table.tooLarge(text.count, location) }
    try UTF8Check.check(text, location)
    let start = text.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
    var separator = options.separator
    if separator == nil { separator = CSVText.separator(of: text, from: start) }
    var parsed = CSVText(separator ?? .comma, location)
    try parsed.parse(text, from: start, rowLimit: .max)
    self = try parsed.table(options)
  }
}

// The parser's state: fields' bytes end to end, and where rows begin.
private struct CSVText {
  let separator: CSVSeparator
  let location: String
  var bytes: [UInt8] = []
  var ends: [UInt32] = []
  var lines: [UInt32] = []
  var columns = 0

  init(_ separator: CSVSeparator, _ location: String) {
    self.separator = separator
    self.location = location
  }

  mutating func parse(_ text: [UInt8], from start: Int, rowLimit: Int) throws(DataError) {
    bytes.reserveCapacity(rowLimit == .max ? text.count : min(text.count, 1 << 16))
    var failure: DataError?
    text.withUnsafeBufferPointer { text in
      do throws(DataError) { try parse(text, from: start, rowLimit: rowLimit) } catch {
        failure = error
      }
    }
    if let failure { throw failure }
  }

  private func isSeparator(_ byte: UInt8) -> Bool {
    switch separator {
    case .comma: byte == UInt8(ascii: ",")
    case .semicolon: byte == UInt8(ascii: ";")
    case .tab: byte == 0x09
    case .blanks: byte == 0x20 || byte == 0x09
    }
  }

  private mutating func parse(
    _ text: UnsafeBufferPointer<UInt8>, from start: Int, rowLimit: Int
  ) throws(DataError) {
    let (newline, carriageReturn, quote) = (UInt8(0x0a), UInt8(0x0d), UInt8(ascii: "\""))
    var i = start
    var line = 1
    let end = text.count
    while i < end, lines.count < rowLimit {
      let first = line
      let fieldsBefore = ends.count
      let bytesBefore = bytes.count
      var wasQuoted = false
      row: while true {
        if separator == .blanks { while i < end, isSeparator(text[i]) { i += 1 } }
        if i < end, text[i] == quote {
          // A quoted field: up to a quote that no quote follows.
          wasQuoted = true
          let opened = line
          i += 1
          var run = i
          while true {
            guard i < end else {
              throw DataError(
                .wrongFormat, "a quote is not closed", at: "\(location):\(opened)",
                got: "the end of the file", expected: "\" behind the field")
            }
            if text[i] == quote {
              bytes += text[run..<i]
              if i + 1 < end, text[i + 1] == quote {
                bytes.append(quote)
                i += 2
                run = i
                continue
              }
              i += 1
              break
            }
            if text[i] == newline
              || (text[i] == carriageReturn && !(i + 1 < end && text[i + 1] == newline))
            {
              line += 1
            }
            i += 1
          }
          guard i == end || isSeparator(text[i]) || text[i] == newline || text[i] == carriageReturn
          else {
            throw DataError(
              .wrongFormat, "text follows a closing quote", at: "\(location):\(line)",
              got: String(decoding: text[i..<min(end, i + 20)], as: UTF8.self),
              expected: "a separator or the end of the line",
              hint: "a quote within a quoted field is written twice")
          }
        } else {
          let begin = i
          while i < end, !isSeparator(text[i]), text[i] != newline, text[i] != carriageReturn {
            i += 1
          }
          // Blanks at the end of a line begin no field.
          let isTail = separator == .blanks && begin == i && (i == end || !isSeparator(text[i]))
          if isTail, ends.count > fieldsBefore { break row }
          bytes += text[begin..<i]
        }
        ends.append(UInt32(bytes.count))
        guard i < end, isSeparator(text[i]) else { break row }
        i += 1
      }
      if i < end {
        if text[i] == carriageReturn, i + 1 < end, text[i + 1] == newline { i += 1 }
        i += 1
        line += 1
      }
      // An empty line is no row; `""` is one.
      if ends.count == fieldsBefore + 1, bytes.count == bytesBefore, !wasQuoted {
        ends.removeLast()
        continue
      }
      let fields = ends.count - fieldsBefore
      if lines.isEmpty {
        columns = fields
      } else if fields != columns {
        throw DataError(
          .mismatch, "a row with another number of fields", at: "\(location):\(first)",
          got: "\(fields) field\(fields == 1 ? "" : "s")",
          expected: "\(columns), as in line \(lines[0])")
      }
      lines.append(UInt32(first))
    }
  }

  func table(_ options: CSVOptions) throws(DataError) -> Table {
    guard !lines.isEmpty else {
      throw DataError(.truncated, "the table is empty", at: location, expected: "rows of fields")
    }
    func head(_ column: Int) -> ArraySlice<UInt8> {
      bytes[(column == 0 ? 0 : Int(ends[column - 1]))..<Int(ends[column])]
    }
    let hasHeader =
      options.hasHeader
      ?? (0..<columns).allSatisfy {
        switch NumberField(head($0)) {
        case .text, .missing: true
        case .number, .infinite: false
        }
      }
    var names = (1...columns).map { "column \($0)" }
    if hasHeader {
      for column in 0..<columns {
        let name = String(decoding: head(column), as: UTF8.self)
        if !name.isEmpty { names[column] = name }
      }
    }
    if let given = options.columnNames {
      guard given.count == columns else {
        throw DataError(
          .mismatch, "names for another number of columns", at: location,
          got: "\(given.count) names", expected: "\(columns)")
      }
      names = given
    }
    try Table.checkNames(names, at: "\(location):\(lines[0])")
    guard hasHeader else {
      return Table(
        location: location, columnNames: names, bytes: bytes, ends: ends, lines: lines)
    }
    let cut = Int(ends[columns - 1])
    return Table(
      location: location, columnNames: names, bytes: Array(bytes[cut...]),
      ends: ends[columns...].map { $0 - UInt32(cut) }, lines: Array(lines.dropFirst()))
  }

  /// The separator in the first row; of several, that which divides the first twenty rows into the
  /// most fields, as many in each.
  static func separator(of text: [UInt8], from start: Int) -> CSVSeparator {
    let row = text[start...].prefix { $0 != 0x0a && $0 != 0x0d }
    let marks: [(CSVSeparator, UInt8)] = [
      (.comma, UInt8(ascii: ",")), (.semicolon, UInt8(ascii: ";")), (.tab, 0x09),
    ]
    // Blanks stand within fields too: they count only where nothing else divides the first row.
    let seen = marks.filter { row.contains($0.1) }.map(\.0)
    guard !seen.isEmpty else {
      guard row.contains(0x20) else { return .comma }
      // The name of a single column may hold blanks: then no row below is divided by them.
      let below = text[row.endIndex...].prefix(4096).split { $0 == 0x0a || $0 == 0x0d }
      let isDivided = below.contains { line in
        guard let first = line.firstIndex(where: { $0 != 0x20 }),
          let last = line.lastIndex(where: { $0 != 0x20 })
        else { return false }
        return line[first...last].contains(0x20)
      }
      return isDivided || below.isEmpty ? .blanks : .comma
    }
    var best = (separator: seen[0], columns: 1)
    for candidate in seen where seen.count > 1 {
      var sample = CSVText(candidate, "")
      let regular: Bool
      do throws(DataError) {
        try sample.parse(text, from: start, rowLimit: 20)
        regular = true
      } catch {
        regular = false
      }
      if regular, sample.columns > best.columns { best = (candidate, sample.columns) }
    }
    return best.separator
  }
}
