// Strict JSON (RFC 8259), bounded in size and depth, for headers and manifests from strangers.

/// A JSON value. Integers that fit `Int` keep every digit; members keep their order.
package enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([Member])

  package struct Member: Hashable, Sendable {
    package var name: String
    package var value: JSONValue

    package init(_ name: String, _ value: JSONValue) {
      self.name = name
      self.value = value
    }
  }

  /// The member called `name`, byte by byte (Swift's `==` takes é and e´ for equal).
  package subscript(name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name.utf8.elementsEqual(name.utf8) }?.value
  }

  package var string: String? { if case .string(let x) = self { x } else { nil } }
  package var integer: Int? { if case .integer(let x) = self { x } else { nil } }
  package var bool: Bool? { if case .bool(let x) = self { x } else { nil } }
  package var array: [JSONValue]? { if case .array(let x) = self { x } else { nil } }
  package var members: [Member]? { if case .object(let x) = self { x } else { nil } }
  package var number: Double? {
    switch self {
    case .integer(let x): Double(x)
    case .number(let x): x
    default: nil
    }
  }

  /// Parses one value that fills `bytes` but for white space.
  package init(
    parsing bytes: [UInt8], file: String, depthLimit: Int = 32, valueLimit: Int = 4_000_000
  ) throws(DataError) {
    var parser = JSONParser(bytes: bytes, file: file, values: valueLimit)
    self = try parser.document(depthLimit)
  }
}

/// Text compared by its bytes, as files compare names.
package struct ByteString: Hashable, Comparable, Sendable {
  package let text: String

  package init(_ text: String) { self.text = text }

  package static func == (a: ByteString, b: ByteString) -> Bool {
    a.text.utf8.elementsEqual(b.text.utf8)
  }

  package static func < (a: ByteString, b: ByteString) -> Bool {
    a.text.utf8.lexicographicallyPrecedes(b.text.utf8)
  }

  package func hash(into hasher: inout Hasher) {
    for byte in text.utf8 { hasher.combine(byte) }
  }
}

// Recursive descent; the depth limit bounds the stack.
private struct JSONParser {
  let bytes: [UInt8]
  let file: String
  var values: Int
  var at = 0

  init(bytes: [UInt8], file: String, values: Int) {
    self.bytes = bytes
    self.file = file
    self.values = values
  }

  func error(_ what: String, expected: String? = nil) -> DataError {
    var found = "the end of the text"
    if at < bytes.count {
      found =
        bytes[at] > 0x20 && bytes[at] < 0x7f
        ? "'\(Unicode.Scalar(bytes[at]))'" : "byte 0x\(String(bytes[at], radix: 16))"
    }
    return DataError(
      .wrongFormat, "bad JSON: \(what)", at: "\(file), byte \(at)", got: found, expected: expected)
  }

  mutating func document(_ depth: Int) throws(DataError) -> JSONValue {
    let value = try self.value(depth)
    skipSpace()
    guard at == bytes.count else { throw error("text after the value", expected: "the end") }
    return value
  }

  mutating func skipSpace() {
    while at < bytes.count {
      switch bytes[at] {
      case 0x20, 0x09, 0x0a, 0x0d: at += 1
      default: return
      }
    }
  }

  mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard at < bytes.count, UInt32(bytes[at]) == character.value else { return false }
    at += 1
    return true
  }

  mutating func value(_ depth: Int) throws(DataError) -> JSONValue {
    skipSpace()
    values -= 1
    guard depth > 0 else { throw error("nested too deeply") }
    guard values >= 0 else { throw error("too many values") }
    guard at < bytes.count else { throw error("the text ends early", expected: "a value") }
    switch bytes[at] {
    case UInt8(ascii: "{"): return .object(try object(depth))
    case UInt8(ascii: "["): return .array(try array(depth))
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  mutating func word(_ text: StaticString, _ value: JSONValue) throws(DataError) -> JSONValue {
    let count = text.utf8CodeUnitCount
    guard bytes.count - at >= count else { throw error("unknown word", expected: "\(text)") }
    for i in 0..<count where bytes[at + i] != text.utf8Start[i] {
      throw error("unknown word", expected: "\(text)")
    }
    at += count
    return value
  }

  mutating func array(_ depth: Int) throws(DataError) -> [JSONValue] {
    at += 1
    var result: [JSONValue] = []
    skipSpace()
    if take("]") { return result }
    while true {
      result.append(try value(depth - 1))
      skipSpace()
      if take("]") { return result }
      guard take(",") else { throw error("bad array", expected: "',' or ']'") }
    }
  }

  mutating func object(_ depth: Int) throws(DataError) -> [JSONValue.Member] {
    at += 1
    var result: [JSONValue.Member] = []
    var names: Set<ByteString> = []
    skipSpace()
    if take("}") { return result }
    while true {
      skipSpace()
      guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else {
        throw error("bad object", expected: "a name in quotes")
      }
      let start = at
      let name = try string()
      guard names.insert(ByteString(name)).inserted else {
        at = start
        throw error("the name \"\(name)\" occurs twice in an object", expected: "another name")
      }
      skipSpace()
      guard take(":") else { throw error("bad object", expected: "':'") }
      result.append(JSONValue.Member(name, try value(depth - 1)))
      skipSpace()
      if take("}") { return result }
      guard take(",") else { throw error("bad object", expected: "',' or '}'") }
    }
  }

  mutating func string() throws(DataError) -> String {
    at += 1
    let start = at
    var units: [UInt8] = []
    while at < bytes.count {
      switch bytes[at] {
      case UInt8(ascii: "\""):
        guard let text = String(validating: units, as: UTF8.self) else {
          at = start
          throw error("text is not UTF-8")
        }
        at += 1
        return text
      case UInt8(ascii: "\\"):
        try escape(into: &units)
      case 0..<0x20:
        throw error("control character in a string", expected: "an escape")
      default:
        units.append(bytes[at])
        at += 1
      }
    }
    throw error("a string does not end", expected: "'\"'")
  }

  mutating func escape(into units: inout [UInt8]) throws(DataError) {
    at += 1
    guard at < bytes.count else { throw error("a string does not end") }
    let simple: UInt8
    switch bytes[at] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): simple = bytes[at]
    case UInt8(ascii: "b"): simple = 0x08
    case UInt8(ascii: "f"): simple = 0x0c
    case UInt8(ascii: "n"): simple = 0x0a
    case UInt8(ascii: "r"): simple = 0x0d
    case UInt8(ascii: "t"): simple = 0x09
    case UInt8(ascii: "u"):
      let scalar = try unicodeEscape()
      units.append(contentsOf: String(scalar).utf8)
      return
    default: throw error("unknown escape")
    }
    units.append(simple)
    at += 1
  }

  mutating func unicodeEscape() throws(DataError) -> Unicode.Scalar {
    let start = at
    var code = try hexadecimal()
    if code & 0xfc00 == 0xd800, at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"),
      bytes[at + 1] == UInt8(ascii: "u")
    {
      at += 1
      let low = try hexadecimal()
      if low & 0xfc00 == 0xdc00 { code = 0x10000 + (code & 0x3ff) << 10 + low & 0x3ff }
    }
    guard let scalar = Unicode.Scalar(code) else {
      at = start
      throw error("half of a surrogate pair")
    }
    return scalar
  }

  // `uXXXX`, with `at` on the u.
  mutating func hexadecimal() throws(DataError) -> UInt32 {
    at += 1
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard at < bytes.count, let digit = Character(Unicode.Scalar(bytes[at])).hexDigitValue,
        bytes[at] < 0x80
      else { throw error("bad \\u escape", expected: "four hexadecimal digits") }
      code = code << 4 | UInt32(digit)
      at += 1
    }
    return code
  }

  mutating func digits() throws(DataError) {
    let start = at
    while at < bytes.count, UInt8(ascii: "0")...UInt8(ascii: "9") ~= bytes[at] { at += 1 }
    guard at > start else { throw error("bad number", expected: "a digit") }
  }

  mutating func number() throws(DataError) -> JSONValue {
    let start = at
    var isInteger = true
    _ = take("-")
    if !take("0") {
      guard at < bytes.count, UInt8(ascii: "1")...UInt8(ascii: "9") ~= bytes[at] else {
        throw error("not a value", expected: "a value")
      }
      try digits()
    }
    if take(".") {
      isInteger = false
      try digits()
    }
    if take("e") || take("E") {
      isInteger = false
      if !take("+") { _ = take("-") }
      try digits()
    }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    if isInteger, let value = Int(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else {
      at = start
      throw error("a number is out of range")
    }
    return .number(value)
  }
}

// MARK: - Writing

extension JSONValue {
  /// The text, in one line without spaces, or indented by `indent` with a final newline.
  /// JSON has no infinities and no NaN: those throw.
  package func encoded(indent: Int? = nil, file: String) throws(DataError) -> [UInt8] {
    var output: [UInt8] = []
    try encode(into: &output, indent: indent, level: 0, file: file)
    if indent != nil { output.append(0x0a) }
    return output
  }

  private func encode(
    into output: inout [UInt8], indent: Int?, level: Int, file: String
  ) throws(DataError) {
    func newline(_ level: Int) {
      guard let indent else { return }
      output.append(0x0a)
      output.append(contentsOf: repeatElement(0x20, count: indent * level))
    }
    switch self {
    case .null: output.append(contentsOf: "null".utf8)
    case .bool(let x): output.append(contentsOf: (x ? "true" : "false").utf8)
    case .integer(let x): output.append(contentsOf: String(x).utf8)
    case .number(let x):
      guard x.isFinite else {
        throw DataError(
          .unsupported, "JSON cannot hold a number", at: file, got: "\(x)",
          expected: "a finite number")
      }
      output.append(contentsOf: "\(x)".utf8)
    case .string(let x): JSONValue.encode(x, into: &output)
    case .array(let elements):
      output.append(UInt8(ascii: "["))
      // Numbers stay on one line: shapes read better so.
      let flat = elements.allSatisfy { $0.members == nil && $0.array == nil }
      for (index, element) in elements.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        if flat {
          if index > 0, indent != nil { output.append(0x20) }
        } else {
          newline(level + 1)
        }
        try element.encode(into: &output, indent: indent, level: level + 1, file: file)
      }
      if !flat { newline(level) }
      output.append(UInt8(ascii: "]"))
    case .object(let members):
      output.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        newline(level + 1)
        JSONValue.encode(member.name, into: &output)
        output.append(UInt8(ascii: ":"))
        if indent != nil { output.append(0x20) }
        try member.value.encode(into: &output, indent: indent, level: level + 1, file: file)
      }
      if !members.isEmpty { newline(level) }
      output.append(UInt8(ascii: "}"))
    }
  }

  /// Escapes what JSON demands and nothing more, in the spelling of Rust's serde_json: files then
  /// equal those of the reference implementation of safetensors byte for byte.
  package static func encode(_ text: String, into output: inout [UInt8]) {
    output.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): output.append(contentsOf: #"\""#.utf8)
      case UInt8(ascii: "\\"): output.append(contentsOf: #"\\"#.utf8)
      case 0x08: output.append(contentsOf: #"\b"#.utf8)
      case 0x09: output.append(contentsOf: #"\t"#.utf8)
      case 0x0a: output.append(contentsOf: #"\n"#.utf8)
      case 0x0c: output.append(contentsOf: #"\f"#.utf8)
      case 0x0d: output.append(contentsOf: #"\r"#.utf8)
      case 0..<0x20:
        output.append(contentsOf: #"\u00"#.utf8)
        output.append(contentsOf: (byte < 16 ? "0" : "").utf8)
        output.append(contentsOf: String(byte, radix: 16).utf8)
      default: output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }
}
