// Reads what scripts/make-training-fixtures.py wrote with PyTorch, and compares with it.

import Foundation
import MartletExecution
import MartletIR
import MartletNN
import Testing

/// The arrays of one fixture file by name.
struct Fixture {
  private let arrays: [String: NDArray]

  init(_ name: String) throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Fixtures/\(name).safetensors")
    arrays = Dictionary(
      try Safetensors.load(file.path).map { ($0.name, $0.array) }, uniquingKeysWith: { a, _ in a })
  }

  subscript(name: String) -> NDArray {
    get throws { try #require(arrays[name], "the fixture has no array \(name)") }
  }

  /// Element `index` of the first axis.
  func row(_ name: String, _ index: Int) throws -> NDArray {
    let array = try self[name]
    let extents = Array(array.shape.dimensions.dropFirst())
    return try array.rows(index..<(index + 1)).reshaped(Shape(extents))
  }

  /// Gives every parameter of a model its value `prefix.path`.
  func load(_ prefix: String, into model: some Layer) throws {
    for parameter in model.parameters { try parameter.set(try self["\(prefix).\(parameter.path)"]) }
  }
}

/// Expects |actual − expected| ≤ absolute + relative · |expected| for every element.
func expectClose(
  _ actual: NDArray, _ expected: NDArray, relative: Double = 1e-4, absolute: Double = 1e-5,
  _ what: String, sourceLocation: Testing.SourceLocation = #_sourceLocation
) {
  guard actual.type == expected.type else {
    Issue.record(
      "\(what): \(actual.type), expected \(expected.type)", sourceLocation: sourceLocation)
    return
  }
  let (x, y) = (actual.doubles, expected.doubles)
  // Written so that a NaN is far.
  let far = x.indices.filter { !(abs(x[$0] - y[$0]) <= absolute + relative * abs(y[$0])) }
  guard let worst = far.max(by: { abs(x[$0] - y[$0]) < abs(x[$1] - y[$1]) }) else { return }
  Issue.record(
    "\(what): \(far.count) of \(x.count) differ, element \(worst) is \(x[worst]), expected \(y[worst])",
    sourceLocation: sourceLocation)
}
