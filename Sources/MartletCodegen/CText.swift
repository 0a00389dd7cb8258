// Pieces of C text: types, literals, names, comments.

import MartletIR

/// The one way of foreign text (layer names, labels, file names) into C.
package enum CText {
  enum Place { case identifier, comment }

  /// Makes any text harmless at a place: identifiers keep ASCII letters, digits and `_`; comments keep
  /// printable ASCII without `*/`, and a few signs of the trade.
  static func sanitise(_ text: String, for place: Place) -> String {
    switch place {
    case .identifier:
      var bytes: [UInt8] = []
      bytes.reserveCapacity(32)
      for byte in text.utf8 where bytes.count < 32 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
          bytes.append(byte)
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): bytes.append(byte + 32)
        default:
          if let last = bytes.last, last != UInt8(ascii: "_") { bytes.append(UInt8(ascii: "_")) }
        }
      }
      while bytes.last == UInt8(ascii: "_") { bytes.removeLast() }
      return String(decoding: bytes, as: UTF8.self)
    case .comment:
      // As bytes: a program has a comment a step, and appending to a string scalar by scalar is slow.
      var bytes: [UInt8] = []
      bytes.reserveCapacity(256)
      var previous: Unicode.Scalar = " "
      for scalar in text.unicodeScalars.prefix(200) {
        let isPlain = scalar.value >= 32 && scalar.value < 127 && scalar != "\\"
        let safe: Unicode.Scalar = isPlain || signs.contains(scalar) ? scalar : "?"
        switch (previous, safe) {
        case ("*", "/"), ("/", "*"): bytes.append(UInt8(ascii: " "))
        case ("?", "?"): continue  // no trigraphs
        default: break
        }
        if safe.isASCII {
          bytes.append(UInt8(safe.value))
        } else {
          bytes.append(contentsOf: UTF8.encode(safe) ?? UTF8.encodedReplacementCharacter)
        }
        previous = safe
      }
      return String(decoding: bytes, as: UTF8.self)
    }
  }

  private static let signs: Set<Unicode.Scalar> = [
    "·", "×", "←", "→", "−", "…", "²", "√", "≤", "≥", "Σ",
  ]

  /// Types that need no header; `long` has 64 bits on every system meant.
  static func type(_ dtype: DType) -> String {
    switch dtype {
    case .float32: "float"
    case .float64: "double"
    case .int32: "int"
    case .int64: "long"
    case .float16, .bfloat16, .uint16: "unsigned short"
    case .int16: "short"
    case .int8: "signed char"
    case .uint32: "unsigned"
    case .uint64: "unsigned long"
    case .uint8, .bool: "unsigned char"
    }
  }

  /// A number of a dtype; decimal, and the nearest value when read back.
  static func literal(_ value: Double, _ dtype: DType) -> String {
    switch dtype {
    case .float32, .float64:
      let suffix = dtype == .float32 ? "f" : ""
      let value = dtype == .float32 ? Double(Float(value)) : value
      if value.isNaN { return "(0.0\(suffix) / 0.0\(suffix))" }
      if value.isInfinite { return "(\(value < 0 ? "-" : "")1.0\(suffix) / 0.0\(suffix))" }
      let digits = dtype == .float32 ? "\(Float(value))" : "\(value)"
      return value.sign == .minus ? "(\(digits)\(suffix))" : digits + suffix
    // Halves are bits in C.
    case .float16, .bfloat16: return "\(dtype.bits(ofHalf: value))"
    case .bool: return value != 0 ? "1" : "0"
    default: return literal(HostArray.saturated(value, to: dtype), dtype)
    }
  }

  static func literal(_ value: Int64, _ dtype: DType) -> String {
    switch dtype {
    case .float16, .bfloat16, .float32, .float64: return literal(Double(value), dtype)
    case .bool: return value != 0 ? "1" : "0"
    default: break
    }
    let wrapped = dtype.wrapped(value)
    if dtype == .uint64 { return "\(UInt64(bitPattern: wrapped))UL" }
    if dtype == .uint32 { return "\(wrapped)U" }
    if dtype == .int64 {
      if wrapped == .min { return "(-9223372036854775807L - 1)" }
      return wrapped < 0 ? "(\(wrapped)L)" : "\(wrapped)L"
    }
    if wrapped == -2_147_483_648 { return "(-2147483647 - 1)" }
    return wrapped < 0 ? "(\(wrapped))" : "\(wrapped)"
  }

  /// `{1, 2, 3}`; one zero for none, because C has no empty array.
  static func table(_ values: [Int]) -> String {
    "{" + (values.isEmpty ? "0" : values.map(String.init).joined(separator: ", ")) + "}"
  }

  /// Whether any line uses a name (as a whole word).
  static func mentions(_ lines: [String], _ name: String) -> Bool {
    let word = Array(name.utf8)
    return lines.contains { line in
      let text = Array(line.utf8)
      guard text.count >= word.count else { return false }
      for start in 0...(text.count - word.count)
      where text[start] == word[0] && text[start..<(start + word.count)].elementsEqual(word) {
        let before = start > 0 ? text[start - 1] : 32
        let after = start + word.count < text.count ? text[start + word.count] : 32
        if !isWord(before) && !isWord(after) { return true }
      }
      return false
    }
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122)
      || byte == 95
  }

  /// A block comment, one source line a line.
  static func comment(_ lines: [String]) -> String {
    let safe = lines.map { sanitise($0, for: .comment) }.filter { !$0.isEmpty }
    guard !safe.isEmpty else { return "" }
    return "/* " + safe.joined(separator: "\n * ") + " */\n"
  }
}

/// Names inside one function: readable, legal, and different from one another.
struct NameTable {
  private var used: Set<String> = []

  /// A name made from a label; `fallback` when nothing of the label is left.
  mutating func unique(_ label: String, fallback: String) -> String {
    var base = CText.sanitise(label, for: .identifier)
    if base.isEmpty { base = fallback }
    if base.first.map({ $0.isNumber }) == true { base = fallback + "_" + base }
    // Values are t0, t1, …; kernels k00_…; the runtime's names begin with mt.
    let isNumbered =
      base.count > 1 && (base.first == "t" || base.first == "k")
      && base.dropFirst().first.map({ $0.isNumber }) == true
    if isNumbered || base.hasPrefix("mt_") || base.hasPrefix("mtm_") {
      base = fallback + "_" + base
    }
    var name = base
    var count = 2
    while NameTable.reserved.contains(name) || !used.insert(name).inserted {
      name = "\(base)_\(count)"
      count += 1
    }
    return name
  }

  // Keywords of C, macros in lower case of the compilers and headers, and the printers' own names.
  private static let reserved: Set<String> = [
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum",
    "extern", "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict",
    "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "union",
    "unsigned", "void", "volatile", "while", "asm", "typeof", "bool", "true", "false", "complex",
    "imaginary", "noreturn", "alignas", "alignof", "linux", "unix", "i386", "errno", "stdin",
    "stdout", "stderr", "assert", "near", "far", "vector", "pixel",
    "p", "begin", "end", "scratch", "i", "j", "n", "r", "c", "u", "rows", "cols", "stop", "width",
    "io", "arena", "cx", "main", "x_",
  ]
}
