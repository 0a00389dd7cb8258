// Reading files of a checked size, and writing them so that a reader never meets half of one.

import CMartletFiles
import MartletIR

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// An open regular file, read by position; closed when it goes out of scope.
package struct InputFile: ~Copyable {
  package let path: String
  package let byteCount: Int
  private let descriptor: Int32

  package init(_ path: String, missing hint: String? = nil) throws(DataError) {
    // O_NONBLOCK: opening a named pipe must fail below, not wait for somebody to write to it.
    try self.init(path, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), missing: hint)
  }

  // Takes the descriptor over, or the error that came in its place.
  fileprivate init(_ path: String, _ descriptor: Int32, missing hint: String?) throws(DataError) {
    guard descriptor >= 0 else {
      let absent = errno == ENOENT || errno == ENOTDIR
      throw .system(
        absent ? .notFound : .notReadable, absent ? "no such file" : "cannot open the file",
        at: path, errno: errno, hint: hint)
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      let isDirectory = status.st_mode & S_IFMT == S_IFDIR
      close(descriptor)
      throw DataError(
        .notReadable, "not a regular file", at: path,
        got: isDirectory ? "a directory" : "a device, pipe or socket", expected: "a file")
    }
    self.path = path
    self.byteCount = Int(status.st_size)
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// The bytes of `range`, which the caller has checked against ``byteCount``.
  package func read(_ range: Range<Int>) throws(DataError) -> [UInt8] {
    var failure: DataError?
    let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
      failure = self.fill(UnsafeMutableRawBufferPointer(buffer), from: range.lowerBound)
      count = failure == nil ? range.count : 0
    }
    if let failure { throw failure }
    return bytes
  }

  /// Fills `buffer` with the bytes at `offset`.
  package func read(
    into buffer: UnsafeMutableRawBufferPointer, from offset: Int
  ) throws(DataError) {
    if let failure = fill(buffer, from: offset) { throw failure }
  }

  private func fill(_ buffer: UnsafeMutableRawBufferPointer, from offset: Int) -> DataError? {
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let count = pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        return .system(.notReadable, "cannot read the file", at: path, errno: errno)
      }
      guard count > 0 else {
        return DataError(
          .truncated, "the file shrank while it was read", at: path,
          got: "\(offset + done) bytes", expected: "\(offset + buffer.count) bytes")
      }
      done += count
    }
    return nil
  }
}

/// An open directory, whose files are those that it held when it was opened, whatever happens to
/// its name.
package struct InputFolder: ~Copyable {
  package let path: String
  private let descriptor: Int32

  package init(_ path: String) throws(DataError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY)
    guard descriptor >= 0 else {
      throw .system(
        errno == ENOENT ? .notFound : .notReadable, "cannot open the directory", at: path,
        errno: errno)
    }
    self.path = path
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  package func file(_ name: String, hint: String?) throws(DataError) -> InputFile {
    try InputFile(
      FileSystem.join(path, name),
      openat(descriptor, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK), missing: hint)
  }
}

/// A file that appears under its name all at once, when ``commit()`` succeeds; until then, and
/// whatever happens in between, the name shows what it showed before. A link stays, and what it
/// names is replaced. A device or a pipe is written to as it is: `/dev/stdout` stays what it is.
package struct OutputFile: ~Copyable {
  private let path: String
  /// Nil where the name is a device or a pipe.
  private let temporary: String?
  private let descriptor: Int32
  private var committed = false

  package init(_ path: String) throws(DataError) {
    var status = stat()
    let kind = stat(path, &status) == 0 ? status.st_mode & S_IFMT : S_IFREG
    guard kind != S_IFDIR else {
      throw DataError(
        .notWritable, "cannot write the file", at: path, got: "a directory", expected: "a file")
    }
    guard kind == S_IFREG else {
      let descriptor = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY)
      guard descriptor >= 0 else {
        throw .system(.notWritable, "cannot open the file", at: path, errno: errno)
      }
      self.path = path
      self.temporary = nil
      self.descriptor = descriptor
      return
    }
    let target = FileSystem.resolved(path)
    let name = FileSystem.split(target)
    FileSystem.removeLeftovers(of: name.last, in: name.folder)
    let temporary = FileSystem.temporaryPath(beside: target)
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw .system(
        .notWritable, "cannot create a file", at: path, errno: errno,
        hint: "check that \(name.folder) exists and may be written to")
    }
    // A lock tells the next writer that this file is no leftover; the system drops it if we die.
    _ = flock(descriptor, LOCK_EX | LOCK_NB)
    self.path = target
    self.temporary = temporary
    self.descriptor = descriptor
  }

  deinit {
    close(descriptor)
    if let temporary, !committed { unlink(temporary) }
  }

  package func write(_ bytes: UnsafeRawBufferPointer) throws(DataError) {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      #if canImport(Glibc)
        let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      #elseif canImport(Musl)
        let count = Musl.write(descriptor, rest.baseAddress, rest.count)
      #else
        let count = Darwin.write(descriptor, rest.baseAddress, rest.count)
      #endif
      if count < 0 {
        if errno == EINTR { continue }
        throw .system(.notWritable, "cannot write the file", at: path, errno: errno)
      }
      done += count
    }
  }

  package func write(_ bytes: [UInt8]) throws(DataError) {
    let failure = bytes.withUnsafeBytes { (buffer) -> DataError? in
      do throws(DataError) { try write(buffer) } catch { return error }
      return nil
    }
    if let failure { throw failure }
  }

  /// Puts the content on the disk, then under its name.
  package mutating func commit() throws(DataError) {
    guard let temporary else { return }
    guard fsync(descriptor) == 0, rename(temporary, path) == 0 else {
      throw .system(.notWritable, "cannot finish the file", at: path, errno: errno)
    }
    committed = true
    FileSystem.synchronize(folder: FileSystem.split(path).folder)
  }
}

/// Paths, and what a crash leaves behind.
package enum FileSystem {
  /// The whole content of a regular file of at most `limit` bytes.
  package static func read(
    _ path: String, limit: Int, missing hint: String? = nil
  ) throws(DataError) -> [UInt8] {
    let file = try InputFile(path, missing: hint)
    guard file.byteCount <= limit else {
      throw DataError(
        .tooLarge, "the file is too large", at: path, got: "\(file.byteCount) bytes",
        expected: "at most \(limit) bytes")
    }
    return try file.read(0..<file.byteCount)
  }

  /// Writes `bytes` under `path`, all at once.
  package static func write(_ bytes: [UInt8], to path: String) throws(DataError) {
    var file = try OutputFile(path)
    try file.write(bytes)
    try file.commit()
  }

  /// `a/b/c` as `a/b` and `c`; a name alone lies in `.`.
  package static func split(_ path: String) -> (folder: String, last: String) {
    var bytes = Substring(path)
    while bytes.utf8.count > 1, bytes.utf8.last == UInt8(ascii: "/") { bytes.removeLast() }
    guard let slash = bytes.utf8.lastIndex(of: UInt8(ascii: "/")) else {
      return (".", String(bytes))
    }
    let folder = bytes[..<slash]
    return (folder.isEmpty ? "/" : String(folder), String(bytes[bytes.utf8.index(after: slash)...]))
  }

  /// The file that a link names, and a link to nothing as it is.
  package static func resolved(_ path: String) -> String {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK,
      let text = realpath(path, nil)
    else { return path }
    defer { free(text) }
    return String(cString: text)
  }

  package static func join(_ folder: String, _ name: String) -> String {
    folder.utf8.last == UInt8(ascii: "/") ? folder + name : "\(folder)/\(name)"
  }

  /// Makes a folder; one that is there already is fine.
  package static func makeDirectory(_ path: String) throws(DataError) {
    guard mkdir(path, 0o777) != 0, errno != EEXIST || !isDirectory(path) else { return }
    throw DataError(
      .notWritable, "cannot make the folder: \(String(cString: strerror(errno)))", at: path)
  }

  package static func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// True when some write bit is set, and it is ours.
  package static func isWritableDirectory(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & 0o222 != 0 && access(path, W_OK) == 0
  }

  package static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  /// The names in a directory, without `.` and `..`; nil when it cannot be read.
  package static func names(in folder: String) -> [String]? {
    guard let stream = opendir(folder) else { return nil }
    defer { closedir(stream) }
    var result: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { buffer in
        String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { result.append(name) }
    }
    return result
  }

  // The middle of a temporary name: hidden, and never the start of a user's own file.
  private static let mark = ".martlet-tmp-"

  /// A name beside `path` that nobody else uses: same file system, so that rename is atomic.
  package static func temporaryPath(beside path: String) -> String {
    let (folder, last) = split(path)
    let unique = String(UInt64.random(in: .min ... .max), radix: 36)
    return join(folder, ".\(last)\(mark)\(getpid())-\(unique)")
  }

  /// Removes temporary files and directories that writers of `last` left when they were killed.
  /// A writer at work holds a lock on its own, so it keeps them.
  package static func removeLeftovers(of last: String, in folder: String) {
    let prefix = ".\(last)\(mark)"
    for name in names(in: folder) ?? [] where name.utf8.starts(with: prefix.utf8) {
      let path = join(folder, name)
      let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
      guard descriptor >= 0 else { continue }
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { remove(path) }
      close(descriptor)
    }
  }

  /// Removes a file, or a directory that holds nothing but the files of a model or a checkpoint.
  package static func remove(_ path: String) {
    guard unlink(path) != 0 else { return }
    for name in names(in: path) ?? [] {
      let isPart = ownFiles.contains { name.utf8.starts(with: ".\($0)\(mark)".utf8) }
      if isPart || ownFiles.contains(name) { unlink(join(path, name)) }
    }
    rmdir(path)
  }

  /// All that a model directory may hold.
  package static let modelFiles = ["model.json", "weights.safetensors", ".DS_Store"]
  /// All that a checkpoint may hold.
  package static let checkpointFiles = [
    "checkpoint.json", "model.safetensors", "training.safetensors",
  ]
  // Nothing else is ever deleted.
  private static let ownFiles = modelFiles + checkpointFiles

  /// True for the names of temporary files and directories, of whatever writer.
  package static func isTemporary(_ name: String) -> Bool {
    name.utf8.first == UInt8(ascii: ".") && name.hasText(mark)
  }

  /// Puts a directory's entries on the disk. File systems that cannot are none the worse.
  package static func synchronize(folder: String) {
    let descriptor = open(folder, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    _ = fsync(descriptor)
    close(descriptor)
  }

  /// Swaps what two paths name in one step; false where the file system cannot.
  package static func exchange(_ first: String, _ second: String) -> Bool {
    martlet_exchange_paths(first, second) == 0
  }
}
