// A YAML document as a tree with places, and as the JSON that a model directory keeps.

import MartletExecution

/// A node of a YAML document.
package struct YAMLNode: Hashable, Sendable {
  package indirect enum Content: Hashable, Sendable {
    /// Text, and whether it stood there without quotes.
    case scalar(String, isPlain: Bool)
    case sequence([YAMLNode])
    case mapping([Entry])
  }
  package struct Entry: Hashable, Sendable {
    package var key: String
    package var keyPosition: TextPosition
    package var value: YAMLNode
    package init(key: String, keyPosition: TextPosition, value: YAMLNode) {
      self.key = key
      self.keyPosition = keyPosition
      self.value = value
    }
  }

  package var content: Content
  package var position: TextPosition
  package init(_ content: Content, at position: TextPosition) {
    self.content = content
    self.position = position
  }

  /// The value of a key of a mapping.
  package subscript(key: String) -> YAMLNode? {
    guard case .mapping(let entries) = content else { return nil }
    return entries.first { $0.key == key }?.value
  }

  /// `text`, `a list`, …: how a message names what was found.
  package var kindName: String {
    switch content {
    case .scalar(let text, let isPlain):
      if isPlain, text.isEmpty || text == "null" || text == "~" { return "nothing" }
      return isPlain ? text : "\"\(text)\""
    case .sequence: return "a list"
    case .mapping: return "a mapping"
    }
  }
}

extension YAMLNode {
  /// The document as JSON: a number where the text is the one way to write it, else the text.
  package var json: JSONValue {
    switch content {
    case .scalar(let text, let isPlain):
      if isPlain {
        if let x = Int(text), "\(x)" == text { return .integer(x) }
        if let x = YAMLNode.number(text), "\(x)" == text { return .number(x) }
        if text == "true" || text == "false" { return .bool(text == "true") }
        if text.isEmpty || text == "~" || text == "null" { return .null }
      }
      return .string(text)
    case .sequence(let nodes): return .array(nodes.map(\.json))
    case .mapping(let entries):
      return .object(entries.map { .init($0.key, $0.value.json) })
    }
  }

  /// The document that was written as JSON; places are lost.
  package init(_ json: JSONValue) {
    let place = TextPosition(line: 1, column: 1)
    func scalar(_ text: String) -> YAMLNode { YAMLNode(.scalar(text, isPlain: true), at: place) }
    switch json {
    case .null: self = scalar("")
    case .bool(let x): self = scalar("\(x)")
    case .integer(let x): self = scalar("\(x)")
    case .number(let x): self = scalar("\(x)")
    case .string(let text):
      // Quoted numbers never were numbers to a checked recipe: only nothing must stay a text.
      self = YAMLNode(
        .scalar(text, isPlain: !["", "~", "null"].contains(text)), at: place)
    case .array(let elements): self.init(.sequence(elements.map { YAMLNode($0) }), at: place)
    case .object(let members):
      self.init(
        .mapping(
          members.map { Entry(key: $0.name, keyPosition: place, value: YAMLNode($0.value)) }),
        at: place)
    }
  }
}
