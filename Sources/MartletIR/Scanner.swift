// The cursor under the IR parser: blanks, words, numbers, strings, literals.

/// Bounds on what a text may ask for. The defaults suit any honest file.
package struct ParserLimits: Hashable, Sendable {
  /// Bytes of text.
  package var bytes = 1 << 28
  /// Elements of all array literals together; a splat of six characters can name a gigabyte.
  package var literalElements = 1 << 24
  /// Axes of one shape.
  package var rank = 32

  package init() {}
}

/// The text is not a graph.
package struct ParseError: Error, Hashable, Sendable, CustomStringConvertible {
  /// From 1.
  package var line: Int
  /// In bytes, from 1.
  package var column: Int
  package var message: String

  package var description: String { "\(line):\(column): \(message)" }
}

struct Scanner {
  private let text: [UInt8]
  private(set) var position = 0
  private let limits: ParserLimits
  private var literalElements = 0

  init(_ source: String, _ limits: ParserLimits) throws(ParseError) {
    text = Array(source.utf8)
    self.limits = limits
    guard text.count <= limits.bytes else {
      throw ParseError(line: 1, column: 1, message: "the text is longer than \(limits.bytes) bytes")
    }
  }

  func error(_ message: String, at offset: Int? = nil) -> ParseError {
    let before = text.prefix(offset ?? position)
    let newline = UInt8(ascii: "\n")
    let line = before.lazy.filter { $0 == newline }.count + 1
    let column = before.count - (before.lastIndex(of: newline) ?? -1)
    return ParseError(line: line, column: column, message: message)
  }

  // MARK: - Bytes and blanks

  var isAtEnd: Bool { position >= text.count }

  /// The next byte, 0 at the end.
  var next: UInt8 { position < text.count ? text[position] : 0 }

  private func byte(after distance: Int) -> UInt8 {
    position + distance < text.count ? text[position + distance] : 0
  }

  private var isAtComment: Bool {
    next == UInt8(ascii: "/") && byte(after: 1) == UInt8(ascii: "/")
  }

  /// Skips blanks within a line.
  mutating func skipBlanks() {
    while position < text.count {
      switch text[position] {
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): position += 1
      default: return
      }
    }
  }

  /// Skips blanks, new lines and comments.
  mutating func skipLines() {
    while true {
      skipBlanks()
      if next == UInt8(ascii: "\n") {
        position += 1
      } else if isAtComment {
        skipComment()
      } else {
        return
      }
    }
  }

  /// Skips what may stand between two lines of a body.
  mutating func skipSeparators() {
    skipLines()
    while next == UInt8(ascii: ";") {
      position += 1
      skipLines()
    }
  }

  private mutating func skipComment() {
    while position < text.count, text[position] != UInt8(ascii: "\n") { position += 1 }
  }

  mutating func accept(_ character: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: character), !isAtEnd else { return false }
    position += 1
    return true
  }

  mutating func expect(_ character: Unicode.Scalar) throws(ParseError) {
    guard accept(character) else { throw expected("'\(character)'") }
  }

  func expected(_ what: String) -> ParseError {
    if isAtEnd { return error("expected \(what), not the end of the text") }
    if next == UInt8(ascii: "\n") { return error("expected \(what), not the end of the line") }
    // The whole word, or one character: never half of a multi-byte one.
    var end = position
    while end < text.count, IRText.isLetter(text[end]) || IRText.isDigit(text[end]) { end += 1 }
    if end == position {
      end += 1
      while end < text.count, text[end] & 0xC0 == 0x80 { end += 1 }
    }
    let found = IRText.quoted(
      String(decoding: text[position..<min(end, position + 40)], as: UTF8.self))
    return error("expected \(what), not \(found)")
  }

  /// Ends a line of a body and reads the location that may trail it.
  mutating func endLine() throws(ParseError) -> SourceLocation {
    skipBlanks()
    if isAtComment {
      let start = position + 2
      skipComment()
      return Scanner.location(text[start..<position])
    }
    guard accept(";") || accept("\n") || next == UInt8(ascii: "}") || isAtEnd else {
      throw expected("';' or a new line")
    }
    return .unknown
  }

  // MARK: - Words

  /// The word here, or nil.
  mutating func word() -> String? {
    guard IRText.isLetter(next) else { return nil }
    let start = position
    while IRText.isLetter(next) || IRText.isDigit(next) { position += 1 }
    return String(decoding: text[start..<position], as: UTF8.self)
  }

  mutating func word(_ what: String) throws(ParseError) -> String {
    guard let word = word() else { throw expected(what) }
    return word
  }

  mutating func accept(word expected: String) -> Bool {
    let start = position
    if word() == expected { return true }
    position = start
    return false
  }

  /// True when a brace opens attributes: a key and `=`, or nothing. A body has `(`, `%` or
  /// `return`.
  var isAtAttributes: Bool {
    var copy = self
    guard copy.accept("{") else { return false }
    copy.skipLines()
    if copy.next == UInt8(ascii: "}") { return true }
    guard copy.word() != nil else { return false }
    copy.skipLines()
    return copy.next == UInt8(ascii: "=")
  }

  mutating func string() throws(ParseError) -> String {
    let start = position
    try expect("\"")
    var bytes: [UInt8] = []
    while true {
      guard !isAtEnd, next != UInt8(ascii: "\n") else {
        throw error("this string does not end on its line", at: start)
      }
      let byte = text[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: bytes, as: UTF8.self)
      case UInt8(ascii: "\\"): try escape(into: &bytes)
      default: bytes.append(byte)
      }
    }
  }

  private mutating func escape(into bytes: inout [UInt8]) throws(ParseError) {
    let start = position - 1
    let kind = next
    position += 1
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(kind)
    case UInt8(ascii: "n"): bytes.append(UInt8(ascii: "\n"))
    case UInt8(ascii: "t"): bytes.append(UInt8(ascii: "\t"))
    case UInt8(ascii: "u"):
      guard accept("{") else { throw expected("'{'") }
      let digits = word(while: Scanner.isHexDigit)
      guard let code = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(code), accept("}")
      else { throw error("not a Unicode scalar", at: start) }
      bytes.append(contentsOf: String(Character(scalar)).utf8)
    default: throw error("unknown escape in a string", at: start)
    }
  }

  private mutating func word(while matches: (UInt8) -> Bool) -> String {
    let start = position
    while !isAtEnd, matches(next) { position += 1 }
    return String(decoding: text[start..<position], as: UTF8.self)
  }

  private static func isHexDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
      UInt8(ascii: "A")...UInt8(ascii: "F"):
      true
    default: false
    }
  }

  // MARK: - Numbers

  /// A number as written; what it means depends on the dtype that it lands in.
  enum Number {
    case integer(isNegative: Bool, UInt64)
    case float(Double)
  }

  /// A run of decimal digits.
  mutating func natural(_ what: String) throws(ParseError) -> Int {
    let start = position
    guard IRText.isDigit(next) else { throw expected(what) }
    guard let value = Int(word(while: IRText.isDigit)) else {
      throw error("\(what) is too large", at: start)
    }
    return value
  }

  mutating func number() throws(ParseError) -> Number {
    let start = position
    let isNegative = accept("-")
    if let word = word() {
      switch word {
      case "inf": return .float(isNegative ? -Double.infinity : .infinity)
      case "nan" where !isNegative: return .float(try nanBits())
      default: throw error("expected a number, not \"\(word)\"", at: start)
      }
    }
    guard IRText.isDigit(next) else { throw expected("a number") }
    let digits = word(while: IRText.isDigit)
    let marker = next | 0x20
    if next == UInt8(ascii: ".") || marker == UInt8(ascii: "e") || marker == UInt8(ascii: "x") {
      return .float(try float(from: start))
    }
    guard !IRText.isLetter(next) else { throw expected("a digit") }
    guard let magnitude = UInt64(digits) else {
      throw error("the integer does not fit in 64 bits", at: start)
    }
    return .integer(isNegative: isNegative, magnitude)
  }

  /// The number that begins at `start`; the cursor stands behind its first digits.
  private mutating func float(from start: Int) throws(ParseError) -> Double {
    var exponentMarker = UInt8(ascii: "e")
    if next | 0x20 == UInt8(ascii: "x") {
      exponentMarker = UInt8(ascii: "p")
      position += 1
    }
    while !isAtEnd {
      if next | 0x20 == exponentMarker {
        position += 1
        if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
      } else if next == UInt8(ascii: ".") || Scanner.isHexDigit(next) {
        position += 1
      } else {
        break
      }
    }
    guard let value = Double(String(decoding: text[start..<position], as: UTF8.self)) else {
      throw error("this is no number", at: start)
    }
    guard value.isFinite else { throw error("the number is out of range", at: start) }
    return value
  }

  private mutating func nanBits() throws(ParseError) -> Double {
    guard next == UInt8(ascii: "(") else { return .nan }
    let start = position
    position += 1
    guard accept("0"), accept("x"),
      let bits = UInt64(word(while: Scanner.isHexDigit), radix: 16), accept(")")
    else { throw error("expected the bits of a NaN, as in nan(0x7ff8000000000001)", at: start) }
    let value = Double(bitPattern: bits)
    guard value.isNaN else { throw error("these are not the bits of a NaN", at: start) }
    return value
  }

  /// A number that is an `Int`.
  mutating func integer() throws(ParseError) -> Int {
    let start = position
    guard let value = Scanner.signed(try number()) else {
      throw error("expected an integer of 64 bits", at: start)
    }
    return Int(value)
  }

  static func signed(_ number: Number) -> Int64? {
    switch number {
    case .integer(isNegative: true, let x):
      x == 1 << 63 ? .min : Int64(exactly: x).map { -$0 }
    case .integer(isNegative: false, let x): Int64(exactly: x)
    case .float: nil
    }
  }

  static func double(_ number: Number) -> Double {
    switch number {
    case .integer(let isNegative, let x): isNegative ? -Double(x) : Double(x)
    case .float(let x): x
    }
  }

  // MARK: - Types and arrays

  mutating func type() throws(ParseError) -> TensorType {
    let start = position
    guard let name = word(), let dtype = DType(rawValue: name) else {
      position = start
      throw expected("a type such as f32[64,10]")
    }
    return try type(dtype, from: start)
  }

  /// The shape behind a dtype.
  mutating func type(_ dtype: DType, from start: Int) throws(ParseError) -> TensorType {
    try expect("[")
    var dimensions: [Int] = []
    while !accept("]") {
      if !dimensions.isEmpty {
        try expect(",")
        skipBlanks()
      }
      guard dimensions.count < limits.rank else {
        throw error("a shape has at most \(limits.rank) axes")
      }
      dimensions.append(try natural("an extent"))
    }
    let type = TensorType(dtype, Shape(dimensions))
    do throws(TypeError) {
      try type.checkSize(op: "type")
    } catch let refusal {
      throw error(refusal.message, at: start)
    }
    return type
  }

  /// An array of copies of a number.
  mutating func splat(
    _ number: Number, _ type: TensorType, at start: Int
  ) throws(ParseError) -> HostArray {
    try reserve(type.count, at: start)
    return try Elements(type.dtype, [number], self, start).array(type)
  }

  /// What follows the type of an array literal.
  mutating func array(_ type: TensorType) throws(ParseError) -> HostArray {
    let start = position
    try expect("(")
    skipLines()
    if accept("=") {
      skipBlanks()
      let number = try element(of: type.dtype)
      skipLines()
      try expect(")")
      return try splat(number, type, at: start)
    }
    var elements = Elements(type.dtype)
    try reserve(type.count, at: start)
    var count = 0
    while true {
      skipLines()
      if count == 0 ? accept(")") : !accept(",") { break }
      skipLines()
      guard count < type.count else {
        throw error("\(type) has \(IRText.counted(type.count, "element")), not more")
      }
      let place = position
      try elements.append(try element(of: type.dtype), self, place)
      count += 1
    }
    if count > 0 { try expect(")") }
    guard count == type.count else {
      throw error(
        "\(type) has \(IRText.counted(type.count, "element")), not \(count)", at: start)
    }
    return elements.array(type)
  }

  private mutating func element(of dtype: DType) throws(ParseError) -> Number {
    if dtype == .bool {
      if accept(word: "true") { return .integer(isNegative: false, 1) }
      if accept(word: "false") { return .integer(isNegative: false, 0) }
    }
    return try number()
  }

  private mutating func reserve(_ count: Int, at offset: Int) throws(ParseError) {
    guard count <= limits.literalElements - literalElements else {
      throw error("literals have more than \(limits.literalElements) elements", at: offset)
    }
    literalElements += count
  }

  /// Numbers on their way into an array of one dtype.
  private struct Elements {
    let dtype: DType
    var floats: [Double] = []
    var integers: [Int64] = []

    init(_ dtype: DType) { self.dtype = dtype }

    init(
      _ dtype: DType, _ numbers: [Number], _ scanner: Scanner, _ offset: Int
    ) throws(ParseError) {
      self.dtype = dtype
      for number in numbers { try append(number, scanner, offset) }
    }

    mutating func append(
      _ number: Number, _ scanner: Scanner, _ offset: Int
    ) throws(ParseError) {
      if dtype.isFloatingPoint {
        floats.append(Scanner.double(number))
      } else if dtype == .uint64, case .integer(isNegative: false, let x) = number {
        integers.append(Int64(bitPattern: x))
      } else if dtype != .uint64, let x = Scanner.signed(number), dtype.wrapped(x) == x {
        integers.append(x)
      } else {
        throw scanner.error("not a number of dtype \(dtype)", at: offset)
      }
    }

    func array(_ type: TensorType) -> HostArray {
      // One element stands for all of a splat.
      func filled<T>(_ x: [T]) -> [T] {
        x.count == 1 && type.count != 1 ? [T](repeating: x[0], count: type.count) : x
      }
      return dtype.isFloatingPoint
        ? HostArray(type, filled(floats)) : HostArray(type, filled(integers))
    }
  }

  // MARK: - Locations

  /// Reads `[scope "  "] file ":" line`; any other comment says nothing about the node.
  private static func location(_ comment: ArraySlice<UInt8>) -> SourceLocation {
    var rest = comment.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    while let last = rest.last, last <= 0x20 { rest.removeLast() }
    guard let first = field(&rest) else { return .unknown }
    let blanks = rest.prefix { $0 == UInt8(ascii: " ") }.count
    rest = rest.dropFirst(blanks)
    if rest.isEmpty { return fileAndLine(first, scope: "") }
    guard blanks >= 2, let second = field(&rest), rest.isEmpty else { return .unknown }
    return fileAndLine(second, scope: first.quoted ?? first.plain)
  }

  /// A run without blanks that may begin with a string.
  private static func field(_ rest: inout ArraySlice<UInt8>) -> (quoted: String?, plain: String)? {
    guard let first = rest.first else { return nil }
    var quoted: String?
    if first == UInt8(ascii: "\"") {
      guard var scanner = try? Scanner(String(decoding: rest, as: UTF8.self), ParserLimits()),
        let string = try? scanner.string()
      else { return nil }
      quoted = string
      rest = rest.dropFirst(scanner.position)
    }
    let plain = rest.prefix { $0 != UInt8(ascii: " ") }
    rest = rest.dropFirst(plain.count)
    return (quoted, String(decoding: plain, as: UTF8.self))
  }

  private static func fileAndLine(
    _ field: (quoted: String?, plain: String), scope: String
  ) -> SourceLocation {
    guard let colon = field.plain.lastIndex(of: ":"),
      let line = Int(field.plain[field.plain.index(after: colon)...])
    else { return .unknown }
    let file = field.plain[..<colon]
    if let quoted = field.quoted {
      return file.isEmpty ? SourceLocation(scope: scope, file: quoted, line: line) : .unknown
    }
    return SourceLocation(scope: scope, file: String(file), line: line)
  }
}
