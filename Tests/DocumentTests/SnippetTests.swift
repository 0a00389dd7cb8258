// Swift of the documents: each block stands, comments and white space apart, in a file that the build
// compiles. Blocks with an ellipsis are sketches and are not looked for, nor are those of
// docs/embedding.md: they use types that plugins write, as Tests/package does.

import Foundation
import Testing

private let root = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// Code without imports, comments and white space.
private func bare(_ code: String) -> String {
  code.split(separator: "\n").filter { !$0.hasPrefix("import ") }
    .map { line in line.range(of: "//").map { line[..<$0.lowerBound] } ?? line }
    .joined().filter { !$0.isWhitespace }
}

private struct Snippet {
  let file: String
  let number: Int
  let code: String
  var description: String { "\(file), block \(number)" }

  static func all() throws -> [Snippet] {
    let documents = try FileManager.default.contentsOfDirectory(
      atPath: root.appendingPathComponent("docs").path
    ).filter { $0.hasSuffix(".md") }.sorted().map { "docs/\($0)" }
    return try (["README.md"] + documents).flatMap { file in
      let text = try String(contentsOf: root.appendingPathComponent(file), encoding: .utf8)
      let parts = text.components(separatedBy: "\n```swift\n").dropFirst()
      return parts.enumerated().map { index, part in
        Snippet(
          file: file, number: index + 1,
          code: part.components(separatedBy: "\n```").first ?? "")
      }
    }
  }
}

/// What the build compiles, and the packages that Tests/package and `make embed` build.
private func sources() throws -> String {
  var code = ""
  for folder in ["Tests", "Examples", "Sources/MartletOps/Elementwise"] {
    let base = root.appendingPathComponent(folder)
    let files = FileManager.default.enumerator(atPath: base.path)
    while let name = files?.nextObject() as? String {
      guard name.hasSuffix(".swift"), !name.contains(".build") else { continue }
      code += bare(try String(contentsOf: base.appendingPathComponent(name), encoding: .utf8))
    }
  }
  return code
}

@Test func documentsShowCodeThatCompiles() throws {
  let code = try sources()
  let snippets = try Snippet.all()
  #expect(snippets.count >= 30)
  let examples = snippets.filter { !$0.code.contains("…") && $0.file != "docs/embedding.md" }
  let missing = examples.filter { !code.contains(bare($0.code)) }.map(\.description)
  #expect(missing == [])
}
