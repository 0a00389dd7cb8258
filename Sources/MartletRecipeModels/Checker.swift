// A YAML tree against the schema: every problem with its place, or a tree of checked values.

/// A value that has the type and range that the schema asks for.
package struct Checked: Hashable, Sendable {
  package indirect enum Value: Hashable, Sendable {
    case integer(Int)
    case number(Double)
    case boolean(Bool)
    case text(String)
    case list([Checked])
    case fields(CheckedFields)
  }
  package var value: Value
  package var position: TextPosition
}

/// The fields of a section; `name` is the section's, or the case's of a choice.
package struct CheckedFields: Hashable, Sendable {
  package var name: String
  package var position: TextPosition
  package var values: [String: Checked] = [:]
  /// The keys in the order of the file; what a map's reader wants.
  package var order: [String] = []

  package subscript(name: String) -> Checked? { values[name] }
  package func integer(_ name: String) -> Int? {
    if case .integer(let x) = values[name]?.value { x } else { nil }
  }
  package func number(_ name: String) -> Double? {
    switch values[name]?.value {
    case .number(let x): x
    case .integer(let x): Double(x)
    default: nil
    }
  }
  package func boolean(_ name: String) -> Bool? {
    if case .boolean(let x) = values[name]?.value { x } else { nil }
  }
  package func text(_ name: String) -> String? {
    if case .text(let x) = values[name]?.value { x } else { nil }
  }
  package func list(_ name: String) -> [Checked]? {
    if case .list(let x) = values[name]?.value { x } else { nil }
  }
  package func fields(_ name: String) -> CheckedFields? {
    if case .fields(let x) = values[name]?.value { x } else { nil }
  }
  /// One integer or a list of them.
  package func integers(_ name: String) -> [Int]? {
    switch values[name]?.value {
    case .integer(let x): return [x]
    case .list(let list):
      return list.compactMap { if case .integer(let x) = $0.value { x } else { nil } }
    default: return nil
    }
  }
  /// A list of numbers.
  package func numbers(_ name: String) -> [Double]? {
    list(name)?.compactMap {
      switch $0.value {
      case .number(let x): x
      case .integer(let x): Double(x)
      default: nil
      }
    }
  }
  /// One text or a list of them.
  package func texts(_ name: String) -> [String]? {
    switch values[name]?.value {
    case .text(let x): return [x]
    case .list(let list):
      return list.compactMap { if case .text(let x) = $0.value { x } else { nil } }
    default: return nil
    }
  }
  /// The mappings of a list.
  package func sections(_ name: String) -> [CheckedFields]? {
    list(name)?.compactMap { if case .fields(let x) = $0.value { x } else { nil } }
  }
}

package struct Checker {
  package private(set) var problems: [RecipeError.Problem] = []
  package init() {}

  /// The document as fields of a section; nil where it is not even a mapping.
  package mutating func check(_ node: YAMLNode, as section: String) -> CheckedFields? {
    fields(node, Schema.section(section), path: "")
  }

  package mutating func report(_ message: String, _ position: TextPosition) {
    // A file of nothing but errors need not be read to its end.
    if problems.count < 200 { problems.append(.init(message, at: position)) }
  }

  // MARK: - Kinds

  private mutating func value(_ node: YAMLNode, _ kind: FieldKind, path: String) -> Checked? {
    func made(_ value: Checked.Value) -> Checked { Checked(value: value, position: node.position) }
    switch kind {
    case .integer, .number, .boolean, .text, .path, .word:
      guard let value = scalar(node, kind) else {
        report("\(path): expected \(kind.words), got \(node.kindName)", node.position)
        return nil
      }
      return made(value)
    case .list(let element, let count):
      guard case .sequence(let nodes) = node.content else {
        report("\(path): expected \(kind.words), got \(node.kindName)", node.position)
        return nil
      }
      guard count.contains(nodes.count) else {
        report(
          "\(path): expected \(kind.words), got \(nodes.count) elements", node.position)
        return nil
      }
      var elements: [Checked] = []
      for (index, child) in nodes.enumerated() {
        if let checked = value(child, element, path: "\(path).\(index)") {
          elements.append(checked)
        }
      }
      return made(.list(elements))
    case .either(let kinds):
      for kind in kinds {
        var attempt = Checker()
        if let checked = attempt.value(node, kind, path: path), attempt.problems.isEmpty {
          return checked
        }
      }
      // The kind that has the node's form tells best what is wrong inside of it.
      if let near = kinds.first(where: { $0.hasForm(of: node) }) {
        return value(node, near, path: path)
      }
      report("\(path): expected \(kind.words), got \(node.kindName)", node.position)
      return nil
    case .section(let name):
      return fields(node, Schema.section(name), path: path).map { made(.fields($0)) }
    case .choice(let name):
      return choice(node, Schema.choice(name), path: path).map { made(.fields($0)) }
    case .map(let element):
      guard case .mapping(let entries) = node.content else {
        report("\(path): expected \(kind.words), got \(node.kindName)", node.position)
        return nil
      }
      var result = CheckedFields(name: "", position: node.position)
      for entry in entries {
        result.values[entry.key] = value(entry.value, element, path: "\(path).\(entry.key)")
        result.order.append(entry.key)
      }
      return made(.fields(result))
    }
  }

  private func scalar(_ node: YAMLNode, _ kind: FieldKind) -> Checked.Value? {
    guard case .scalar(let text, let isPlain) = node.content else { return nil }
    let isNothing = isPlain && (text.isEmpty || text == "null" || text == "~")
    switch kind {
    case .integer(let range):
      guard isPlain, let x = Int(text), range.contains(x) else { return nil }
      return .integer(x)
    case .number(let low, let high, let excludesLow, let excludesHigh):
      guard isPlain, let x = YAMLNode.number(text), x >= low, x <= high,
        !(excludesLow && x == low), !(excludesHigh && x == high)
      else { return nil }
      return .number(x)
    case .boolean:
      guard isPlain, text == "true" || text == "false" else { return nil }
      return .boolean(text == "true")
    case .text, .path:
      return isNothing || text.isEmpty || text.utf8.contains(0) ? nil : .text(text)
    case .word(let words): return words.contains(text) ? .text(text) : nil
    default: return nil
    }
  }

  // MARK: - Sections

  private mutating func fields(
    _ node: YAMLNode, _ section: Section, path: String
  ) -> CheckedFields? {
    let place = path.isEmpty ? "the recipe" : path
    var result = CheckedFields(name: section.name, position: node.position)
    switch node.content {
    case .mapping(let entries):
      for entry in entries {
        let inner = path.isEmpty ? entry.key : "\(path).\(entry.key)"
        // What an override left of a bare value; see Override.
        let name = entry.key.isEmpty ? section.shorthand ?? "" : entry.key
        guard let field = section.fields.first(where: { $0.name == name }) else {
          let known = section.fields.map(\.name)
          let names =
            known.isEmpty ? "it takes no fields" : Checker.suggestion(entry.key, known)
          report("\(place): unknown key '\(entry.key)'; \(names)", entry.keyPosition)
          continue
        }
        result.values[field.name] = value(entry.value, field.kind, path: inner)
        result.order.append(field.name)
      }
    case .scalar(let text, isPlain: true) where text.isEmpty: break
    default:
      guard let name = section.shorthand,
        let field = section.fields.first(where: { $0.name == name })
      else {
        report("\(place): expected a mapping, got \(node.kindName)", node.position)
        return nil
      }
      result.values[name] = value(node, field.kind, path: path)
      result.order.append(name)
    }
    for field in section.fields where field.isRequired && !result.order.contains(field.name) {
      report("\(place): '\(field.name)' is missing: \(field.kind.words)", node.position)
    }
    return result
  }

  private mutating func choice(
    _ node: YAMLNode, _ choice: Choice, path: String
  ) -> CheckedFields? {
    let names = choice.cases.map(\.name)
    let place = path.isEmpty ? choice.name : path
    func known(_ name: String) -> Section? { choice.cases.first { $0.name == name } }
    switch node.content {
    case .scalar(let name, _):
      guard let section = known(name) else {
        report(
          "\(place): unknown \(choice.name) '\(name)'; \(Checker.suggestion(name, names))",
          node.position)
        return nil
      }
      return fields(
        YAMLNode(.mapping([]), at: node.position), section, path: "\(place).\(name)")
    case .mapping(let entries) where entries.count == 1:
      let entry = entries[0]
      guard let section = known(entry.key) else {
        report(
          "\(place): unknown \(choice.name) '\(entry.key)'; "
            + Checker.suggestion(entry.key, names), entry.keyPosition)
        return nil
      }
      var result = fields(entry.value, section, path: "\(place).\(entry.key)")
      result?.position = entry.keyPosition
      return result
    case .mapping(let entries):
      report(
        "\(place): expected one \(choice.name), got \(entries.count) keys", node.position)
      return nil
    case .sequence:
      report(
        "\(place): expected a \(choice.name), such as \(names.prefix(3).joined(separator: ", "))"
          + "; got a list", node.position)
      return nil
    }
  }

  // MARK: - Words

  /// `did you mean 'x'?`, or all names where none is near.
  package static func suggestion(_ name: String, _ known: [String]) -> String {
    let lower = name.lowercased().filter { $0 != "_" && $0 != "-" }
    let near = known.map { candidate -> (String, Int) in
      let other = candidate.lowercased()
      if other == lower { return (candidate, 0) }
      if lower.count > 2, other.hasPrefix(lower) || lower.hasPrefix(other) { return (candidate, 1) }
      return (candidate, distance(lower, other))
    }.min { $0.1 < $1.1 }
    if let near, near.1 <= max(1, lower.count / 3) { return "did you mean '\(near.0)'?" }
    return "known are \(known.joined(separator: ", "))"
  }

  /// Insertions, deletions, replacements and exchanges of neighbours (Damerau, restricted).
  package static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a.utf8.prefix(64)), Array(b.utf8.prefix(64)))
    var rows = [Array(0...b.count)]
    for i in 1..<(a.count + 1) {
      var row = [i]
      for j in 1..<(b.count + 1) {
        let cost = a[i - 1] == b[j - 1] ? 0 : 1
        var best = min(row[j - 1] + 1, rows[i - 1][j] + 1, rows[i - 1][j - 1] + cost)
        if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
          best = min(best, rows[i - 2][j - 2] + 1)
        }
        row.append(best)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}

extension YAMLNode {
  /// A finite decimal number; Swift's own initialiser would take hexadecimal, nan and infinity too.
  package static func number(_ text: String) -> Double? {
    guard text.utf8.contains(where: { (0x30...0x39).contains($0) }),
      text.utf8.allSatisfy({ (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }),
      let x = Double(text), x.isFinite
    else { return nil }
    return x
  }
}

extension FieldKind {
  /// `an integer from 1 to 10`, for messages and the documentation.
  package var words: String {
    func short(_ x: Double) -> String {
      if x == x.rounded(), abs(x) < 1e7 { return "\(Int(x))" }
      return abs(x) == 1e9 ? (x < 0 ? "-1e9" : "1e9") : "\(x)"
    }
    switch self {
    case .integer(let range): return "an integer from \(range.lowerBound) to \(range.upperBound)"
    case .number(let low, let high, let excludesLow, let excludesHigh):
      let above = excludesLow ? "above \(short(low))" : "from \(short(low))"
      return "a number \(above) \(excludesHigh ? "and below" : "to") \(short(high))"
    case .boolean: return "true or false"
    case .text: return "text"
    case .path: return "a path"
    case .word(let words): return words.joined(separator: " | ")
    case .list(let element, let count):
      let number = count.lowerBound == count.upperBound ? "\(count.lowerBound) " : ""
      return "a list of \(number)(\(element.words))"
    case .either(let kinds): return kinds.map(\.words).joined(separator: ", or ")
    case .section(let name): return "fields of \(name)"
    case .choice(let name):
      return "\(name.utf8.first.map("aio".utf8.contains) == true ? "an" : "a") \(name)"
    case .map(let element): return "names, each with \(element.words)"
    }
  }

  package func hasForm(of node: YAMLNode) -> Bool {
    switch (self, node.content) {
    case (.list, .sequence), (.section, .mapping), (.choice, .mapping), (.map, .mapping): true
    default: false
    }
  }
}
