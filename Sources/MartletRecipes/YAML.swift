// YAML files as trees with places. Yams parses; what it may be given is decided here.

import MartletExecution
import MartletRecipeModels
import Yams

extension YAMLNode {
  /// Bytes of the largest file that is read.
  package static let byteLimit = 256 << 10
  /// Levels of nesting.
  package static let depthLimit = 64

  /// A file's document.
  package static func read(_ path: String) throws -> YAMLNode {
    let bytes = try FileSystem.read(
      path, limit: byteLimit, missing: "`martlet recipes` lists the built-in ones")
    return try parse(bytes, file: path)
  }

  /// The document that the bytes hold.
  ///
  /// Refused: what is not UTF-8, anchors and aliases (an alias of aliases is exponential in time,
  /// and no recipe needs one), more than one document, nesting beyond ``depthLimit``, tags.
  package static func parse(_ bytes: [UInt8], file: String) throws(RecipeError) -> YAMLNode {
    guard bytes.count <= byteLimit else {
      throw RecipeError(
        file: file, "\(bytes.count) bytes: a recipe has at most \(byteLimit)")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw RecipeError(file: file, "the file is not UTF-8 text", at: firstInvalid(bytes))
    }
    // Yams hashes keys while it parses; with a few aliases that stays harmless, and any that are
    // left are refused with their place below.
    if let place = manyAliases(bytes) {
      throw RecipeError(
        file: file, "anchors (&) and aliases (*) have no place in a recipe", at: place)
    }
    do {
      let parser = try Parser(yaml: text, encoding: .utf8)
      guard let root = try parser.singleRoot() else {
        throw RecipeError(file: file, "the file is empty")
      }
      // The anchors that nodes point to weakly are the parser's.
      return try withExtendedLifetime(parser) { () throws(RecipeError) in
        try convert(root, depth: 0, file: file)
      }
    } catch let error as RecipeError {
      throw error
    } catch let error as YamlError {
      throw RecipeError(file: file, [problem(error)])
    } catch {
      throw RecipeError(file: file, "\(error)")
    }
  }

  private static func convert(
    _ node: Node, depth: Int, file: String
  ) throws(RecipeError) -> YAMLNode {
    let position = TextPosition(line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
    guard depth < depthLimit else {
      throw RecipeError(file: file, "nested more than \(depthLimit) deep", at: position)
    }
    guard node.anchor == nil else {
      throw RecipeError(
        file: file, "anchors (&) and aliases (*) have no place in a recipe", at: position)
    }
    switch node {
    case .scalar(let scalar):
      return YAMLNode(
        .scalar(scalar.string, isPlain: scalar.style == .plain || scalar.style == .any),
        at: position)
    case .sequence(let sequence):
      var children: [YAMLNode] = []
      for child in sequence { children.append(try convert(child, depth: depth + 1, file: file)) }
      return YAMLNode(.sequence(children), at: position)
    case .mapping(let mapping):
      var entries: [Entry] = []
      for (key, value) in mapping {
        guard case .scalar(let name) = key, key.anchor == nil else {
          throw RecipeError(
            file: file, "a key must be a word",
            at: TextPosition(line: key.mark?.line ?? 1, column: key.mark?.column ?? 1))
        }
        entries.append(
          Entry(
            key: name.string,
            keyPosition: TextPosition(line: key.mark?.line ?? 1, column: key.mark?.column ?? 1),
            value: try convert(value, depth: depth + 1, file: file)))
      }
      return YAMLNode(.mapping(entries), at: position)
    case .alias:
      throw RecipeError(
        file: file, "anchors (&) and aliases (*) have no place in a recipe", at: position)
    }
  }

  /// The place of the seventeenth `*` that may begin an alias.
  private static func manyAliases(_ bytes: [UInt8]) -> TextPosition? {
    var count = 0
    var place = TextPosition(line: 1, column: 1)
    for (index, byte) in bytes.enumerated() {
      if byte == UInt8(ascii: "\n") {
        place = TextPosition(line: place.line + 1, column: 1)
        continue
      }
      if byte == UInt8(ascii: "*"), index + 1 < bytes.count, bytes[index + 1] > 0x20 {
        count += 1
        if count > 16 { return place }
      }
      place.column += 1
    }
    return nil
  }

  private static func firstInvalid(_ bytes: [UInt8]) -> TextPosition {
    // U+FFFD may stand in the file itself; then the line is the earlier one, which is no harm.
    let repaired = String(decoding: bytes, as: UTF8.self)
    var place = TextPosition(line: 1, column: 1)
    for scalar in repaired.unicodeScalars {
      if scalar == "\u{FFFD}" { return place }
      if scalar == "\n" {
        place = TextPosition(line: place.line + 1, column: 1)
      } else {
        place.column += 1
      }
    }
    return place
  }

  private static func problem(_ error: YamlError) -> RecipeError.Problem {
    func at(_ mark: Mark) -> TextPosition { TextPosition(line: mark.line, column: mark.column) }
    switch error {
    case .scanner(let context, let text, let mark, _), .parser(let context, let text, let mark, _),
      .composer(let context, let text, let mark, _):
      let before = context.map { "\($0.text) " } ?? ""
      return .init("not YAML: \(before)\(text)", at: at(mark))
    case .duplicatedKeysInMapping(let names, let context):
      return .init("the key '\(names.first ?? "")' stands there twice", at: at(context.mark))
    case .reader(let text, _, _, _): return .init("not YAML: \(text)")
    default: return .init("not YAML")
    }
  }
}

extension Recipe {
  /// A recipe from a file, with values replaced by `PATH=VALUE`.
  package static func read(_ path: String, overrides: [Override] = []) throws -> Recipe {
    try Recipe(
      YAMLNode.read(path), file: path, folder: FileSystem.split(path).folder, overrides: overrides)
  }
}
