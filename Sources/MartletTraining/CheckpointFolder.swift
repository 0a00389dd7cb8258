// The directory of a run's checkpoints: who uses it, and what is in it.

import MartletExecution
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A directory of checkpoints, locked for as long as this object lives.
package final class CheckpointFolder {
  static let best = "best"
  private static let prefix = "step-"

  package let path: String
  private let descriptor: Int32

  /// Makes the directory if need be and takes its lock, which the system drops if the process dies.
  package init(_ path: String) throws(DataError) {
    guard !path.isEmpty else {
      throw DataError(
        .notFound, "the directory for checkpoints has no name", at: "checkpoints")
    }
    if mkdir(path, 0o777) != 0, errno != EEXIST {
      throw .system(
        .notWritable, "cannot make a directory for checkpoints", at: path, errno: errno,
        hint: "check that \(FileSystem.split(path).folder) exists and may be written to")
    }
    let lock = FileSystem.join(path, ".lock")
    let descriptor = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
    guard descriptor >= 0 else {
      throw .system(.notWritable, "cannot write checkpoints here", at: path, errno: errno)
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw DataError(
        .inUse, "another run writes its checkpoints here", at: path,
        hint: "wait for it, or name another directory")
    }
    self.path = path
    self.descriptor = descriptor
    // Under the lock nobody else is at work: what is half-written was left by a crash.
    for name in FileSystem.names(in: path) ?? [] where FileSystem.isTemporary(name) {
      FileSystem.remove(FileSystem.join(path, name))
    }
  }

  deinit { close(descriptor) }

  /// The name of a step's checkpoint, which sorts by number up to 10¹⁰ steps.
  package static func name(_ step: Int) -> String {
    let digits = "\(step)"
    return prefix + String(repeating: "0", count: max(0, 10 - digits.count)) + digits
  }

  /// The steps of the checkpoints in a directory, ascending.
  static func steps(in path: String) -> [Int] {
    (FileSystem.names(in: path) ?? []).compactMap { name in
      guard name.utf8.starts(with: prefix.utf8), let step = Int(name.dropFirst(prefix.count)),
        step >= 0, CheckpointFolder.name(step) == name
      else { return nil }
      return step
    }.sorted()
  }

  /// Refuses checkpoints beyond a step: they would be taken for newer ones, and those of this run
  /// removed in their favour.
  package func refuseLater(than step: Int) throws(DataError) {
    guard let newest = CheckpointFolder.steps(in: path).last, newest > step else { return }
    throw DataError(
      .inUse, "the directory holds checkpoints of a longer run", at: path,
      got: CheckpointFolder.name(newest), expected: "none beyond step \(step)",
      hint: "resume that run, or name another directory")
  }

  /// Removes all but the newest.
  package func prune(keeping count: Int) {
    for step in CheckpointFolder.steps(in: path).dropLast(max(1, count)) {
      let old = FileSystem.join(path, CheckpointFolder.name(step))
      let hidden = FileSystem.temporaryPath(beside: old)
      // Under a hidden name first: a crash must not leave half of one under its own.
      FileSystem.remove(rename(old, hidden) == 0 ? hidden : old)
    }
  }
}
