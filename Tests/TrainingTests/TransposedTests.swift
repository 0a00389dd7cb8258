// Transposed convolutions as layers against PyTorch: results, and gradients of inputs and parameters.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

@Suite struct TransposedTests {
  private func compare(_ layer: some Layer, _ name: String) throws {
    let fixture = try Fixture("transposed")
    try fixture.load("\(name).initial", into: layer)
    let parameters = layer.parameters
    let (x, dy) = (try fixture["\(name).x"], try fixture["\(name).dy"])
    let function = try compile(
      [TensorSpec(x.shape), TensorSpec(dy.shape)], options: testOptions()
    ) { inputs in
      let y = layer(inputs[0])
      let (_, found) = valueAndGrad((y * inputs[1]).sum(), wrt: layer)
      return [y, gradients(of: (y * inputs[1]).sum(), wrt: [inputs[0]])[0]]
        + parameters.compactMap { found[$0] }
    }
    let results = try function.run([x, dy])
    try #require(results.count == 2 + parameters.count)
    expectClose(results[0], try fixture["\(name).y"], "\(name): y")
    expectClose(results[1], try fixture["\(name).gradient.x"], "\(name): gradient of x")
    for (parameter, gradient) in zip(parameters, results.dropFirst(2)) {
      expectClose(
        gradient, try fixture["\(name).gradient.\(parameter.path)"],
        "\(name): gradient of \(parameter.path)")
    }
  }

  @Test func sequences() throws {
    try compare(
      ConvTranspose1D(4, 6, kernel: 3, stride: 2, padding: .all(1), outputPadding: 1, groups: 2),
      "1d")
  }

  @Test func images() throws {
    try compare(
      ConvTranspose2D(3, 4, kernel: 3, strides: [2], padding: .all(1), outputPadding: [1]), "2d")
  }

  @Test func volumes() throws {
    try compare(
      ConvTranspose3D(
        2, 3, kernel: 3, strides: [2], padding: .all(1), outputPadding: [1], bias: false), "3d")
  }
}
