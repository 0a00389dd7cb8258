// Model directories: model.json and weights.safetensors, replaced together or not at all.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Reads and writes model directories.
///
/// A model is written into a hidden directory beside its target, put on the disk, and then takes
/// the target's name in one step (`rename`, or an exchange of the two names where a model exists
/// already). A crash at any moment leaves the old model or the new one; what it leaves besides is
/// removed by the next write to the same target.
package enum ModelDirectory {
  package static let manifestName = "model.json"
  package static let weightsName = "weights.safetensors"
  private static let manifestLimit = 16 << 20

  /// Throws unless a model can be written to `path`: call it before an hour of training, not after.
  package static func check(_ path: String) throws(DataError) {
    let target = resolved(path)
    try checkReplaceable(target)
    _ = try DirectoryStage(target)
  }

  /// Writes a model to `path`, replacing a model that is there. Tests turn `exchanging` off to
  /// take the way of file systems that cannot exchange two names.
  package static func write(
    _ manifest: ModelManifest, _ weights: [NamedArray], metadata: [String: String] = [:],
    to path: String, exchanging: Bool = true
  ) throws(DataError) {
    let target = resolved(path)
    try checkReplaceable(target)
    var stage = try DirectoryStage(target)
    try FileSystem.write(
      manifest.encoded(file: FileSystem.join(path, manifestName)),
      to: FileSystem.join(stage.path, manifestName))
    try Safetensors.save(
      weights, metadata: metadata, to: FileSystem.join(stage.path, weightsName))
    try stage.commit(exchanging: exchanging)
  }

  /// Reads a model: its manifest, and its weights in the order of the file.
  package static func read(
    _ path: String
  ) throws(DataError) -> (manifest: ModelManifest, weights: [NamedArray]) {
    var attempts = 0
    while true {
      do throws(DataError) { return try readOnce(path) } catch {
        // A writer that replaces the model takes the files of the old one away; look again.
        attempts += 1
        guard error.code == .notFound, attempts < 5, FileSystem.isDirectory(path) else {
          throw error
        }
      }
    }
  }

  private static func readOnce(
    _ path: String
  ) throws(DataError) -> (manifest: ModelManifest, weights: [NamedArray]) {
    let hint = "train one with `martlet train lenet5 --output \(path)`"
    // Both files through one descriptor: a replacement in between must not mix two models.
    let folder = try open(path, hint: hint)
    let file = try folder.file(manifestName, hint: hint)
    guard file.byteCount <= manifestLimit else {
      throw DataError(
        .tooLarge, "model.json is too large", at: file.path, got: "\(file.byteCount) bytes",
        expected: "at most \(manifestLimit)")
    }
    let manifest = try ModelManifest(parsing: file.read(0..<file.byteCount), file: file.path)
    let weights = try SafetensorsFile(folder.file(weightsName, hint: hint))
    return (manifest, try weights.arrays())
  }

  private static func open(_ path: String, hint: String) throws(DataError) -> InputFolder {
    do throws(DataError) { return try InputFolder(path) } catch {
      if error.code == .notFound, let old = try? InputFolder(DirectoryStage.retired(path)) {
        return old
      }
      throw DataError(
        error.code, error.code == .notFound ? "no such model" : "cannot open the model", at: path,
        got: error.got, expected: "a directory with \(manifestName) and \(weightsName)",
        hint: hint)
    }
  }

  // A model directory reached through a symbolic link is replaced where it lies.
  private static func resolved(_ path: String) -> String {
    guard let real = realpath(path, nil) else { return path }
    defer { free(real) }
    return String(cString: real)
  }

  // The output may be any directory by mistake, somebody's home for one. Only a model goes.
  private static func checkReplaceable(_ target: String) throws(DataError) {
    guard FileSystem.exists(target) else { return }
    guard FileSystem.isDirectory(target) else {
      throw DataError(
        .notWritable, "the output is not a directory", at: target,
        expected: "a model directory, an empty one, or a new name")
    }
    // Root may write to it all the same; whoever took every write bit away meant it.
    guard FileSystem.isWritableDirectory(target) else {
      throw DataError(
        .notWritable, "the output directory is read-only", at: target,
        hint: "chmod u+w \(target), or name another --output")
    }
    guard let names = FileSystem.names(in: target) else {
      throw .system(.notWritable, "cannot look into the output directory", at: target, errno: errno)
    }
    if let other = names.sorted().first(where: { !FileSystem.modelFiles.contains($0) }) {
      throw DataError(
        .notWritable, "the output directory holds other files, which a model would replace",
        at: target, got: other, expected: "a model directory, an empty one, or a new name",
        hint: "name a new directory, such as \(FileSystem.join(target, "model"))")
    }
  }
}
