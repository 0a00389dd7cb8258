// From the bytes of a file to its messages. The file is not to be trusted.

import MartletExecution
import MartletIR
import MartletONNXFormat
import SwiftProtobuf
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A model as it stands in its file, and where its external data lies.
package struct ModelFile: Sendable {
  package let model: OnnxModelProto
  /// The folder that external data must stay in; nil where there is none.
  package let folder: String?
  package let limits: ONNXLimits

  /// The largest message that protocol buffers allow.
  private static let largestMessage = Int(Int32.max)

  package init(path: String, limits: ONNXLimits) throws {
    let bytes = try FileSystem.read(path, limit: min(ModelFile.largestMessage, limits.bytes))
    try self.init(bytes: bytes, folder: FileSystem.split(path).folder, limits: limits)
  }

  package init(bytes: [UInt8], folder: String?, limits: ONNXLimits) throws {
    self.folder = folder
    self.limits = limits
    model = try ModelFile.decode(bytes)
    guard model.hasGraph else {
      throw ONNXError(
        .malformed, "the file holds no graph", hint: "is it an ONNX model (a ModelProto)?")
    }
  }

  /// The same file with another graph.
  func replacing(_ model: OnnxModelProto) -> ModelFile {
    ModelFile(model: model, folder: folder, limits: limits)
  }

  private init(model: OnnxModelProto, folder: String?, limits: ONNXLimits) {
    self.model = model
    self.folder = folder
    self.limits = limits
  }

  /// A message from its bytes, nested at most a hundred deep.
  package static func decode<M: Message>(_ bytes: [UInt8]) throws -> M {
    var options = BinaryDecodingOptions()
    options.messageDepthLimit = 100
    do {
      return try M(serializedBytes: bytes, partial: true, options: options)
    } catch {
      throw ONNXError(
        .malformed, "the bytes are no ONNX message: \(error)",
        hint: "the file may be cut short or of another format")
    }
  }

  /// Where external data lies, which its message names, as bytes of the given count.
  func externalBytes(_ tensor: OnnxTensorProto, byteCount: Int) throws -> [UInt8] {
    let name = printable(tensor.name)
    var entries: [String: String] = [:]
    for entry in tensor.externalData { entries[entry.key] = entry.value }
    func refuse(_ why: String, _ hint: String = "") -> ONNXError {
      ONNXError(.malformed, "the external data of '\(name)' \(why)", hint: hint)
    }
    guard let folder else { throw refuse("needs the folder of the model's file") }
    guard let location = entries["location"], !location.isEmpty else {
      throw refuse("names no location")
    }
    let parts = location.split(separator: "/", omittingEmptySubsequences: false)
    guard !location.hasPrefix("/"), !location.utf8.contains(0), !location.utf8.contains(92),
      !parts.contains(where: { $0 == ".." || $0.isEmpty })
    else {
      throw refuse(
        "lies at '\(printable(location))'", "it has to lie in the folder of the model")
    }
    func number(_ key: String, _ otherwise: Int) throws -> Int {
      guard let text = entries[key] else { return otherwise }
      guard let value = Int(text), value >= 0 else {
        throw refuse("has the \(key) '\(printable(text))'")
      }
      return value
    }
    let offset = try number("offset", 0)
    let length = try number("length", byteCount)
    guard length == byteCount else {
      throw refuse("has \(length) bytes, its shape and type need \(byteCount)")
    }
    let path = FileSystem.join(folder, location)
    // A symbolic link may lead out of the folder.
    guard let real = ModelFile.resolved(path), let base = ModelFile.resolved(folder),
      base == "/" || real.hasPrefix(base + "/")
    else {
      throw refuse(
        "lies at '\(printable(location))', which is not in the folder of the model",
        "the file has to be there, and not be a link to elsewhere")
    }
    let file = try InputFile(real)
    let (end, overflow) = offset.addingReportingOverflow(byteCount)
    guard !overflow, end <= file.byteCount else {
      throw refuse(
        "ends at byte \(overflow ? Int.max : end) of '\(printable(location))', which has \(file.byteCount)"
      )
    }
    return try file.read(offset..<end)
  }

  private static func resolved(_ path: String) -> String? {
    guard let text = realpath(path, nil) else { return nil }
    defer { free(text) }
    return String(cString: text)
  }
}
