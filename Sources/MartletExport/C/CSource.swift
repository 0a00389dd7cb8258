// C text as a list of pieces: what an amalgamation keeps or leaves out as a whole.

/// One directive, or one declaration or definition with the directives inside of it.
struct CPiece {
  enum Kind {
    /// `#if…`, `#elif…`, `#else`, `#endif` outside of any declaration.
    case condition
    case define(Int32)
    case undefine(Int32)
    /// `#include <…>`.
    case systemInclude
    /// `#pragma` and the like.
    case otherDirective
    case declaration
  }
  var kind: Kind
  var lines: [CLine]
  /// Its source with the comment above it.
  var text: String
  /// Which of several files it belongs to; the caller's numbers.
  var file: Int
}

/// Why text cannot be amalgamated: a defect of the runtime's sources, not of the caller.
struct CSourceError: Error, Sendable {
  var file: String
  var message: String
}

/// Puts files together into one list of pieces, each `#include "…"` replaced by what it names:
/// headers (`.h`) once, other files as often as they are included.
struct CFlattener {
  let spellings: CSpellings
  /// The bytes of a file by its name.
  let read: (String) -> [UInt8]?
  /// Names that a generator decides: `#if defined(NAME)` of these is resolved here.
  var decided: [String: Bool] = [:]
  /// A declaration's own replacement: the lines of a list, for example.
  var replace: (String) -> String? = { _ in nil }
  private(set) var pieces: [CPiece] = []
  private var included: Set<String> = []
  private var depth = 0

  init(_ spellings: CSpellings, read: @escaping (String) -> [UInt8]?) {
    self.spellings = spellings
    self.read = read
  }

  /// Adds a file and all that it includes. `file` is the number of its pieces.
  mutating func add(_ name: String, file: Int) throws(CSourceError) {
    guard depth < 32 else { throw CSourceError(file: name, message: "included in itself") }
    guard let bytes = read(name) else { throw CSourceError(file: name, message: "no such file") }
    depth += 1
    defer { depth -= 1 }
    if name.hasSuffix(".h") {
      let last = name.split(separator: "/").last.map(String.init) ?? name
      guard included.insert(last).inserted else { return }
    }
    try add(bytes, name: name, file: file)
  }

  /// Adds text under a name.
  mutating func add(_ bytes: [UInt8], name: String, file: Int) throws(CSourceError) {
    var lexer = CLexer(bytes, spellings)
    var lines = lexer.lines()[...]
    // An include guard: everything is included once anyway.
    if lines.count > 2, let first = lines.first, first.isDirective, word(first, 0) == "ifndef",
      let second = lines.dropFirst().first, second.isDirective, word(second, 0) == "define",
      word(second, 1) == word(first, 1), second.tokens.count == 2,
      let last = lines.last, last.isDirective, word(last, 0) == "endif"
    {
      lines = lines.dropFirst(2).dropLast()
    }
    var index = lines.startIndex
    // Conditions that are decided here: whether the lines inside are taken, for each level.
    var skipping: [Bool?] = []
    while index < lines.endIndex {
      let line = lines[index]
      let keyword = line.isDirective ? word(line, 0) : nil
      if let keyword {
        switch keyword {
        case "if", "ifdef", "ifndef": skipping.append(decision(line, keyword))
        case "else":
          if let top = skipping.last, let value = top {
            skipping[skipping.count - 1] = !value
            index += 1
            continue
          }
        case "endif":
          if let top = skipping.popLast(), top != nil {
            index += 1
            continue
          }
        default: break
        }
        if ["if", "ifdef", "ifndef"].contains(keyword), skipping.last ?? nil != nil {
          index += 1
          continue
        }
      }
      if skipping.contains(where: { $0 == false }) {
        index += 1
        continue
      }
      guard let keyword else {
        let end = try declaration(lines, from: index, bytes, name: name)
        add(Array(lines[index..<end]), .declaration, bytes, file)
        index = end
        continue
      }
      index += 1
      switch keyword {
      case "include":
        if line.tokens.count == 2, line.tokens[1].kind == .text {
          let quoted = spellings[line.tokens[1].id]
          try add(String(quoted.dropFirst().dropLast()), file: file)
        } else {
          add([line], .systemInclude, bytes, file)
        }
      case "define": add([line], .define(line.tokens[1].id), bytes, file)
      case "undef": add([line], .undefine(line.tokens[1].id), bytes, file)
      case "if", "ifdef", "ifndef", "elif", "else", "endif": add([line], .condition, bytes, file)
      default: add([line], .otherDirective, bytes, file)
      }
    }
  }

  private func word(_ line: CLine, _ index: Int) -> String? {
    line.tokens.indices.contains(index) ? spellings[line.tokens[index].id] : nil
  }

  /// What a condition comes to, if it is the generator's to decide.
  private func decision(_ line: CLine, _ keyword: String) -> Bool? {
    if keyword == "ifdef", word(line, 1) == "__cplusplus" { return false }
    if keyword == "if", line.tokens.count == 5, word(line, 1) == "defined",
      let name = word(line, 3), let value = decided[name]
    {
      return value
    }
    return nil
  }

  private mutating func add(_ lines: [CLine], _ kind: CPiece.Kind, _ bytes: [UInt8], _ file: Int) {
    guard let first = lines.first, let last = lines.last else { return }
    let text = String(decoding: bytes[first.commentStart..<last.end], as: UTF8.self)
    if case .declaration = kind, let other = replace(text) {
      var lexer = CLexer(Array(other.utf8), spellings)
      for line in lexer.lines() { add([line], .declaration, Array(other.utf8), file) }
      return
    }
    pieces.append(CPiece(kind: kind, lines: lines, text: text, file: file))
  }

  /// The index behind the last line of the declaration that begins at `from`.
  private func declaration(
    _ lines: ArraySlice<CLine>, from: Int, _ bytes: [UInt8], name: String
  ) throws(CSourceError) -> Int {
    var braces = 0
    var parentheses = 0
    var isFunction = false
    var previous = ""
    var index = from
    var atStart = true
    while index < lines.endIndex {
      let line = lines[index]
      if line.isDirective {
        index += 1
        continue
      }
      // A macro alone on its line, or several: no semicolon ends them.
      if atStart, isInvocation(line),
        index + 1 >= lines.endIndex || !startsWithBrace(lines[index + 1])
      {
        return index + 1
      }
      atStart = false
      // A function of several lines ends with a brace in the first column: macros in it may open
      // and close braces of their own.
      let isFirstColumn = line.start == 0 || bytes[line.start - 1] == UInt8(ascii: "\n")
      if isFunction, isFirstColumn, word(line, 0) == "}" { return index + 1 }
      if isFunction {
        index += 1
        continue
      }
      for (place, token) in line.tokens.enumerated() {
        let text = spellings[token.id]
        var ends = false
        switch text {
        case "(": parentheses += 1
        case ")": parentheses -= 1
        case "{":
          if braces == 0, parentheses == 0 { isFunction = previous == ")" }
          braces += 1
        case "}":
          braces -= 1
          ends = braces == 0 && parentheses == 0 && isFunction
        case ";": ends = braces == 0 && parentheses == 0
        default: break
        }
        previous = text
        // Several short ones on a line stay together.
        if ends, place == line.tokens.count - 1 { return index + 1 }
        if ends { isFunction = false }
      }
      index += 1
    }
    throw CSourceError(file: name, message: "a declaration has no end")
  }

  private func startsWithBrace(_ line: CLine) -> Bool { word(line, 0) == "{" }

  /// Whether a line holds nothing but names in capitals, each with or without arguments.
  private func isInvocation(_ line: CLine) -> Bool {
    var depth = 0
    for token in line.tokens {
      let text = spellings[token.id]
      if text == "(" {
        depth += 1
      } else if text == ")" {
        depth -= 1
      } else if depth == 0 {
        guard token.kind == .name, text != "E", text != "V",
          text == "_Pragma" || !text.utf8.contains(where: { $0 >= 97 && $0 <= 122 })
        else { return false }
      }
    }
    return depth == 0 && !line.tokens.isEmpty
  }
}
