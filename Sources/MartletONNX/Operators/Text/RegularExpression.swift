// Regular expressions of files: an automaton that follows all ways at once (Thompson 1968), so that
// no pattern makes a match take longer than pattern times text. Swift's own backtracks.

/// A regular expression in the syntax that RE2 and Python share: literals, `.`, classes, `\d \w \s`
/// and their opposites, `^ $ \b \B`, groups, `|`, `* + ?` and `{m,n}`.
struct RegularExpression {
  struct Failure: Error { var message: String }

  private enum Step {
    case one(Set)
    case split(Int, Int)
    case jump(Int)
    case boundary(Bool)
    case start
    case end
    case match
  }

  /// Ranges of scalars, or all but them.
  struct Set {
    var ranges: [ClosedRange<UInt32>] = []
    var isNegated = false
    func contains(_ x: UInt32) -> Bool { ranges.contains { $0.contains(x) } != isNegated }
  }

  private indirect enum Tree {
    case empty
    case one(Set)
    case assertion(Step)
    case sequence([Tree])
    case choice([Tree])
    case repeated(Tree, least: Int, most: Int?)
  }

  private var steps: [Step] = []
  private static let limit = 20_000

  init(_ pattern: String) throws {
    var parser = Parser(rest: Array(pattern.unicodeScalars.map(\.value))[...])
    let tree = try parser.choice(depth: 0)
    guard parser.rest.isEmpty else { throw Failure(message: "an unbalanced ')'") }
    try append(tree)
    steps.append(.match)
  }

  private mutating func append(_ tree: Tree) throws {
    guard steps.count < RegularExpression.limit else {
      throw Failure(message: "more than \(RegularExpression.limit) steps")
    }
    switch tree {
    case .empty: break
    case .one(let set): steps.append(.one(set))
    case .assertion(let step): steps.append(step)
    case .sequence(let parts): for part in parts { try append(part) }
    case .choice(let parts):
      var jumps: [Int] = []
      for (index, part) in parts.enumerated() {
        guard index < parts.count - 1 else { try append(part); break }
        let split = steps.count
        steps.append(.jump(0))
        try append(part)
        jumps.append(steps.count)
        steps.append(.jump(0))
        steps[split] = .split(split + 1, steps.count)
      }
      for jump in jumps { steps[jump] = .jump(steps.count) }
    case .repeated(let part, let least, let most):
      for _ in 0..<least {
        let before = steps.count
        try append(part)
        // What reads nothing does so once.
        if steps.count == before { break }
      }
      if let most {
        for _ in least..<max(least, most) {
          let split = steps.count
          steps.append(.jump(0))
          try append(part)
          steps[split] = .split(split + 1, steps.count)
        }
      } else {
        let split = steps.count
        steps.append(.jump(0))
        try append(part)
        steps.append(.jump(split))
        steps[split] = .split(split + 1, steps.count)
      }
    }
  }

  /// How many steps a scalar of a text may take.
  var size: Int { steps.count }

  /// Whether the whole text matches.
  func matches(_ text: String) -> Bool {
    let scalars = text.unicodeScalars.map(\.value)
    var active: [Int] = []
    var isListed = [Bool](repeating: false, count: steps.count)
    /// Follows everything that reads nothing.
    func add(_ first: Int, _ place: Int) {
      var stack = [first]
      while let step = stack.popLast() {
        guard !isListed[step] else { continue }
        isListed[step] = true
        switch steps[step] {
        case .one, .match: active.append(step)
        case .jump(let to): stack.append(to)
        case .split(let a, let b): stack += [b, a]
        case .start: if place == 0 { stack.append(step + 1) }
        case .end: if place == scalars.count { stack.append(step + 1) }
        case .boundary(let wanted):
          let before = place > 0 && Parser.isWord(scalars[place - 1])
          let after = place < scalars.count && Parser.isWord(scalars[place])
          if (before != after) == wanted { stack.append(step + 1) }
        }
      }
    }
    add(0, 0)
    for (place, scalar) in scalars.enumerated() {
      let current = active
      active = []
      isListed = [Bool](repeating: false, count: steps.count)
      for step in current {
        if case .one(let set) = steps[step], set.contains(scalar) { add(step + 1, place + 1) }
      }
      if active.isEmpty { return false }
    }
    return active.contains { if case .match = steps[$0] { true } else { false } }
  }

  private struct Parser {
    var rest: ArraySlice<UInt32>

    static func isWord(_ x: UInt32) -> Bool { word.contains(x) }
    static let word = Set(ranges: [48...57, 65...90, 95...95, 97...122])
    static let digit = Set(ranges: [48...57])
    static let space = Set(ranges: [9...13, 32...32])

    func sees(_ character: Unicode.Scalar) -> Bool { rest.first == character.value }
    mutating func takes(_ character: Unicode.Scalar) -> Bool {
      guard sees(character) else { return false }
      rest.removeFirst()
      return true
    }

    mutating func choice(depth: Int) throws -> Tree {
      guard depth < 100 else { throw Failure(message: "groups nest too deep") }
      var parts = [try sequence(depth: depth)]
      while takes("|") { parts.append(try sequence(depth: depth)) }
      return parts.count == 1 ? parts[0] : .choice(parts)
    }

    mutating func sequence(depth: Int) throws -> Tree {
      var parts: [Tree] = []
      while let next = rest.first, !sees("|"), !sees(")") {
        rest.removeFirst()
        var part = try atom(next, depth: depth)
        var repeats = 0
        while let (least, most) = try quantifier() {
          // Each one may multiply the steps by a thousand.
          repeats += 1
          guard repeats <= 2 else { throw Failure(message: "repeats of repeats") }
          _ = takes("?")
          part = .repeated(part, least: least, most: most)
        }
        parts.append(part)
      }
      return parts.isEmpty ? .empty : .sequence(parts)
    }

    mutating func quantifier() throws -> (Int, Int?)? {
      if takes("*") { return (0, nil) }
      if takes("+") { return (1, nil) }
      if takes("?") { return (0, 1) }
      guard sees("{") else { return nil }
      let before = rest
      rest.removeFirst()
      let least = number()
      var most = least
      if takes(",") { most = number() }
      guard takes("}"), least != nil || most != nil else {
        rest = before
        return nil
      }
      let low = least ?? 0
      guard low <= 1000, most ?? 0 <= 1000, most.map({ $0 >= low }) ?? true else {
        throw Failure(message: "repeats beyond 1000, or in the wrong order")
      }
      return (low, most)
    }

    mutating func number() -> Int? {
      var value: Int?
      while let next = rest.first, Parser.digit.contains(next), value ?? 0 < 1_000_000 {
        value = (value ?? 0) * 10 + Int(next - 48)
        rest.removeFirst()
      }
      return value
    }

    mutating func atom(_ first: UInt32, depth: Int) throws -> Tree {
      switch Unicode.Scalar(first) {
      case "(":
        if takes("?") {
          guard takes(":") else {
            guard takes("P"), takes("<") else { throw Failure(message: "an unknown group (?") }
            while let next = rest.popFirst(), next != 62 {}
            return try group(depth)
          }
        }
        return try group(depth)
      case "[": return .one(try set())
      case ".": return .one(Set(ranges: [10...10], isNegated: true))
      case "^": return .assertion(.start)
      case "$": return .assertion(.end)
      case "*", "+", "?": throw Failure(message: "nothing to repeat")
      case "\\":
        guard let next = rest.popFirst() else { throw Failure(message: "a trailing backslash") }
        switch Unicode.Scalar(next) {
        case "b": return .assertion(.boundary(true))
        case "B": return .assertion(.boundary(false))
        case "A": return .assertion(.start)
        case "z", "Z": return .assertion(.end)
        default: return .one(try escaped(next))
        }
      default: return .one(Set(ranges: [first...first]))
      }
    }

    mutating func group(_ depth: Int) throws -> Tree {
      let inner = try choice(depth: depth + 1)
      guard takes(")") else { throw Failure(message: "an unclosed group") }
      return inner
    }

    mutating func escaped(_ next: UInt32) throws -> Set {
      switch Unicode.Scalar(next) {
      case "d": return Parser.digit
      case "D": return Set(ranges: Parser.digit.ranges, isNegated: true)
      case "w": return Parser.word
      case "W": return Set(ranges: Parser.word.ranges, isNegated: true)
      case "s": return Parser.space
      case "S": return Set(ranges: Parser.space.ranges, isNegated: true)
      case "n": return Set(ranges: [10...10])
      case "t": return Set(ranges: [9...9])
      case "r": return Set(ranges: [13...13])
      case "f": return Set(ranges: [12...12])
      case "v": return Set(ranges: [11...11])
      default:
        guard !Parser.word.contains(next) || next == 95 else {
          throw Failure(message: "an unknown escape")
        }
        return Set(ranges: [next...next])
      }
    }

    mutating func set() throws -> Set {
      var result = Set()
      result.isNegated = takes("^")
      var isFirst = true
      while true {
        guard let next = rest.popFirst() else { throw Failure(message: "an unclosed class") }
        if next == 93, !isFirst { return result }
        isFirst = false
        var low = Set(ranges: [next...next])
        if next == 92 {
          guard let escape = rest.popFirst() else { throw Failure(message: "an unclosed class") }
          low = try escaped(escape)
          if low.isNegated { low = Parser.complement(low) }
        }
        if low.ranges.count == 1, low.ranges[0].count == 1, sees("-"),
          rest.dropFirst().first != 93, rest.count > 1
        {
          rest.removeFirst()
          var high = rest.removeFirst()
          if high == 92, let escape = rest.popFirst() {
            high = try escaped(escape).ranges.first?.lowerBound ?? escape
          }
          guard high >= low.ranges[0].lowerBound else {
            throw Failure(message: "a range backwards")
          }
          result.ranges.append(low.ranges[0].lowerBound...high)
        } else {
          result.ranges += low.ranges
        }
      }
    }

    static func complement(_ set: Set) -> Set {
      var result = Set()
      var next: UInt32 = 0
      for range in set.ranges {
        if range.lowerBound > next { result.ranges.append(next...(range.lowerBound - 1)) }
        next = range.upperBound + 1
      }
      result.ranges.append(next...0x10FFFF)
      return result
    }
  }
}
