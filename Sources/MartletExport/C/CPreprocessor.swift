// Macro expansion and conditions of C, to see which declarations use which for one target.

/// Runs over the pieces of a source as a compiler's preprocessor would, with some macros given, and
/// notes for each piece the names that it defines and uses, and the macros that made it.
///
/// It follows C11 6.10 as far as the runtime's own sources go: object- and function-like macros with
/// variable arguments, `#`, `##`, rescanning with what follows, `#if` over integers.
struct CPreprocessor {
  private struct Macro {
    var parameters: [Int32]?
    var isVariadic = false
    var body: [CToken]
    var piece: Int
  }
  /// An expansion that is being read, or the input itself.
  private struct Frame {
    var tokens: [CToken]
    var at = 0
    var macro: Int32?
  }

  /// What one piece came to.
  struct Facts {
    /// The declarations' tokens, each declaration apart.
    var declarations: [[CToken]] = []
    /// For each declaration, the names that it gives a meaning.
    var defines: [Set<Int32>] = []
    /// For each declaration, all names in it.
    var mentions: [Set<Int32>] = []
    /// Pieces whose macros were expanded.
    var macros: Set<Int> = []
  }

  private let spellings: CSpellings
  private var macros: [Int32: Macro] = [:]
  private var disabled: Set<Int32> = []
  private var used: Set<Int> = []
  private let names: Names

  private struct Names {
    let variadic, opening, closing, comma, hash, paste, ellipsis, defined, pragma, one, zero: Int32
    init(_ s: CSpellings) {
      variadic = s.id("__VA_ARGS__")
      opening = s.id("(")
      closing = s.id(")")
      comma = s.id(",")
      hash = s.id("#")
      paste = s.id("##")
      ellipsis = s.id("...")
      defined = s.id("defined")
      pragma = s.id("_Pragma")
      one = s.id("1")
      zero = s.id("0")
    }
  }

  /// `given`: macros of the compiler and the target, each 1 unless a number is told.
  init(_ spellings: CSpellings, given: [String: Int]) {
    self.spellings = spellings
    names = Names(spellings)
    for (name, value) in given {
      let body = [CToken(kind: .number, id: spellings.id("\(value)"), spaced: false)]
      macros[spellings.id(name)] = Macro(parameters: nil, body: body, piece: -1)
    }
  }

  /// The facts of all pieces; nil for those that a condition leaves out.
  mutating func run(_ pieces: [CPiece]) -> [Facts?] {
    var result: [Facts?] = []
    result.reserveCapacity(pieces.count)
    // For each open condition: taken now, and whether some branch was.
    var conditions: [(taken: Bool, done: Bool)] = []
    for (index, piece) in pieces.enumerated() {
      used = []
      let isActive = conditions.allSatisfy(\.taken)
      if case .condition = piece.kind, let line = piece.lines.first {
        condition(line, &conditions)
        result.append(Facts(macros: used))
        continue
      }
      guard isActive else {
        result.append(nil)
        continue
      }
      switch piece.kind {
      case .define: define(piece.lines[0], piece: index)
      case .undefine(let name): macros[name] = nil
      case .declaration:
        result.append(facts(of: piece))
        continue
      default: break
      }
      result.append(Facts(macros: used))
    }
    return result
  }

  private mutating func condition(
    _ line: CLine, _ conditions: inout [(taken: Bool, done: Bool)]
  ) {
    guard let keyword = line.tokens.first.map({ spellings[$0.id] }) else { return }
    let rest = Array(line.tokens.dropFirst())
    let outer = conditions.dropLast().allSatisfy(\.taken)
    switch keyword {
    case "if", "ifdef", "ifndef":
      let value = conditions.allSatisfy(\.taken) && holds(keyword, rest)
      conditions.append((value, value))
    case "elif":
      guard let top = conditions.last else { return }
      let value = outer && !top.done && holds("if", rest)
      conditions[conditions.count - 1] = (value, top.done || value)
    case "else":
      guard let top = conditions.last else { return }
      conditions[conditions.count - 1] = (!top.done, true)
    case "endif": _ = conditions.popLast()
    default: break
    }
  }

  private mutating func holds(_ keyword: String, _ tokens: [CToken]) -> Bool {
    guard let first = tokens.first else { return false }
    switch keyword {
    case "ifdef": return isDefined(first.id)
    case "ifndef": return !isDefined(first.id)
    default: return evaluate(tokens) != 0
    }
  }

  private mutating func isDefined(_ name: Int32) -> Bool {
    guard let macro = macros[name] else { return false }
    if macro.piece >= 0 { used.insert(macro.piece) }
    return true
  }

  private mutating func define(_ line: CLine, piece: Int) {
    var tokens = line.tokens.dropFirst()
    guard let name = tokens.popFirst() else { return }
    var macro = Macro(parameters: nil, body: [], piece: piece)
    if let next = tokens.first, next.id == names.opening, !next.spaced {
      tokens.removeFirst()
      var parameters: [Int32] = []
      while let token = tokens.popFirst(), token.id != names.closing {
        if token.id == names.comma { continue }
        if token.id == names.ellipsis {
          macro.isVariadic = true
          parameters.append(names.variadic)
        } else {
          parameters.append(token.id)
        }
      }
      macro.parameters = parameters
    }
    macro.body = Array(tokens)
    macros[name.id] = macro
  }

  // MARK: - Expansion

  /// Reads tokens to the end of `frames`, expanding.
  private mutating func expand(_ tokens: [CToken]) -> [CToken] {
    var frames = [Frame(tokens: tokens)]
    var result: [CToken] = []
    while let token = next(&frames) {
      guard token.kind == .name, !token.isPainted, let macro = macros[token.id] else {
        result.append(token)
        continue
      }
      if disabled.contains(token.id) {
        var painted = token
        painted.isPainted = true
        result.append(painted)
        continue
      }
      if let parameters = macro.parameters {
        guard peek(frames)?.id == names.opening else {
          result.append(token)
          continue
        }
        let arguments = arguments(&frames, parameters.count, isVariadic: macro.isVariadic)
        if macro.piece >= 0 { used.insert(macro.piece) }
        let body = substitute(macro, parameters, arguments)
        push(body, token, &frames)
      } else {
        if macro.piece >= 0 { used.insert(macro.piece) }
        push(substitute(macro, [], []), token, &frames)
      }
    }
    return result
  }

  private mutating func push(_ body: [CToken], _ token: CToken, _ frames: inout [Frame]) {
    var body = body
    if !body.isEmpty { body[0].spaced = token.spaced }
    disabled.insert(token.id)
    frames.append(Frame(tokens: body, macro: token.id))
  }

  private mutating func next(_ frames: inout [Frame]) -> CToken? {
    while let top = frames.last {
      if top.at < top.tokens.count {
        frames[frames.count - 1].at += 1
        return top.tokens[top.at]
      }
      if let macro = top.macro { disabled.remove(macro) }
      frames.removeLast()
    }
    return nil
  }

  private func peek(_ frames: [Frame]) -> CToken? {
    for frame in frames.reversed() where frame.at < frame.tokens.count {
      return frame.tokens[frame.at]
    }
    return nil
  }

  private mutating func arguments(
    _ frames: inout [Frame], _ count: Int, isVariadic: Bool
  ) -> [[CToken]] {
    _ = next(&frames)  // (
    var arguments: [[CToken]] = [[]]
    var depth = 0
    while let token = next(&frames) {
      if token.id == names.opening { depth += 1 }
      if token.id == names.closing {
        if depth == 0 { break }
        depth -= 1
      }
      let isRest = isVariadic && arguments.count >= count
      if token.id == names.comma, depth == 0, !isRest {
        arguments.append([])
      } else {
        arguments[arguments.count - 1].append(token)
      }
    }
    while arguments.count < count { arguments.append([]) }
    return arguments
  }

  private mutating func substitute(
    _ macro: Macro, _ parameters: [Int32], _ arguments: [[CToken]]
  ) -> [CToken] {
    var expanded: [Int: [CToken]] = [:]
    var result: [CToken] = []
    var index = 0
    let body = macro.body
    func parameter(_ at: Int) -> Int? {
      body.indices.contains(at) && body[at].kind == .name
        ? parameters.firstIndex(of: body[at].id) : nil
    }
    while index < body.count {
      let token = body[index]
      if macro.parameters != nil, token.id == names.hash, let place = parameter(index + 1) {
        let text = arguments[place].map { ($0.spaced ? " " : "") + spellings[$0.id] }.joined()
        result.append(CToken(kind: .text, id: spellings.id("\"\(text)\""), spaced: token.spaced))
        index += 2
        continue
      }
      if token.id == names.paste, index + 1 < body.count {
        var right = [body[index + 1]]
        if let place = parameter(index + 1) { right = arguments[place] }
        if let left = result.popLast(), let first = right.first {
          let text = spellings[left.id] + spellings[first.id]
          let isName = text.utf8.first.map { $0 > 57 || $0 < 48 } ?? false
          result.append(
            CToken(
              kind: isName ? .name : .number, id: spellings.id(text), spaced: left.spaced))
          result += right.dropFirst()
        } else {
          result += right
        }
        index += 2
        continue
      }
      if let place = parameter(index) {
        let isPasted = index + 1 < body.count && body[index + 1].id == names.paste
        var tokens: [CToken]
        if isPasted {
          tokens = arguments[place]
        } else {
          if expanded[place] == nil { expanded[place] = expand(arguments[place]) }
          tokens = expanded[place] ?? []
        }
        if !tokens.isEmpty { tokens[0].spaced = token.spaced }
        result += tokens
      } else {
        result.append(token)
      }
      index += 1
    }
    return result
  }

  // MARK: - Declarations

  private mutating func facts(of piece: CPiece) -> Facts {
    var tokens: [CToken] = []
    var conditions: [(taken: Bool, done: Bool)] = []
    for line in piece.lines {
      if line.isDirective {
        let keyword = line.tokens.first.map { spellings[$0.id] } ?? ""
        if ["if", "ifdef", "ifndef", "elif", "else", "endif"].contains(keyword) {
          condition(line, &conditions)
        }
        continue
      }
      if conditions.allSatisfy(\.taken) { tokens += line.tokens }
    }
    var facts = Facts()
    // Arguments may lie on several lines: all lines are one input.
    let expanded = expand(tokens)
    for declaration in split(expanded) {
      facts.declarations.append(declaration)
      facts.defines.append(defined(by: declaration))
      facts.mentions.append(Set(declaration.lazy.filter { $0.kind == .name }.map(\.id)))
    }
    facts.macros = used
    return facts
  }

  private func split(_ tokens: [CToken]) -> [[CToken]] {
    var result: [[CToken]] = []
    var current: [CToken] = []
    var braces = 0
    var parentheses = 0
    var isFunction = false
    for token in tokens {
      let text = spellings[token.id]
      let previous = current.last.map { spellings[$0.id] } ?? ""
      current.append(token)
      switch text {
      case "(": parentheses += 1
      case ")": parentheses -= 1
      case "{":
        if braces == 0, parentheses == 0 { isFunction = previous == ")" }
        braces += 1
      case "}":
        braces -= 1
        if braces == 0, parentheses == 0, isFunction {
          result.append(current)
          current = []
          isFunction = false
        }
      case ";":
        if braces == 0, parentheses == 0 {
          if current.count > 1 { result.append(current) }
          current = []
        }
      default: break
      }
    }
    if !current.isEmpty { result.append(current) }
    return result
  }

  /// A function's, a variable's or a type's name; the constants of an enumeration.
  private func defined(by declaration: [CToken]) -> Set<Int32> {
    var found: Set<Int32> = []
    let texts = declaration.map { spellings[$0.id] }
    let isType = texts.first == "typedef"
    var index = 0
    var last: Int32?
    var braces = 0
    var parentheses = 0
    while index < texts.count {
      let text = texts[index]
      if text == "__attribute__" || text == "_Alignas" || text == "_Pragma" {
        // Skip what stands in its parentheses.
        var depth = 0
        index += 1
        while index < texts.count {
          if texts[index] == "(" { depth += 1 }
          if texts[index] == ")" {
            depth -= 1
            if depth == 0 { break }
          }
          index += 1
        }
        index += 1
        continue
      }
      switch text {
      case "{":
        if braces == 0, texts.prefix(index).contains("enum") {
          var isName = true
          var depth = 0
          for inner in declaration[(index + 1)...] {
            let text = spellings[inner.id]
            if text == "}" { break }
            if text == "(" { depth += 1 }
            if text == ")" { depth -= 1 }
            if inner.kind == .name, isName { found.insert(inner.id) }
            isName = text == "," && depth == 0
          }
        }
        if braces == 0,
          ["struct", "union", "enum"].contains(where: { texts.prefix(index).contains($0) }),
          let tag = last, declaration[index - 1].id == tag
        {
          found.insert(tag)
        }
        braces += 1
      case "}": braces -= 1
      case "(":
        if braces == 0, parentheses == 0, !isType, let name = last {
          found.insert(name)
          return found
        }
        // A type of a function: typedef void (*name)(…).
        if braces == 0, parentheses == 0, isType, texts.count > index + 2, texts[index + 1] == "*" {
          found.insert(declaration[index + 2].id)
          return found
        }
        parentheses += 1
      case ")": parentheses -= 1
      case "=", ";", ",", "[":
        if braces == 0, parentheses == 0, let name = last {
          found.insert(name)
          if text == "=" { return found }
        }
      default:
        if braces == 0, parentheses == 0, declaration[index].kind == .name {
          last = declaration[index].id
        }
      }
      index += 1
    }
    return found
  }

  // MARK: - Conditions

  private mutating func evaluate(_ tokens: [CToken]) -> Int {
    var replaced: [CToken] = []
    var index = 0
    while index < tokens.count {
      let token = tokens[index]
      if token.id == names.defined, index + 1 < tokens.count {
        let inParentheses = tokens[index + 1].id == names.opening
        let place = inParentheses ? index + 2 : index + 1
        let value = place < tokens.count && isDefined(tokens[place].id)
        replaced.append(
          CToken(kind: .number, id: value ? names.one : names.zero, spaced: true))
        index = place + (inParentheses ? 2 : 1)
        continue
      }
      replaced.append(token)
      index += 1
    }
    var texts = expand(replaced).map { spellings[$0.id] }[...]
    return CPreprocessor.sum(&texts, 0)
  }

  private static let levels: [[String]] = [
    ["||"], ["&&"], ["==", "!="], ["<", ">", "<=", ">="], ["+", "-"], ["*", "/", "%"],
  ]

  /// Binary operators, the weakest first.
  private static func sum(_ texts: inout ArraySlice<String>, _ level: Int) -> Int {
    guard level < levels.count else { return operand(&texts) }
    var value = sum(&texts, level + 1)
    while let sign = texts.first, levels[level].contains(sign) {
      texts.removeFirst()
      let right = sum(&texts, level + 1)
      switch sign {
      case "||": value = value != 0 || right != 0 ? 1 : 0
      case "&&": value = value != 0 && right != 0 ? 1 : 0
      case "==": value = value == right ? 1 : 0
      case "!=": value = value != right ? 1 : 0
      case "<": value = value < right ? 1 : 0
      case ">": value = value > right ? 1 : 0
      case "<=": value = value <= right ? 1 : 0
      case ">=": value = value >= right ? 1 : 0
      case "+": value &+= right
      case "-": value &-= right
      case "*": value &*= right
      case "/": value = right == 0 ? 0 : value / right
      default: value = right == 0 ? 0 : value % right
      }
    }
    return value
  }

  private static func operand(_ texts: inout ArraySlice<String>) -> Int {
    guard let first = texts.popFirst() else { return 0 }
    switch first {
    case "!": return operand(&texts) == 0 ? 1 : 0
    case "-": return 0 &- operand(&texts)
    case "(":
      let value = sum(&texts, 0)
      if texts.first == ")" { texts.removeFirst() }
      return value
    default:
      let digits = first.prefix { $0.isNumber || $0.isHexDigit || $0 == "x" }
      if digits.hasPrefix("0x") { return Int(digits.dropFirst(2), radix: 16) ?? 0 }
      // A name that is no macro is 0.
      return Int(first.prefix { $0.isNumber }) ?? 0
    }
  }
}
