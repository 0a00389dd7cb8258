// One entry for each format that comes from outside: bytes in, nothing out but a complaint. Driven by
// libFuzzer (scripts/fuzz) and by the mutation test in ONNXTests.

import MartletExecution
import MartletIR
import MartletONNX
import MartletOps
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A reader of bytes that somebody else wrote.
public enum FuzzTarget: String, CaseIterable, Sendable {
  /// A model, imported and compiled.
  case onnx
  /// A file of weights.
  case safetensors
  /// An array.
  case npy
  /// IR text, parsed and verified.
  case ir
}

/// Gives the reader the bytes. Nil where it did what it promises: a value, or an error of Martlet's own
/// that is short and printable. Traps and memory errors are for the caller to notice.
public func fuzz(_ target: FuzzTarget, _ bytes: [UInt8]) -> String? {
  do {
    switch target {
    case .onnx: try importModel(bytes)
    case .safetensors: _ = try withFile(bytes) { try Safetensors.load($0) }
    case .npy: _ = try withFile(bytes) { try Npy.load($0) }
    case .ir:
      let graph = try Graph(parsing: String(decoding: bytes, as: UTF8.self), ops: Registry.table)
      try verify(graph)
    }
    return nil
  } catch let error as ONNXError {
    return complaint("\(error)", lines: 6)
  } catch let error as DataError {
    return complaint("\(error)", lines: 8)
  } catch let error as CompileError {
    return error.code == .internal ? "an internal error: \(error)" : nil
  } catch is RunError {
    return nil
  } catch is ParseError {
    return nil
  } catch {
    return "another error than Martlet's: \(type(of: error))"
  }
}

private func importModel(_ bytes: [UInt8]) throws {
  let limits = ONNXLimits(bytes: 1 << 24, nodes: 2000, depth: 16, seconds: 2)
  let model = try ONNXModel(bytes: bytes, limits: limits)
  var dimensions: [String: Int] = [:]
  for port in model.inputs {
    guard case .tensor(_, let extents?) = port.kind else { continue }
    for case .symbolic(let name) in extents { dimensions[name] = 2 }
  }
  var options = try CompileOptions()
  options.threads = 1
  options.backend = .interpreter
  let values = try model.filled([:], dimensions: dimensions, seed: 0)
  _ = try model.compile(dimensions: dimensions, known: values, options: options)
}

/// Messages have a few lines of printable text.
private func complaint(_ text: String, lines: Int) -> String? {
  if text.utf8.count > 4000 { return "a message of \(text.utf8.count) bytes" }
  if text.split(separator: "\n", omittingEmptySubsequences: false).count > lines {
    return "a message of too many lines: \(text.prefix(500))"
  }
  let isPrintable = text.unicodeScalars.allSatisfy { $0 == "\n" || $0.value >= 32 }
  return isPrintable ? nil : "a message with control characters"
}

/// The readers map files: one for this process, in memory where there is such a place.
private func withFile<T>(_ bytes: [UInt8], _ body: (String) throws -> T) throws -> T {
  let folder = FileSystem.isDirectory("/dev/shm") ? "/dev/shm" : "/tmp"
  let path = "\(folder)/martlet-fuzz-\(getpid())-\(UInt64.random(in: 0 ... .max))"
  try FileSystem.write(bytes, to: path)
  defer { unlink(path) }
  return try body(path)
}

/// libFuzzer's entry: `number` counts the targets.
@_cdecl("martlet_fuzz")
public func martletFuzz(_ number: Int32, _ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  let targets = FuzzTarget.allCases
  guard targets.indices.contains(Int(number)) else { return -1 }
  let bytes = Array(UnsafeBufferPointer(start: data, count: size))
  guard let why = fuzz(targets[Int(number)], bytes) else { return 0 }
  print("complaint: \(why)")
  return 1
}
