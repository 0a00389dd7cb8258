// Model directories: replaced as a whole, whatever happens in between.

import MartletExecution
import MartletIR
import Synchronization
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

@Suite struct ModelDirectoryTests {
  let folder: TemporaryFolder
  var model: String { folder.file("model") }

  init() throws { folder = try TemporaryFolder() }

  static func manifest(_ name: String = "lenet5") -> ModelManifest {
    ModelManifest(
      name: name, inputShape: [28, 28, 1], mean: 0.1307, deviation: 0.3081,
      classes: (0..<10).map(String.init),
      layers: [.object([.init("type", .string("linear")), .init("out", .integer(10))])],
      notes: [.init("accuracy", .number(0.974))])
  }

  static func weights(_ value: Float, count: Int = 100) throws -> [NamedArray] {
    [NamedArray("w", try NDArray([Float](repeating: value, count: count)))]
  }

  func write(_ value: Float, exchanging: Bool = true) throws {
    try ModelDirectory.write(
      Self.manifest("m\(Int(value))"), Self.weights(value), to: model, exchanging: exchanging)
  }

  @Test(arguments: [true, false]) func readsWhatItWrote(_ exchanging: Bool) throws {
    try write(1, exchanging: exchanging)
    try write(2, exchanging: exchanging)
    try write(3, exchanging: exchanging)
    let (manifest, weights) = try ModelDirectory.read(model)
    #expect(manifest == Self.manifest("m3"))
    #expect(weights.map(\.name) == ["w"])
    #expect(weights[0].array.floats == [Float](repeating: 3, count: 100))
    #expect(FileSystem.names(in: folder.path) == ["model"])
    #expect(
      FileSystem.names(in: model)?.sorted() == ["model.json", "weights.safetensors"])
  }

  @Test func writesIntoAnEmptyDirectoryAndThroughALink() throws {
    mkdir(model, 0o755)
    try ModelDirectory.check(model)
    try write(1)
    symlink(model, folder.file("link"))
    try ModelDirectory.write(Self.manifest("m2"), Self.weights(2), to: folder.file("link"))
    #expect(try ModelDirectory.read(model).manifest.name == "m2")
    #expect(FileSystem.names(in: folder.path)?.sorted() == ["link", "model"])
    try ModelDirectory.write(Self.manifest("m3"), Self.weights(3), to: model + "/")
    #expect(try ModelDirectory.read(model).manifest.name == "m3")
  }

  @Test func keepsOtherPeoplesFiles() throws {
    mkdir(model, 0o755)
    _ = try folder.write([1], "model/thesis.tex")
    let error = dataError(.notWritable) { try write(1) }
    #expect(error?.got == "thesis.tex")
    _ = dataError(.notWritable) { try ModelDirectory.check(model) }
    #expect(FileSystem.names(in: model) == ["thesis.tex"])
    #expect(FileSystem.names(in: folder.path) == ["model"])
    _ = dataError(.notWritable) {
      try ModelDirectory.write(
        Self.manifest(), Self.weights(1), to: folder.write([1], "file"))
    }
  }

  @Test func refusesReadOnlyPlaces() throws {
    _ = dataError(.notWritable) { try ModelDirectory.check("/proc/model") }
    _ = dataError(.notWritable) { try ModelDirectory.check(folder.file("no/model")) }
    try write(1)
    chmod(model, 0o555)
    let error = dataError(.notWritable) { try write(2) }
    #expect(error?.what.contains("read-only") == true)
    #expect(try ModelDirectory.read(model).manifest.name == "m1")
  }

  @Test func aFailedWriteKeepsTheOldModel() throws {
    try write(1)
    let twice = try Self.weights(2) + Self.weights(2)
    _ = dataError(.mismatch) { try ModelDirectory.write(Self.manifest(), twice, to: model) }
    #expect(try ModelDirectory.read(model).manifest.name == "m1")
    #expect(FileSystem.names(in: folder.path) == ["model"])
  }

  @Test func removesWhatKilledWritersLeft() throws {
    try write(1)
    // As a writer leaves it that is killed within the second file.
    let left = ".model.martlet-tmp-4711-abc"
    mkdir(folder.file(left), 0o755)
    _ = try folder.write([0x7b], "\(left)/model.json")
    _ = try folder.write([1, 2, 3], "\(left)/.weights.safetensors.martlet-tmp-4711-xyz")
    // Not ours: another model's, and a user's own file that happens to look alike.
    mkdir(folder.file(".other.martlet-tmp-4711-abc"), 0o755)
    #expect(try ModelDirectory.read(model).manifest.name == "m1")
    try write(2)
    #expect(
      FileSystem.names(in: folder.path)?.sorted() == [".other.martlet-tmp-4711-abc", "model"])
  }

  @Test func leavesALivingWriterAlone() throws {
    let stage = folder.file(".model.martlet-tmp-1-living")
    mkdir(stage, 0o755)
    let descriptor = open(stage, O_RDONLY)
    flock(descriptor, LOCK_EX)
    try write(1)
    #expect(FileSystem.exists(stage))
    close(descriptor)
    try write(2)
    #expect(!FileSystem.exists(stage))
  }

  @Test func findsTheModelBetweenTwoRenames() throws {
    try write(1)
    // The moment within a replacement where the file system cannot exchange names.
    rename(model, folder.file(".model.martlet-old"))
    #expect(try ModelDirectory.read(model).manifest.name == "m1")
    // And a crash at that moment, before the next write fails half-way.
    let twice = try Self.weights(2) + Self.weights(2)
    _ = dataError(.mismatch) { try ModelDirectory.write(Self.manifest(), twice, to: model) }
    #expect(try ModelDirectory.read(model).manifest.name == "m1")
    #expect(FileSystem.names(in: folder.path) == ["model"])
  }

  @Test(arguments: [true, false])
  func readersNeverSeeAMixtureOrNothing(_ exchanging: Bool) async throws {
    try write(0)
    let model = model
    // The reader runs as long as the writer does.
    let writer = Task.detached {
      defer { writersDone.withLock { _ = $0.insert(model) } }
      for i in 1...60 {
        try ModelDirectory.write(
          Self.manifest("m\(i % 7)"), Self.weights(Float(i % 7)), to: model,
          exchanging: exchanging)
      }
    }
    var reads = 0
    while reads < 20 || !writersDone.withLock({ $0.contains(model) }) {
      let (manifest, weights) = try ModelDirectory.read(model)
      #expect(weights[0].array.floats.allSatisfy { "m\(Int($0))" == manifest.name })
      reads += 1
      await Task.yield()
    }
    try await writer.value
  }

  @Test func refusesOtherVersionsAndDamage() throws {
    try write(1)
    let path = "\(model)/model.json"
    let text = String(decoding: try FileSystem.read(path, limit: 9999), as: UTF8.self)
    func replacing(_ old: String, _ new: String) throws {
      let range = try #require(text.firstRange(of: old))
      try FileSystem.write(
        Array(text.replacingCharacters(range, new).utf8), to: path)
    }
    try replacing("\"version\": 1", "\"version\": 2")
    let error = dataError(.wrongVersion) { _ = try ModelDirectory.read(model) }
    #expect(
      error?.description == """
        the model is of another format version
          in \(path)
          got version 2
          expected version 1
          hint: a newer Martlet wrote it; update this one
        """)
    for (old, new) in [
      ("martlet-model", "other"), ("\"version\": 1", "\"version\": \"1\""), ("28, 28", "28, 0"),
      ("28, 28", "28, 2.5"), ("\"deviation\": 0.", "\"deviation\": -0."), ("\"0\", ", "0, "),
      ("{", "["),
    ] {
      try replacing(old, new)
      _ = dataError(.wrongFormat) { _ = try ModelDirectory.read(model) }
    }
    unlink("\(model)/weights.safetensors")
    try FileSystem.write(Array(text.utf8), to: path)
    _ = dataError(.notFound) { _ = try ModelDirectory.read(model) }
    _ = dataError(.notFound) { _ = try ModelDirectory.read(folder.file("none")) }
    _ = dataError(.notReadable) { _ = try ModelDirectory.read(path) }
  }
}

private let writersDone = Mutex(Set<String>())

extension String {
  fileprivate func firstRange(of text: String) -> Range<String.Index>? {
    indices.first { self[$0...].hasPrefix(text) }.map { $0..<index($0, offsetBy: text.count) }
  }

  fileprivate func replacingCharacters(_ range: Range<String.Index>, _ text: String) -> String {
    String(self[..<range.lowerBound]) + text + self[range.upperBound...]
  }
}
