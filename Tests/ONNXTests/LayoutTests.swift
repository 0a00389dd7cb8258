// Channels-first models: where transposes go.

import MartletExecution
import MartletIR
import MartletNN
import MartletONNX
import MartletOps
import Testing

@Suite struct LayoutTests {
  /// conv → relu → conv over images: between them no transpose is left, and the values are those of
  /// the sums by hand.
  @Test func transposesBetweenConvolutionsVanish() throws {
    let made = try model(
      [
        node("Conv", ["x", "w", "b"], ["a"]), node("Relu", ["a"], ["r"]),
        node("Conv", ["r", "v"], ["y"]),
      ], inputs: [("x", .float, [.fixed(1), .fixed(2), .fixed(2), .fixed(3)])], outputs: ["y"],
      initializers: [
        floats("w", [2, 2, 1, 1], [1, -1, 0.5, 2]), floats("b", [2], [0, -1]),
        floats("v", [1, 2, 1, 1], [1, 10]),
      ])
    let x = (0..<12).map { Float($0) / 4 - 1 }
    let y = try #require(try made.run(["x": NDArray(x, shape: [1, 2, 2, 3])])["y"])
    let expected = (0..<6).map { i -> Float in
      let (p, q) = (x[i], x[6 + i])
      return max(0, p - q) + 10 * max(0, 0.5 * p + 2 * q - 1)
    }
    #expect(y.shape == [1, 1, 2, 3])
    #expect(zip(y.floats, expected).allSatisfy { abs($0 - $1) < 1e-6 })
    let graph = try #require(try made.compile().session?.program.graph)
    #expect(graph.nodes.filter { $0.op.name == "transpose" }.count <= 1)
  }
}
