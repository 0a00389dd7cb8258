// What the tests of files share: a folder of their own, and hostile bytes.

import MartletExecution
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Rounds of fuzzing: a hundred times as many in `make slow`.
var slowFactor: Int { CompileOptions.environment("MARTLET_SLOW") == "1" ? 100 : 1 }

/// A folder that goes with the test.
final class TemporaryFolder {
  let path: String

  init() throws {
    var template = Array("/tmp/martlet-tests-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw DataError(.notWritable, "mkdtemp", at: "/tmp")
    }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { TemporaryFolder.removeTree(path) }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  func write(_ bytes: [UInt8], _ name: String) throws -> String {
    try FileSystem.write(bytes, to: file(name))
    return file(name)
  }

  private static func removeTree(_ path: String) {
    guard unlink(path) != 0 else { return }
    chmod(path, 0o755)
    for name in FileSystem.names(in: path) ?? [] { removeTree("\(path)/\(name)") }
    rmdir(path)
  }
}

/// Runs `body` and gives the error that it throws; records an issue when it throws none.
func dataError(
  _ code: DataError.Code, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () throws -> Void
) -> DataError? {
  do {
    try body()
    Issue.record("nothing was thrown", sourceLocation: sourceLocation)
  } catch let error as DataError {
    #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
    #expect(
      error.description.split(separator: "\n", omittingEmptySubsequences: false).count <= 6,
      sourceLocation: sourceLocation)
    return error
  } catch {
    Issue.record("\(error)", sourceLocation: sourceLocation)
  }
  return nil
}

/// The same "random" bytes in every run.
struct FixedRandom {
  var state: UInt64

  mutating func below(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((state >> 33) % UInt64(bound))
  }

  /// `bytes` cut short, with bits flipped, with bytes overwritten, or with some inserted.
  mutating func damaged(_ bytes: [UInt8]) -> [UInt8] {
    var result = bytes
    switch below(4) {
    case 0: result.removeLast(below(bytes.count) + 1)
    case 1:
      for _ in 0...below(4) { result[below(bytes.count)] ^= 1 << UInt8(below(8)) }
    case 2:
      // Headers stand at the front: that is where a byte hurts.
      for _ in 0...below(3) { result[below(min(64, bytes.count))] = UInt8(below(256)) }
    default:
      let at = below(bytes.count)
      result.insert(contentsOf: (0...below(9)).map { _ in UInt8(truncatingIfNeeded: at) }, at: at)
    }
    return result
  }
}

func uint32(_ x: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: x >> (24 - 8 * $0)) } }

/// An IDX file of unsigned bytes.
func idx(_ shape: [Int], _ bytes: [UInt8], type: UInt8 = 8) -> [UInt8] {
  [0, 0, type, UInt8(shape.count)] + shape.flatMap(uint32) + bytes
}

func fixture(_ name: String) throws -> [UInt8] {
  let folder = FileSystem.split(#filePath).folder
  return try FileSystem.read("\(folder)/Fixtures/\(name)", limit: 1 << 24)
}

func exponential(_ x: Double) -> Double { exp(x) }

func makeDirectory(_ path: String) throws {
  guard mkdir(path, 0o755) == 0 else { throw DataError(.notWritable, "mkdir", at: path) }
}
