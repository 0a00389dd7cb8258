// Reads the committed results of PyTorch.

import Foundation
import MartletIR
import Testing

/// One case of `composites.txt`: operands, results, and cotangents of both.
struct FixtureCase: Sendable, CustomTestStringConvertible {
  var name: String
  var inputs: [HostArray] = []
  var outputs: [HostArray] = []
  /// Cotangents of the floating-point results; empty where no gradient is compared.
  var seeds: [HostArray] = []
  /// Cotangents of the floating-point operands.
  var gradients: [HostArray] = []
  var testDescription: String { name }
}

struct FixtureError: Error { var line: String }

func readFixtures() throws -> [FixtureCase] {
  let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Fixtures/composites.txt")
  var cases: [FixtureCase] = []
  for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
    let words = line.split(separator: " ")
    guard words[0] != "#" else { continue }
    if words[0] == "case" {
      cases.append(FixtureCase(name: String(words[1])))
      continue
    }
    guard let index = cases.indices.last, let bracket = words[1].firstIndex(of: "["),
      let dtype = DType(rawValue: String(words[1][..<bracket]))
    else { throw FixtureError(line: String(line.prefix(80))) }
    let extents = words[1][bracket...].dropFirst().dropLast().split(separator: ",")
      .compactMap { Int($0) }
    let type = TensorType(dtype, Shape(extents))
    let values = words[2...].compactMap { Double($0) }
    guard values.count == type.count else { throw FixtureError(line: String(line.prefix(80))) }
    let array = HostArray(type, values)
    switch words[0] {
    case "in": cases[index].inputs.append(array)
    case "out": cases[index].outputs.append(array)
    case "d": cases[index].seeds.append(array)
    case "g": cases[index].gradients.append(array)
    default: throw FixtureError(line: String(line.prefix(80)))
    }
  }
  return cases
}
