// Event files byte for byte, and the report's page.

import Foundation
import MartletData
import MartletExecution
import MartletTraining
import Testing

import MartletRecipes

@Test func checksumsAreThoseOfTheStandard() {
  // RFC 3720, B.4.
  #expect(TFRecord.crc32c([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
  #expect(TFRecord.crc32c([UInt8](repeating: 0xff, count: 32)) == 0x62A8_AB43)
  #expect(TFRecord.crc32c((0..<32).map { UInt8($0) }) == 0x46DD_794E)
  #expect(TFRecord.crc32c("123456789".utf8) == 0xE306_9283)
}

private let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .appendingPathComponent("Fixtures/run.tfevents")

/// `scripts/compare-events` reads the same file with TensorBoard's own reader.
@Test func eventsAreTheBytesThatTensorBoardHasRead() throws {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
    "events-\(UUID().uuidString)"
  ).path
  defer { try? FileManager.default.removeItem(atPath: folder) }
  do {
    let file = try EventFile(directory: folder, name: "run.tfevents") { 1_700_000_000.5 }
    for (step, loss) in [(1, 0.5), (2, 0.25), (3, 0.125)] {
      try file.scalar("training/loss", loss, step: step)
    }
    try file.histogram("weights/w", [-2, -1, 0, 1, 2, 3, .nan], step: 3)
    let png = try #require(RecipeRun.png([0, 1, 2, 3], [2, 2, 1]))
    try file.image("examples/0", png: png, height: 2, width: 2, channels: 1, step: 0)
    try file.graph([
      .init(name: "input/x", operation: "Placeholder", inputs: [], shape: [2, 3]),
      .init(name: "hidden/dot", operation: "dot", inputs: ["input/x"], shape: [2, 4]),
      .init(name: "hidden/relu", operation: "maximum", inputs: ["hidden/dot"], shape: [2, 4]),
    ])
  }
  let path = folder + "/run.tfevents"
  let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
  if ProcessInfo.processInfo.environment["MARTLET_RECORD"] == "1" {
    try bytes.write(to: fixture)
    Issue.record("recorded \(fixture.lastPathComponent); run scripts/compare-events")
  }
  // The picture's compressed bytes are libpng's and zlib's: everything else must be equal.
  let (log, known) = (try EventLog(path), try EventLog(fixture.path))
  #expect(log.graphNodes == known.graphNodes && log.graphNodes.count == 3)
  #expect(log.scalars["training/loss"]?.map(\.value) == [0.5, 0.25, 0.125])
  #expect(log.histograms["weights/w"]?.first?.count == 6)
  let records = try #require(TFRecord.records(Array(bytes)))
  let others = try #require(TFRecord.records(Array(Data(contentsOf: fixture))))
  #expect(records.count == 7 && others.count == 7)
  for index in [0, 1, 2, 3, 4, 6] { #expect(records[index] == others[index], "record \(index)") }
  // Torn tails end the list; a changed byte is found.
  #expect(TFRecord.records(Array(bytes.dropLast(3)))?.count == 6)
  var damaged = Array(bytes)
  damaged[40] ^= 1
  #expect(TFRecord.records(damaged) == nil)
  // An image as the decoder sees it.
  let image = try PixelImage(
    pngData: try #require(log.images["examples/0"]?.first?.png), location: "event")
  #expect(image.pixels == [0, 85, 170, 255])
}

@Test func base64IsTheStandards() {
  for (text, encoded) in [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
  ] {
    #expect(Base64.encode(Array(text.utf8)) == encoded)
  }
}

@Test func aRunLeavesEventsCheckpointsAndAReport() throws {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
    "report-\(UUID().uuidString)"
  ).path
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  let text = """
    name: "</pre><script>alert(1)</script>"
    description: "a & b"
    data: digits
    model: [flatten, {linear: 16}, relu, {linear: classes}]
    epochs: 2
    callbacks:
      events: {directory: \(folder)/events, images: 2}
      checkpoints: {directory: \(folder)/checkpoints}
      report: {file: \(folder)/report.html, worst: 3}
    """
  let recipe = try Recipe(
    YAMLNode.parse(Array(text.utf8), file: "r.yaml"), file: "r.yaml", folder: ".")
  var options = TrainerOptions(compile: try CompileOptions())
  options.compile.threads = 1
  let run = try RecipeRun(recipe, options: options)
  try run.run()
  let (measures, line) = try run.evaluate()
  let written = try run.finish(measures: measures, line: line)
  #expect(written.map(\.what) == ["events", "report"])
  let log = try EventLog(written[0].path)
  #expect(
    log.scalars["training/loss"]?.count == 2 && log.scalars["validation/accuracy"]?.count == 2)
  #expect(log.histograms.count == 4 && log.images.count == 2 && log.graphNodes.count > 10)
  #expect(Set(log.graphNodes).count == log.graphNodes.count)
  #expect(Checkpoint.newest(in: folder + "/checkpoints") != nil)
  let page = try String(contentsOfFile: written[1].path, encoding: .utf8)
  // Nothing of the user's is markup, and nothing comes from outside.
  #expect(
    !page.contains("<script") && page.contains("&lt;script&gt;") && page.contains("a &amp; b"))
  #expect(!page.contains("http") || !page.contains("src=\"http"))
  #expect(page.components(separatedBy: "data:image/png;base64,").count == 4)
  for part in ["Curves", "Confusion matrix", "Largest losses", "Model", "Memory", "Kernels"] {
    #expect(page.contains("<h2>\(part)"), "\(part)")
  }
}
