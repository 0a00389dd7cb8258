// What the tests of the programs share.

import MartletExecution

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A folder that goes with the test.
final class TemporaryFolder {
  let path: String

  init() throws {
    var template = Array("/tmp/martlet-programs-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw DataError(.notWritable, "mkdtemp", at: "/tmp")
    }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { TemporaryFolder.removeTree(path) }

  private static func removeTree(_ path: String) {
    guard unlink(path) != 0 else { return }
    for name in FileSystem.names(in: path) ?? [] { removeTree("\(path)/\(name)") }
    rmdir(path)
  }
}
