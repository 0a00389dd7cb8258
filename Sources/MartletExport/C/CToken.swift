// Tokens of C text, as far as macros and top-level declarations need them.

/// One token. Spellings are numbers of a ``CSpellings``, so that comparing is cheap.
struct CToken {
  enum Kind: UInt8 { case name, number, text, sign }
  var kind: Kind
  /// The spelling.
  var id: Int32
  /// Whether something separates it from the token before.
  var spaced: Bool
  /// A name that must not be expanded any more: it stood in its own macro's expansion.
  var isPainted = false
}

/// Every spelling once.
final class CSpellings {
  private var ids: [String: Int32] = [:]
  private var texts: [String] = []

  subscript(_ id: Int32) -> String { texts[Int(id)] }

  func id(_ text: String) -> Int32 {
    if let known = ids[text] { return known }
    let id = Int32(texts.count)
    texts.append(text)
    ids[text] = id
    return id
  }
}

/// One logical line of a file: its tokens, and where its text lies.
struct CLine {
  var tokens: [CToken]
  /// Begins with `#`; the tokens behind it.
  var isDirective: Bool
  /// Offsets in the file: of the first token (or `#`), and behind the last.
  var start: Int
  var end: Int
  /// Where the comments in front of the line begin; `start` if there are none.
  var commentStart: Int
}

/// Splits C text into logical lines of tokens. Comments are white space.
struct CLexer {
  private let bytes: [UInt8]
  private let spellings: CSpellings
  private var at = 0

  init(_ bytes: [UInt8], _ spellings: CSpellings) {
    self.bytes = bytes
    self.spellings = spellings
  }

  private func peek(_ distance: Int = 0) -> UInt8 {
    at + distance < bytes.count ? bytes[at + distance] : 0
  }

  mutating func lines() -> [CLine] {
    var lines: [CLine] = []
    var tokens: [CToken] = []
    var isDirective = false
    var start: Int?
    var end = 0
    var comment: Int?
    var spaced = false
    func finish() {
      if let first = start {
        lines.append(
          CLine(
            tokens: tokens, isDirective: isDirective, start: first, end: end,
            commentStart: comment ?? first))
        comment = nil
      }
      tokens = []
      isDirective = false
      start = nil
    }
    while at < bytes.count {
      let byte = bytes[at]
      if byte == UInt8(ascii: "\n") {
        // An empty line parts a comment from what follows.
        if start == nil, peek(1) == UInt8(ascii: "\n") { comment = nil }
        finish()
        spaced = true
        at += 1
      } else if byte == UInt8(ascii: "\\"), peek(1) == UInt8(ascii: "\n") {
        at += 2
        spaced = true
      } else if byte == 32 || byte == 9 || byte == 13 {
        at += 1
        spaced = true
      } else if byte == UInt8(ascii: "/"), peek(1) == UInt8(ascii: "*") {
        if start == nil, comment == nil { comment = at }
        at += 2
        while at < bytes.count, !(bytes[at] == UInt8(ascii: "*") && peek(1) == UInt8(ascii: "/")) {
          at += 1
        }
        at = min(at + 2, bytes.count)
        spaced = true
      } else if byte == UInt8(ascii: "/"), peek(1) == UInt8(ascii: "/") {
        while at < bytes.count, bytes[at] != UInt8(ascii: "\n") { at += 1 }
        spaced = true
      } else {
        let first = at
        if start == nil {
          start = first
          if byte == UInt8(ascii: "#") {
            isDirective = true
            at += 1
            end = at
            continue
          }
        }
        var token = next()
        token.spaced = spaced
        spaced = false
        tokens.append(token)
        end = at
      }
    }
    finish()
    return lines
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122)
      || byte == 95
  }

  private static let threes: Set<String> = ["...", "<<=", ">>="]
  private static let twos: Set<String> = [
    "##", "->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=", "-=", "*=", "/=",
    "%=", "&=", "|=", "^=",
  ]

  private mutating func next() -> CToken {
    let first = at
    let byte = bytes[at]
    var kind = CToken.Kind.sign
    if byte >= 48 && byte <= 57
      || byte == UInt8(ascii: ".") && peek(1) >= 48 && peek(1) <= 57
    {
      kind = .number
      while at < bytes.count {
        let here = bytes[at]
        let isSign = here == UInt8(ascii: "+") || here == UInt8(ascii: "-")
        let isExponent = at > first && [101, 69, 112, 80].contains(bytes[at - 1])
        guard CLexer.isWord(here) || here == UInt8(ascii: ".") || (isSign && isExponent) else {
          break
        }
        at += 1
      }
    } else if CLexer.isWord(byte) {
      kind = .name
      while at < bytes.count, CLexer.isWord(bytes[at]) { at += 1 }
    } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
      kind = .text
      at += 1
      while at < bytes.count, bytes[at] != byte {
        at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1
      }
      at = min(at + 1, bytes.count)
    } else {
      let three = String(decoding: bytes[at..<min(at + 3, bytes.count)], as: UTF8.self)
      if CLexer.threes.contains(three) {
        at += 3
      } else if CLexer.twos.contains(String(three.prefix(2))) {
        at += 2
      } else {
        at += 1
      }
    }
    let text = String(decoding: bytes[first..<at], as: UTF8.self)
    return CToken(kind: kind, id: spellings.id(text), spaced: false)
  }
}
