// One checkpoint: what it holds, how it is written and read.

import MartletExecution
import MartletIR

/// A run at one moment, read from a directory.
public struct Checkpoint: Sendable {
  /// The directory.
  public let path: String
  /// Steps done.
  public let step: Int
  /// The seed of the run.
  public let seed: UInt64
  /// Examples in a batch.
  public let batch: Int
  /// Examples in the training set.
  public let examples: Int
  /// The epochs done.
  public let history: History
  /// Weights and running statistics by their paths.
  public let weights: [NamedArray]
  /// Optimizer state, sums and best weights.
  package let training: [NamedArray]
  let plateau: [Double]?
  let stopping: Best
  let keptBest: Best

  static let manifestName = "checkpoint.json"
  static let modelName = "model.safetensors"
  static let trainingName = "training.safetensors"
  private static let format = "martlet-checkpoint"
  private static let version = 1
  private static let manifestLimit = 256 << 20

  /// The newest checkpoint of a directory of them, the directory itself where it is one; nil where
  /// there is none.
  public static func newest(in directory: String) -> String? {
    if FileSystem.exists(FileSystem.join(directory, manifestName)) { return directory }
    return CheckpointFolder.steps(in: directory).last.map {
      FileSystem.join(directory, CheckpointFolder.name($0))
    }
  }

  /// Reads a checkpoint, or the newest in a directory of them.
  ///
  /// - Throws: ``DataError``: nothing there, a newer format, or content that is not what was written.
  public init(_ directory: String) throws(DataError) {
    guard let path = Checkpoint.newest(in: directory) else {
      throw DataError(
        .notFound, "no checkpoint here", at: directory,
        expected: "a directory with step-0000000100 or such in it")
    }
    do throws(DataError) { try self.init(reading: path) } catch {
      var error = error
      if error.hint == nil, path != directory {
        error.hint = "remove \(path) to go on from the one before, if there is one"
      }
      throw error
    }
  }

  private init(reading path: String) throws(DataError) {
    let folder = try InputFolder(path)
    let file = try folder.file(Checkpoint.manifestName, hint: nil)
    guard file.byteCount <= Checkpoint.manifestLimit else {
      throw DataError(
        .tooLarge, "checkpoint.json is too large", at: file.path, got: "\(file.byteCount) bytes")
    }
    let json = try JSONValue(
      parsing: file.read(0..<file.byteCount), file: file.path, depthLimit: 16)
    guard json["format"]?.string == Checkpoint.format, let version = json["version"]?.integer else {
      throw DataError(
        .wrongFormat, "this is no checkpoint of Martlet", at: file.path,
        expected: "\"format\": \"\(Checkpoint.format)\"")
    }
    guard version == Checkpoint.version else {
      throw DataError(
        .wrongVersion, "a checkpoint of another version of Martlet", at: file.path,
        got: "version \(version)", expected: "version \(Checkpoint.version)")
    }
    guard json["checksum"]?.string == Checkpoint.checksum(json.members ?? [], file: file.path)
    else {
      throw DataError(.damaged, "the checkpoint is not what was written", at: file.path)
    }
    func field<T>(_ name: String, _ value: T?) throws(DataError) -> T {
      guard let value else {
        throw DataError(.wrongFormat, "a member is missing or no number", at: file.path, got: name)
      }
      return value
    }
    self.path = path
    step = try field("step", json["step"]?.counter)
    seed = try field("seed", json["seed"]?.string.flatMap { UInt64($0) })
    batch = try field("batch", json["batch"]?.counter)
    examples = try field("examples", json["examples"]?.counter)
    guard batch > 0, examples > 0 else {
      throw DataError(
        .outOfRange, "a number is out of range", at: file.path,
        got: "step \(step), batch \(batch), \(examples) examples")
    }
    plateau = json["plateau"]?.array?.compactMap(\.exactNumber)
    stopping = try field("stopping", json["stopping"].flatMap(Best.init))
    keptBest = try field("best", json["best"].flatMap(Best.init))
    var history = try field("history", json["history"].flatMap(History.init))
    let observations = json["observations"]?.array ?? []
    history.observations = observations.compactMap(Observation.init)
    guard history.observations.count == observations.count else {
      throw DataError(
        .wrongFormat, "a member is missing or no number", at: file.path, got: "observations")
    }
    self.history = history
    func arrays(_ name: String) throws(DataError) -> [NamedArray] {
      let arrays = try SafetensorsFile(folder.file(name, hint: nil)).arrays()
      guard json["arrays"]?[name]?.string == Checksum.text(of: arrays) else {
        throw DataError(
          .damaged, "the checkpoint is not what was written", at: FileSystem.join(path, name))
      }
      return arrays
    }
    weights = try arrays(Checkpoint.modelName)
    training = try arrays(Checkpoint.trainingName)
  }

  /// What a run writes.
  package struct Contents {
    var step: Int
    var seed: UInt64
    var batch: Int
    var examples: Int
    var history = History()
    var plateau: [Double]?
    var stopping = Best()
    var keptBest = Best()
    var weights: [NamedArray]
    var training: [NamedArray]

    /// Of a run without early stopping and the like.
    package init(
      step: Int, seed: UInt64, batch: Int, examples: Int, weights: [NamedArray],
      training: [NamedArray]
    ) {
      self.step = step
      self.seed = seed
      self.batch = batch
      self.examples = examples
      self.weights = weights
      self.training = training
      history.steps = step
    }
  }

  /// Writes a checkpoint; it appears under its name when it is whole.
  package static func write(_ contents: Contents, to path: String) throws(DataError) {
    var stage = try DirectoryStage(path, noun: "checkpoint")
    // No metadata: the checksum is of names, types and bytes.
    try Safetensors.save(contents.weights, to: FileSystem.join(stage.path, modelName))
    try Safetensors.save(contents.training, to: FileSystem.join(stage.path, trainingName))
    let file = FileSystem.join(path, manifestName)
    var members: [JSONValue.Member] = [
      .init("format", .string(format)), .init("version", .integer(version)),
      .init("step", .integer(contents.step)), .init("seed", .string(String(contents.seed))),
      .init("batch", .integer(contents.batch)), .init("examples", .integer(contents.examples)),
      .init("stopping", contents.stopping.json), .init("best", contents.keptBest.json),
      .init("history", contents.history.json),
      .init("observations", Observation.json(contents.history.observations)),
      .init(
        "arrays",
        .object([
          .init(modelName, .string(Checksum.text(of: contents.weights))),
          .init(trainingName, .string(Checksum.text(of: contents.training))),
        ])),
    ]
    if let plateau = contents.plateau {
      members.append(.init("plateau", .array(plateau.map { JSONValue(exactly: $0) })))
    }
    members.append(.init("checksum", .string(checksum(members, file: file))))
    try FileSystem.write(
      JSONValue.object(members).encoded(indent: 1, file: file),
      to: FileSystem.join(stage.path, manifestName))
    try stage.commit()
  }

  // MARK: - Checksums

  private static func checksum(_ members: [JSONValue.Member], file: String) -> String {
    let rest = JSONValue.object(members.filter { $0.name != "checksum" })
    guard let bytes = try? rest.encoded(file: file) else { return "" }
    var sum = Checksum()
    bytes.withUnsafeBytes { sum.add($0) }
    return sum.text
  }
}
