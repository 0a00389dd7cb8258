// A folder that only this user sees and that goes away with everything in it.

internal import CMartletRuntime

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A private folder (mode 0700) under `TMPDIR`, for one compile.
final class TemporaryFolder {
  let path: String
  private var names: [String] = []

  init() throws(JITError) {
    let root = environmentValue("TMPDIR") ?? "/tmp"
    var template = Array("\(root)/martlet-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw JITError(
        .fileSystem, "cannot make a folder in \(root): \(String(cString: strerror(errno)))",
        hint: "set TMPDIR to a folder that can be written")
    }
    path = template.withUnsafeBufferPointer { buffer in
      buffer.baseAddress.map { String(cString: $0) } ?? root
    }
  }

  /// Names of files that another process writes here, to be removed at the end.
  func adopt(_ names: [String]) { self.names += names }

  func write(_ text: String, to name: String) throws(JITError) {
    adopt([name])
    var text = text
    let written = text.withUTF8 { write($0.baseAddress, $0.count, to: path + "/" + name) }
    guard written else { throw writeError(name) }
  }

  /// Puts the headers here that scalar text includes.
  func writeHeaders() throws(JITError) {
    guard EmbeddedHeaders.count > 0 else {
      throw JITError(
        .headersMissing, "this build carries no \(EmbeddedHeaders.math)",
        hint: "build the runtime with clang, whose #embed puts the header into the library")
    }
    for header in EmbeddedHeaders.all {
      adopt([header.name])
      guard write(header.text, header.byteCount, to: path + "/" + header.name) else {
        throw writeError(header.name)
      }
    }
  }

  func remove() {
    for name in names { unlink(path + "/" + name) }
    rmdir(path)
  }

  private func write(_ bytes: UnsafePointer<UInt8>?, _ count: Int, to file: String) -> Bool {
    guard let stream = fopen(file, "wb") else { return false }
    let complete = fwrite(bytes, 1, count, stream) == count
    return fclose(stream) == 0 && complete
  }

  private func writeError(_ name: String) -> JITError {
    JITError(
      .fileSystem, "cannot write \(path)/\(name): \(String(cString: strerror(errno)))",
      hint: "set TMPDIR to a folder with free space")
  }
}

/// The text of a file, for messages; what is not UTF-8 is repaired.
func readText(_ path: String) -> String {
  guard let stream = fopen(path, "rb") else { return "" }
  defer { fclose(stream) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 4096)
  while bytes.count < 64 * 1024 {
    let n = fread(&chunk, 1, chunk.count, stream)
    if n == 0 { break }
    bytes += chunk[..<n]
  }
  return String(decoding: bytes, as: UTF8.self)
}

/// The runtime's headers, which the library carries so that scalar text compiles anywhere.
package enum EmbeddedHeaders {
  package struct Header: Sendable {
    package let name: String
    /// Bytes of the runtime's own constants: they live as long as the process.
    package nonisolated(unsafe) let text: UnsafePointer<UInt8>
    package let byteCount: Int
  }

  /// What scalar text includes.
  package static let math = "martlet_math.h"

  package static var count: Int { mt_embedded_file_count() }

  package static var all: [Header] {
    (0..<mt_embedded_file_count()).compactMap { index in
      guard let file = mt_embedded_file_at(index), let name = file.pointee.name,
        let text = file.pointee.bytes
      else { return nil }
      return Header(name: String(cString: name), text: text, byteCount: file.pointee.count)
    }
  }
}
