// One file of C from many, with only what is used.

/// Keeps of a list of pieces what is reachable from some names, for every one of several targets,
/// and prints it in order, with its comments.
struct CAmalgamation {
  let spellings: CSpellings
  let pieces: [CPiece]
  /// Which pieces some target needs.
  private var kept: [Bool]
  /// Of pieces that are made by a macro of several declarations and needed in part: those as text.
  private var parts: [Int: [String]] = [:]
  /// Names that were used and never defined, by spelling.
  private(set) var unknown: Set<Int32> = []

  /// `roots`: names to be kept; `rootFile`: pieces of this file are all kept.
  init(
    _ spellings: CSpellings, _ pieces: [CPiece], targets: [[String: Int]], roots: Set<String>,
    rootFile: Int?
  ) {
    self.spellings = spellings
    self.pieces = pieces
    kept = [Bool](repeating: false, count: pieces.count)
    let roots = Set(roots.map { spellings.id($0) })
    var conditionMacros: [Int: Set<Int>] = [:]
    for target in targets {
      var preprocessor = CPreprocessor(spellings, given: target)
      let facts = preprocessor.run(pieces)
      mark(facts, roots, rootFile)
      for (index, fact) in facts.enumerated() {
        if case .condition = pieces[index].kind, let fact {
          conditionMacros[index, default: []].formUnion(fact.macros)
        }
      }
    }
    keepConditions(conditionMacros)
  }

  private mutating func mark(
    _ facts: [CPreprocessor.Facts?], _ roots: Set<Int32>, _ rootFile: Int?
  ) {
    struct Place: Hashable {
      var piece: Int
      var declaration: Int
    }
    var definitions: [Int32: [Place]] = [:]
    var queue: [Place] = []
    var seen: Set<Place> = []
    func add(_ place: Place) {
      if seen.insert(place).inserted { queue.append(place) }
    }
    for (index, fact) in facts.enumerated() {
      guard let fact else { continue }
      for declaration in fact.declarations.indices {
        let place = Place(piece: index, declaration: declaration)
        for name in fact.defines[declaration] { definitions[name, default: []].append(place) }
        // What gives no name a meaning, such as a pragma, belongs to what stands around it.
        if fact.defines[declaration].isEmpty || pieces[index].file == rootFile { add(place) }
        if !fact.defines[declaration].isDisjoint(with: roots) { add(place) }
      }
    }
    var unresolved: Set<Int32> = []
    while let place = queue.popLast() {
      guard let fact = facts[place.piece] else { continue }
      for name in fact.mentions[place.declaration] {
        if let found = definitions[name] {
          for other in found { add(other) }
        } else {
          unresolved.insert(name)
        }
      }
    }
    unknown.formUnion(unresolved)
    for (index, fact) in facts.enumerated() {
      guard let fact, !fact.declarations.isEmpty else {
        if fact != nil, case .systemInclude = pieces[index].kind { kept[index] = true }
        continue
      }
      let reached = fact.declarations.indices.filter {
        seen.contains(Place(piece: index, declaration: $0))
      }
      guard !reached.isEmpty else { continue }
      if isInvocation(pieces[index]), reached.count < fact.declarations.count {
        // Only the text that is needed, as the macro makes it.
        kept[index] = true
        var texts = parts[index] ?? []
        for text in reached.map({ print(fact.declarations[$0]) }) where !texts.contains(text) {
          texts.append(text)
        }
        parts[index] = texts
        continue
      }
      kept[index] = true
      for macro in fact.macros { kept[macro] = true }
    }
  }

  private func isInvocation(_ piece: CPiece) -> Bool {
    guard let first = piece.lines.first?.tokens.first else { return false }
    return first.kind == .name
      && !spellings[first.id].utf8.contains(where: { $0 >= 97 && $0 <= 122 })
      && !piece.text.hasSuffix("}")
  }

  /// A condition stays if anything inside of it does; then so do the macros that it asks for.
  private mutating func keepConditions(_ macros: [Int: Set<Int>]) {
    for (index, piece) in pieces.enumerated() {
      switch piece.kind {
      case .otherDirective, .systemInclude: kept[index] = true
      default: break
      }
    }
    var changed = true
    while changed {
      changed = false
      var open: [(pieces: [Int], used: Bool)] = []
      for (index, piece) in pieces.enumerated() {
        guard case .condition = piece.kind, let line = piece.lines.first,
          let keyword = line.tokens.first.map({ spellings[$0.id] })
        else {
          let counts = kept[index]
          if counts, !open.isEmpty { open[open.count - 1].used = true }
          continue
        }
        switch keyword {
        case "if", "ifdef", "ifndef": open.append(([index], false))
        case "elif", "else":
          if !open.isEmpty { open[open.count - 1].pieces.append(index) }
        default:
          guard let group = open.popLast(), group.used else { continue }
          if !open.isEmpty { open[open.count - 1].used = true }
          for place in group.pieces + [index] where !kept[place] {
            kept[place] = true
            changed = true
          }
          for place in group.pieces {
            for macro in macros[place] ?? [] where !kept[macro] {
              kept[macro] = true
              changed = true
            }
          }
        }
      }
    }
    // What undoes a definition stays with it.
    var defined: Set<Int32> = []
    for (index, piece) in pieces.enumerated() {
      if case .define(let name) = piece.kind, kept[index] { defined.insert(name) }
      if case .undefine(let name) = piece.kind { kept[index] = defined.contains(name) }
    }
  }

  /// What stays of the pieces of one file, as text.
  func text(of file: Int) -> String {
    var text = ""
    var includes: Set<String> = []
    var wasShort = false
    var depth = 0
    for (index, piece) in pieces.enumerated() where kept[index] && piece.file == file {
      var source = piece.text
      if case .condition = piece.kind {
        if source.contains("#if") { depth += 1 }
        if source.contains("#endif") { depth -= 1 }
      }
      if case .systemInclude = piece.kind, depth == 0 {
        guard includes.insert(source).inserted else { continue }
      }
      if let list = parts[index] { source = list.joined(separator: "\n") }
      let isShort = !source.contains("\n")
      if !text.isEmpty, !(wasShort && isShort) { text += "\n" }
      text += source + "\n"
      wasShort = isShort
    }
    return text
  }

  /// A declaration as text, a statement a line.
  private func print(_ tokens: [CToken]) -> String {
    var text = ""
    var line = ""
    var depth = 0
    var parentheses = 0
    func pad() -> String { String(repeating: "  ", count: depth) }
    func flush() {
      if !line.isEmpty { text += pad() + line + "\n" }
      line = ""
    }
    for token in tokens {
      let word = spellings[token.id]
      if word == "}" {
        flush()
        depth = max(0, depth - 1)
        line = "}"
        continue
      }
      if line == "}", word != ";", word != "," { flush() }
      if token.spaced, !line.isEmpty { line += " " }
      line += word
      if word == "(" { parentheses += 1 }
      if word == ")" { parentheses -= 1 }
      if word == "{", parentheses == 0 {
        flush()
        depth += 1
      } else if word == ";", parentheses == 0 {
        flush()
      }
    }
    flush()
    while text.hasSuffix("\n") { text.removeLast() }
    return text
  }
}
