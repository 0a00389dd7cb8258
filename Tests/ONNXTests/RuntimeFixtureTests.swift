// Operators against ONNX Runtime: variants that the ONNX project's node tests leave out
// (scripts/make-onnx-fixtures.py).

import Foundation
import MartletExecution
import MartletONNX
import MartletONNXFormat
import Testing

@Suite struct RuntimeFixtureTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Fixtures/runtime").path
  static let tests = ConformanceTest.all(in: folder)

  @Test func fixturesAreThere() {
    #expect(RuntimeFixtureTests.tests.count >= 70)
  }

  @Test(arguments: RuntimeFixtureTests.tests.map(\.name))
  func equalsRuntime(_ name: String) throws {
    let test = ConformanceTest(name: name, path: "\(RuntimeFixtureTests.folder)/\(name)")
    let (_, outcome) = test.run(limits: ONNXLimits(), options: try CompileOptions())
    #expect(outcome == .passed)
  }

  /// Derivatives by names of the graph: y = (a + b) · a at a = 2, b = 3.
  @Test func gradientOfNamedValues() throws {
    var gradient = node("Gradient", ["a", "b"], ["da", "db"], name: "gradient")
    gradient.domain = "ai.onnx.preview.training"
    var (xs, y) = (OnnxAttributeProto(), OnnxAttributeProto())
    xs.name = "xs"
    xs.type = .strings
    xs.strings = [Data("a".utf8), Data("b".utf8)]
    y.name = "y"
    y.type = .string
    y.s = Data("y".utf8)
    gradient.attribute = [xs, y]
    let made = try model(
      [node("Add", ["a", "b"], ["sum"]), node("Mul", ["sum", "a"], ["y"]), gradient],
      inputs: [("a", .float, []), ("b", .float, [])], outputs: ["y", "da", "db"])
    let outputs = try made.run([
      "a": try NDArray(scalar: Float(2)), "b": try NDArray(scalar: Float(3)),
    ])
    #expect(outputs["y"]?.floats == [10])
    #expect(outputs["da"]?.floats == [7])
    #expect(outputs["db"]?.floats == [2])
  }
}
