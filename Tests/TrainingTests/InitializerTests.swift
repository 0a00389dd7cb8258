// Initial values: the fast way into memory and the plain way give the same bits.

import MartletExecution
import MartletIR
import MartletNN
import Testing

@Suite struct InitializerTests {
  static let initializers: [Initializer] = [
    .zeros, .ones, .constant(0.25), .uniform(-2, 3), .normal(mean: 1, standardDeviation: 2),
    .xavierUniform, .xavierNormal, .heNormal, .heUniform, .torchUniform,
  ]

  @Test(arguments: Self.initializers.indices, [DType.float32, .float64])
  func writesWhatItDescribes(_ index: Int, _ dtype: DType) throws {
    let initializer = InitializerTests.initializers[index]
    let type = TensorType(dtype, [5, 7, 3])
    let expected = initializer.values(type, seed: 42, path: "hidden.weight")
    var written = try NDArray(zeros: type.shape, dtype)
    try written.withUnsafeMutableBytes {
      initializer.write(to: $0, type, seed: 42, path: "hidden.weight")
    }
    #expect(written.doubles == expected.doubles)
  }

  @Test func dependsOnSeedAndPath() {
    let type = TensorType(.float32, [64])
    let values = { Initializer.heNormal.values(type, seed: $0, path: $1).doubles }
    #expect(values(1, "a") == values(1, "a"))
    #expect(values(1, "a") != values(2, "a"))
    #expect(values(1, "a") != values(1, "b"))
  }
}
