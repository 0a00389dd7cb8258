// Directional derivatives of a network against PyTorch's, and what they cost.

import MartletExecution
import MartletIR
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

private func network(_ x: Tensor, _ p: [Tensor]) -> Tensor {
  matmul(gelu(tanh(matmul(x, p[0]) + p[1])), p[2]) + p[3]
}

private func loss(_ x: Tensor, _ y: Tensor, _ p: [Tensor]) -> Tensor {
  softmaxCrossEntropy(logits: network(x, p), labels: y) + (p[0] * p[0]).sum() * 0.1
}

private let shapes: [Shape] = [[5, 7], [7], [7, 3], [3]]
private let specs =
  [TensorSpec([6, 5], .float64), TensorSpec([6], .int32)]
  + (shapes + shapes).map { TensorSpec($0, .float64) }

private func function(_ body: @escaping ([Tensor]) -> [Tensor]) throws -> Function {
  try Function(specs: specs, options: try testOptions(), isTraining: false) { _, inputs in
    body(inputs).enumerated().map { (name: "\($0.offset)", tensor: $0.element) }
  }
}

@Test func curvatureFollowsPyTorch() throws {
  let fixture = try Fixture("curvature")
  let inputs = try ["x", "y"].map { try fixture[$0] }
  let weights = try (0..<4).map { try fixture["w\($0)"] }
  let vectors = try (0..<4).map { try fixture["v\($0)"] }
  let f = try function { t in
    let (p, v) = (Array(t[2..<6]), Array(t[6..<10]))
    let value = loss(t[0], t[1], p)
    return hessianVectorProduct(of: value, wrt: p, v)
      + jvp(of: [network(t[0], p)], wrt: p, tangents: v) + [hessian(of: value, wrt: p[3])]
  }
  let found = try f.run(inputs + weights + vectors)
  for index in 0..<4 {
    expectClose(
      found[index], try fixture["hvp\(index)"], relative: 1e-11, absolute: 1e-12, "hvp \(index)")
  }
  expectClose(found[4], try fixture["jvp"], relative: 1e-12, absolute: 1e-13, "jvp")
  expectClose(found[5], try fixture["hessian"], relative: 1e-11, absolute: 1e-12, "hessian")
}

/// Forward over reverse: against one gradient, twice the products and a little over.
@Test func curvatureCostsTwoGradients() throws {
  func count(_ f: Function, _ op: String) -> Int {
    f.program.graph.nodes.count { $0.op.name == op }
  }
  let gradient = try function { t in
    gradients(of: loss(t[0], t[1], Array(t[2..<6])), wrt: Array(t[2..<6]))
  }
  let product = try function { t in
    hessianVectorProduct(
      of: loss(t[0], t[1], Array(t[2..<6])), wrt: Array(t[2..<6]), Array(t[6..<10]))
  }
  #expect(count(gradient, "dot") == 5)
  #expect(count(product, "dot") <= 3 * count(gradient, "dot"))
  #expect(product.program.graph.nodes.count <= 3 * gradient.program.graph.nodes.count)
}
