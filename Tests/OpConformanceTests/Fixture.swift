// Reads the committed NumPy fixtures; scripts/make-op-fixtures.py describes the format.

import Foundation
import MartletIR
import MartletOps

/// One operation applied to given operands, with NumPy's results.
struct Fixture: Sendable {
  var op: any Op
  var inputs: [HostArray] = []
  var outputs: [HostArray] = []
  var ulp = 0.0
  var isScaled = false

  struct SyntaxError: Error, CustomStringConvertible {
    var description: String
  }

  static func load(_ name: String) throws -> [Fixture] {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")
    let text = try String(contentsOf: folder.appending(path: "\(name).txt"), encoding: .utf8)
    var fixtures: [Fixture] = []
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words[0] == "op" {
        fixtures.append(Fixture(op: try operation(words)))
        continue
      }
      guard var fixture = fixtures.popLast() else { throw SyntaxError(description: "\(line)") }
      switch words[0] {
      case "ulp":
        fixture.ulp = Double(words[1]) ?? 0
        fixture.isScaled = words.count > 2
      case "in": fixture.inputs.append(try array(words[1], words[2...]))
      case "out": fixture.outputs.append(try array(words[1], words[2...]))
      default: throw SyntaxError(description: "\(line)")
      }
      fixtures.append(fixture)
    }
    return fixtures
  }

  private static func operation(_ words: [Substring]) throws -> any Op {
    let name = String(words[1])
    let attributes = try words[2...].map { word in
      let parts = word.split(separator: "=", maxSplits: 1)
      return Attribute(String(parts[0]), try value(parts[1]))
    }
    guard
      let op = try Registry.make(name, AttributeReader(op: name, attributes)) as? any Op
    else { throw SyntaxError(description: "no operation \(name)") }
    return op
  }

  private static func value(_ text: Substring) throws -> AttributeValue {
    if text.hasPrefix("\"") { return .string(String(text.dropFirst().dropLast())) }
    if text.hasPrefix("[") {
      return .integers(text.dropFirst().dropLast().split(separator: ",").compactMap { Int($0) })
    }
    if let integer = Int(text) { return .integer(integer) }
    if let number = Double(text) { return .float(number) }
    if let flag = Bool(String(text)) { return .bool(flag) }
    if let dtype = DType(rawValue: String(text)) { return .dtype(dtype) }
    let parts = text.split(separator: ":")
    guard parts.count == 2 else { throw SyntaxError(description: "attribute \(text)") }
    return .array(try array(parts[0], parts[1].split(separator: ";")[...]))
  }

  /// `f32[2,3]` and its elements.
  private static func array(
    _ type: Substring, _ elements: ArraySlice<Substring>
  ) throws -> HostArray {
    let parts = type.dropLast().split(separator: "[", omittingEmptySubsequences: false)
    guard parts.count == 2, let dtype = DType(rawValue: String(parts[0])) else {
      throw SyntaxError(description: "type \(type)")
    }
    let shape = Shape(parts[1].split(separator: ",").compactMap { Int($0) })
    guard shape.count == elements.count else {
      throw SyntaxError(description: "\(type) with \(elements.count) elements")
    }
    let full = TensorType(dtype, shape)
    if dtype.isFloatingPoint { return HostArray(full, elements.compactMap { Double($0) }) }
    return HostArray(full, elements.compactMap { Int64($0) })
  }
}
