// A directory that appears under its name all at once.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The hidden directory in which a model or a checkpoint is prepared; removed unless it became the
/// target.
///
/// It takes the target's name in one step (`rename`, or an exchange of the two names where the
/// target exists already). A crash at any moment leaves the old directory or the new one; what it
/// leaves besides is removed by the next write to the same target.
package struct DirectoryStage: ~Copyable {
  /// Where to write the files.
  package let path: String
  private let target: String
  private let noun: String
  private let descriptor: Int32

  /// - Parameters:
  ///   - target: The directory's name, of which the folder must exist.
  ///   - noun: What it is in messages.
  package init(_ target: String, noun: String = "model") throws(DataError) {
    let (folder, last) = FileSystem.split(target)
    // A crash between the two renames of `replaceByRenames`: the old directory returns.
    let retired = DirectoryStage.retired(target)
    if !FileSystem.exists(target) { _ = rename(retired, target) }
    FileSystem.removeLeftovers(of: last, in: folder)
    let path = FileSystem.temporaryPath(beside: target)
    guard mkdir(path, 0o777) == 0 else {
      throw .system(
        .notWritable, "cannot write a \(noun) here", at: target, errno: errno,
        hint: "check that \(folder) exists and may be written to, or name another --output")
    }
    // The lock tells other writers that this is no leftover; the system drops it if we die.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor >= 0 { _ = flock(descriptor, LOCK_EX | LOCK_NB) }
    self.path = path
    self.target = target
    self.noun = noun
    self.descriptor = descriptor
  }

  deinit {
    // After an exchange this is the old directory; after a plain rename nothing is left here.
    FileSystem.remove(path)
    if descriptor >= 0 { close(descriptor) }
  }

  /// Puts the content on the disk, then under the target's name.
  package mutating func commit(exchanging: Bool = true) throws(DataError) {
    FileSystem.synchronize(folder: path)
    if rename(path, target) != 0 {
      guard errno == ENOTEMPTY || errno == EEXIST else {
        throw .system(.notWritable, "cannot put the \(noun) in its place", at: target, errno: errno)
      }
      if !exchanging || !FileSystem.exchange(path, target) { try replaceByRenames() }
    }
    FileSystem.synchronize(folder: FileSystem.split(target).folder)
  }

  // For a moment the name is free; a reader then finds the old directory under its retired name.
  private func replaceByRenames() throws(DataError) {
    let retired = DirectoryStage.retired(target)
    FileSystem.remove(retired)
    guard rename(target, retired) == 0 else {
      throw .system(.notWritable, "cannot replace the \(noun)", at: target, errno: errno)
    }
    guard rename(path, target) == 0 else {
      let number = errno
      _ = rename(retired, target)
      throw .system(.notWritable, "cannot replace the \(noun)", at: target, errno: number)
    }
    FileSystem.remove(retired)
  }

  /// Where the old directory waits on file systems that cannot exchange two names.
  package static func retired(_ target: String) -> String {
    let (folder, last) = FileSystem.split(target)
    return FileSystem.join(folder, ".\(last).martlet-old")
  }
}
