// Golden files: kernel text that a reader has approved.

import Foundation
import Testing

/// Compares text with a file of `Goldens`; with MARTLET_RECORD=1 writes the file, and fails so that a
/// recording run is never taken for a passing one.
func golden(_ text: String, _ name: String, sourceLocation: SourceLocation = #_sourceLocation) {
  let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Goldens/\(name)")
  if ProcessInfo.processInfo.environment["MARTLET_RECORD"] == "1" {
    try? text.write(to: url, atomically: true, encoding: .utf8)
    Issue.record("recorded \(name)", sourceLocation: sourceLocation)
    return
  }
  let expected = (try? String(contentsOf: url, encoding: .utf8)) ?? ""
  #expect(text == expected, "MARTLET_RECORD=1 rewrites \(name)", sourceLocation: sourceLocation)
}
