// What the sources themselves must keep: documented public symbols, floors, no Foundation below.

import Foundation
import Testing

private let root = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

private struct SourceFile {
  let module: String
  let path: String
  let text: String
}

private func sources() throws -> [SourceFile] {
  let folder = root.appendingPathComponent("Sources")
  var files: [SourceFile] = []
  for module in try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() {
    let base = folder.appendingPathComponent(module)
    guard let walk = FileManager.default.enumerator(atPath: base.path) else { continue }
    for case let name as String in walk where name.hasSuffix(".swift") {
      let text = try String(contentsOf: base.appendingPathComponent(name), encoding: .utf8)
      files.append(SourceFile(module: module, path: "\(module)/\(name)", text: text))
    }
  }
  return files
}

// MARK: - Documentation

private let introducers: Set<Substring> = [
  "func", "var", "let", "init", "subscript", "struct", "class", "enum", "protocol", "actor",
  "typealias", "associatedtype", "case", "macro", "extension", "operator",
]

/// Words before the introducer of a declaration, attributes left out; nil when the line declares
/// nothing.
private func modifiers(_ line: Substring) -> (words: [Substring], introducer: Substring)? {
  var words: [Substring] = []
  var rest = line.drop { $0 == " " }
  while let first = rest.first, first.isLetter || first == "@" {
    let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "@" || $0 == "_" || $0 == "?" }
    rest = rest.dropFirst(word.count)
    if first != "@" {
      let name = introducers.contains(word) ? word : (word.hasSuffix("?") ? word.dropLast() : word)
      // `class` before `func` or `var` is a modifier.
      if introducers.contains(name) { return (words, name) }
      words.append(word)
    }
    if rest.first == "(" {
      var depth = 0
      rest = rest.drop { character in
        if character == "(" { depth += 1 }
        if character == ")" { depth -= 1 }
        return depth > 0
      }.dropFirst()
    }
    rest = rest.drop { $0 == " " }
  }
  return nil
}

/// The public declarations of a source text without a documentation comment in front, by line.
///
/// Relies on the layout that the formatter gives: members stand two columns right of their type.
/// Cases of a public enum and requirements of a public protocol are public without saying so.
/// A `public extension`, whose members would be so too, counts as undocumented: it is not used.
private func undocumented(_ text: String) -> [String] {
  let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
  var found: [String] = []
  /// Column of the members of each open public enum (its cases) or protocol (everything).
  var open: [(column: Int, casesOnly: Bool)] = []
  var isInText = false
  for (index, line) in lines.enumerated() {
    let quotes = line.components(separatedBy: "\"\"\"").count - 1
    let began = isInText
    if quotes % 2 == 1 { isInText.toggle() }
    if began { continue }
    let column = line.prefix { $0 == " " }.count
    guard column < line.count else { continue }
    while let last = open.last, column < last.column { open.removeLast() }
    guard let (words, introducer) = modifiers(line) else { continue }
    let isPublic = words.contains("public") || words.contains("open")
    var isMember = false
    if let last = open.last, last.column == column {
      isMember = last.casesOnly ? introducer == "case" : true
    }
    if isPublic, introducer == "enum" || introducer == "protocol", !line.hasSuffix("}") {
      open.append((column + 2, introducer == "enum"))
    }
    guard isPublic || isMember else { continue }
    if isPublic, introducer == "extension" {
      found.append("\(index + 1): \(line)")
      continue
    }
    // Above: attributes on lines of their own, conditions of compilation, then the comment.
    var above = index - 1
    while above >= 0 {
      let before = lines[above].drop { $0 == " " }
      // An attribute in front of a declaration belongs to that one.
      let isAttribute = before.first == "@" && modifiers(before) == nil
      guard isAttribute || before.hasPrefix("#if") || before.hasPrefix("#else") else { break }
      above -= 1
    }
    let comment = above < 0 ? "" : lines[above].drop { $0 == " " }
    if !comment.hasPrefix("///") && !comment.hasSuffix("*/") {
      found.append("\(index + 1): \(line)")
    }
  }
  return found
}

@Test func everyPublicSymbolIsDocumented() throws {
  var count = 0
  for file in try sources() {
    count += file.text.components(separatedBy: "public ").count - 1
    for symbol in undocumented(file.text) { Issue.record("\(file.path):\(symbol)") }
  }
  #expect(count > 300, "the scan has found only \(count) public symbols")
}

@Test func theScanFindsWhatIsMissing() {
  let text = """
    /// Documented.
    public struct A {
      public var missing1: Int
      /// Documented.
      @inlinable
      @available(macOS 15, *) public static func fine() {}
      @discardableResult
      public func missing2() -> Int { 0 }
      @available(macOS 15, *) public init() {}
      public private(set) var missing4 = 1
      package var internalOne = 0
      // A plain comment is no documentation.
      public subscript(i: Int) -> Int { i }
      public init?(text: String) { nil }
    }
    /// Documented.
    public enum B {
      case missing7
      /// Documented.
      case fine
      var hidden: Int { switch self { case .fine: 1; default: 0 } }
    }
    /// Documented.
    public protocol P {
      func missing8()
      /// Documented.
      var fine: Int { get }
    }
    enum C {
      case hidden
    }
    public extension A {
      func public9() {}
    }
    @_exported public import X
    public func missing10() {}
    """
  let lines = undocumented(text).map { $0.prefix { $0 != ":" } }
  #expect(lines == ["3", "8", "9", "10", "13", "14", "18", "25", "32", "36"])
}

// MARK: - Imports

/// The module names of `import` lines, whatever attributes and kinds stand around them.
private func imports(_ text: String) -> [String] {
  text.split(separator: "\n").compactMap { line in
    let words = line.split(separator: " ").filter { !$0.hasPrefix("@") }
    guard let index = words.firstIndex(of: "import"), index <= 1, !line.contains("//"),
      words.prefix(index).allSatisfy({ ["public", "package", "internal", "private"].contains($0) })
    else { return nil }
    let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let"]
    let name = words.dropFirst(index + 1).first { !kinds.contains($0) } ?? ""
    return String(name.prefix { $0 != "." })
  }
}

@Test func importsAreFound() {
  let text = """
    import A
      @_exported import B
    public import struct C.D
    @preconcurrency package import E
    // import F
    let important = 1
    """
  #expect(imports(text) == ["A", "B", "C", "E"])
}

@Test func noFoundationBelowTheToolAndTheDataReaders() throws {
  let above: Set = ["MartletCLI", "MartletData", "MartletInterfaces"]
  // Code that protoc made imports it for Data, which is what a field of bytes is.
  for file in try sources()
  where !above.contains(file.module) && !file.path.hasSuffix(".pb.swift") {
    for name in imports(file.text) where name.hasPrefix("Foundation") {
      Issue.record("\(file.path) imports \(name)")
    }
  }
}

@Test func importsGoDown() throws {
  let package = try String(
    contentsOf: root.appendingPathComponent("Package.swift"), encoding: .utf8)
  // The manifest lists targets ground floor first.
  let floors = package.components(separatedBy: "arget(").dropFirst().compactMap { part -> String? in
    guard let start = part.range(of: "name: \""),
      part[..<start.lowerBound].allSatisfy(\.isWhitespace)
    else { return nil }
    return String(part[start.upperBound...].prefix { $0 != "\"" })
  }
  let modules = try FileManager.default.contentsOfDirectory(
    atPath: root.appendingPathComponent("Sources").path)
  for module in modules where module.hasPrefix("Martlet") {
    #expect(floors.contains(module), "\(module) is no target of Package.swift")
  }
  for file in try sources() {
    guard let floor = floors.firstIndex(of: file.module) else { continue }
    for name in imports(file.text) {
      guard let other = floors.firstIndex(of: name) else { continue }
      #expect(other < floor, "\(file.path) imports \(name), which stands above it")
    }
  }
  #expect(!package.contains("unsafe" + "Flags"))
}
