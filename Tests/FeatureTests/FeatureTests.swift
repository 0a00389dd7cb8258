// docs/features.md is written from the registry of operations, the public composites and the table
// in Features.swift; each row's names must be declared and its tests must exist.

import Foundation
import MartletOps
import Testing

private let root = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

private func texts(_ folder: String, _ suffixes: [String]) throws -> [String: String] {
  let base = root.appendingPathComponent(folder)
  var found: [String: String] = [:]
  guard let walk = FileManager.default.enumerator(atPath: base.path) else { return [:] }
  for case let name as String in walk where suffixes.contains(where: name.hasSuffix) {
    found["\(folder)/\(name)"] = try String(
      contentsOf: base.appendingPathComponent(name), encoding: .utf8)
  }
  return found
}

private func words(in text: String, after introducers: [String]) -> Set<String> {
  var found: Set<String> = []
  for introducer in introducers {
    for piece in text.components(separatedBy: introducer + " ").dropFirst() {
      let name = piece.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
      if !name.isEmpty { found.insert(String(name)) }
    }
  }
  return found
}

@Suite struct FeatureTests {
  static let sources = Result { try texts("Sources", [".swift"]) }
  static let tests = Result { try texts("Tests", [".swift", ".sh", ".c"]) }

  /// What stands above `struct Name` in the file of an operation, its first sentence.
  private func summary(of type: String, in sources: [String: String]) -> String? {
    for text in sources.values {
      guard let place = text.range(of: "package struct \(type):") else { continue }
      let lines = text[..<place.lowerBound].split(
        separator: "\n", omittingEmptySubsequences: false
      ).dropLast()
      let comment = Array(lines.reversed().prefix { $0.hasPrefix("///") }.reversed())
        .map { $0.dropFirst(3).trimmingCharacters(in: .whitespaces) }
      let first = comment.prefix { !$0.isEmpty }.joined(separator: " ")
      guard !first.isEmpty else { continue }
      if let end = first.range(of: ". ") { return String(first[..<end.lowerBound]) + "." }
      return first
    }
    return nil
  }

  private func kind(_ lowering: Lowering) -> String {
    switch lowering {
    case .elementwise: "elementwise"
    case .view, .pad, .identity: "view"
    case .reduction, .argReduction: "reduction"
    case .contraction: "contraction"
    case .iota, .constant: "source"
    case .random: "random"
    case .call: "runtime call"
    default: "control flow"
    }
  }

  private func gradient(_ gradient: Gradient) -> String {
    switch gradient {
    case .none(let reason): "none: \(reason)"
    case .rule: "yes"
    default: "of the body"
    }
  }

  private func operations(_ sources: [String: String]) -> [String] {
    var rows = [
      "| operation | what | lowering | gradient | dtypes in its samples |", "|---|---|---|---|---|",
    ]
    for type in Registry.ops.sorted(by: { $0.name < $1.name }) {
      guard let sample = type.samples.first else {
        Issue.record("\(type.name) has no sample")
        continue
      }
      let dtypes = Set(type.samples.flatMap { $0.operands.map { "\($0.dtype)" } }).sorted()
      guard let what = summary(of: "\(type)", in: sources) else {
        Issue.record("\(type) has no documentation comment")
        continue
      }
      rows.append(
        "| `\(type.name)` | \(cell(what)) | \(kind(sample.op.lowering)) "
          + "| \(cell(gradient(sample.op.gradient))) | \(dtypes.joined(separator: " ")) |")
    }
    return rows
  }

  /// Public functions of operations and composites, by file, each called in a test.
  private func composites(_ sources: [String: String], _ tests: [String: String]) -> [String] {
    var rows = ["| composites | functions |", "|---|---|"]
    let calls = tests.filter { $0.key.hasSuffix(".swift") }.values
    let prefix = "Sources/MartletOps/Composites/"
    for path in sources.keys.filter({ $0.hasPrefix(prefix) }).sorted() {
      let names = words(in: sources[path] ?? "", after: ["public func", "public static func"])
      for name in names.sorted() where !calls.contains(where: { $0.contains("\(name)(") }) {
        Issue.record("no test calls \(name) of \(path)")
      }
      guard !names.isEmpty else { continue }
      let title = path.dropFirst(prefix.count).dropLast(".swift".count)
      rows.append("| \(title) | \(names.sorted().map { "`\($0)`" }.joined(separator: " ")) |")
    }
    return rows
  }

  private func cell(_ text: String) -> String { text.replacingOccurrences(of: "|", with: "\\|") }

  private func row(_ feature: Feature, _ declared: Set<String>, _ tests: [String: String]) -> String
  {
    for symbol in feature.symbols {
      let isCommand = symbol.contains(" ")
      let last = symbol.split(separator: ".").last.map(String.init) ?? symbol
      let name = String(last.prefix { $0.isLetter || $0.isNumber || $0 == "_" })
      if !isCommand, !declared.contains(name) {
        Issue.record("'\(symbol)' of '\(feature.what)' is declared nowhere")
      }
    }
    for proof in feature.proofs {
      let parts = proof.components(separatedBy: ": ")
      if parts.count == 2 {
        if tests[parts[0]]?.contains(parts[1]) != true { Issue.record("no proof \(proof)") }
        continue
      }
      let names = proof.split(separator: "/").map(String.init)
      let isThere =
        names.count == 2
        && tests.contains {
          $0.key.hasSuffix("/\(names[0]).swift") && $0.value.contains("func \(names[1])(")
        }
      if !isThere { Issue.record("no test \(proof)") }
    }
    let symbols = feature.symbols.map { "`\($0)`" }.joined(separator: " ")
    return
      "| \(cell(feature.what)) | \(cell(symbols)) | \(feature.proofs.joined(separator: ", ")) |"
  }

  @Test func theTableIsTrue() throws {
    let (sources, tests) = (try Self.sources.get(), try Self.tests.get())
    let introducers = [
      "func", "struct", "class", "enum", "protocol", "case", "var", "let", "typealias",
    ]
    var declared: Set<String> = []
    for text in sources.values { declared.formUnion(words(in: text, after: introducers)) }

    var lines = [
      "# What there is", "",
      "Written by `make features`; the tests check that it is current, that each name is declared",
      "and that each test named exists.", "",
      "## Operations", "",
      "Every operation is compiled in tile form and in scalar form and compared with the interpreter",
      "(OpConformanceTests/CompiledTests), the interpreter with NumPy or PyTorch (OracleTests), its",
      "gradient with central differences to second order (GradientTests), and its tangent",
      "(ForwardTests).", "",
    ]
    lines += operations(sources)
    lines += [
      "", "## Composites", "",
      "Functions of operations, which fusion turns into one kernel where it can; compared with",
      "PyTorch, results and gradients (CompositeTests).", "",
    ]
    lines += composites(sources, tests)
    for section in sections {
      lines += ["", "## \(section.title)", "", "| what | names | proof |", "|---|---|---|"]
      lines += section.features.map { row($0, declared, tests) }
    }
    let text = lines.joined(separator: "\n") + "\n"
    let path = root.appendingPathComponent("docs/features.md")
    if ProcessInfo.processInfo.environment["MARTLET_RECORD"] == "1" {
      try text.write(to: path, atomically: true, encoding: .utf8)
    }
    let current = try? String(contentsOf: path, encoding: .utf8)
    #expect(current == text, "docs/features.md is out of date: make features")
  }
}
