// Imported models as layers that train.

import MartletExecution
import MartletIR
import MartletNN
import MartletONNX
import MartletOps
import Testing

@Suite struct ONNXLayerTests {
  /// One step of SGD on an imported product is the step by hand.
  @Test func importedModelsTrain() throws {
    let made = try model(
      [node("MatMul", ["x", "w"], ["p"]), node("Add", ["p", "b"], ["y"])],
      inputs: [("x", .float, [.symbolic("n"), .fixed(2)])], outputs: ["y"],
      initializers: [floats("w", [2, 2], [1, 2, 3, 4]), floats("b", [2], [0.5, -0.5])])
    let layer = try made.layer()
    #expect(layer.weights.map(\.path) == ["w", "b"])
    let step = try compile(
      training: layer, with: SGD(learningRate: 0.1), TensorSpec([1, 2]), TensorSpec([1, 2])
    ) { x, t in ((layer(x) - t) * (layer(x) - t)).sum() }
    let loss = try step(
      NDArray([[1, 2]] as [[Float]]), NDArray([[7, 9]] as [[Float]]))
    // y = [7.5, 9.5], so the residual is ½ twice, and the gradient of w is [1, 2]ᵀ · [1, 1].
    #expect(abs(try loss.item() - 0.5) < 1e-6)
    let w = try layer.weights[0].value().floats
    let expected: [Float] = [0.9, 1.9, 2.8, 3.8]
    #expect(zip(w, expected).allSatisfy { abs($0 - $1) < 1e-6 }, "\(w)")
    let frozen = try made.layer(trains: { $0 != "w" })
    #expect(frozen.weights.map(\.path) == ["b"])
  }
}
