// Initial values: the fast way into memory and the plain way give the same bits.

import MartletExecution
import MartletIR
import MartletNN
import Testing

@Suite struct InitializerTests {
  static let initializers: [Initializer] = [
    .zeros, .ones, .constant(0.25), .uniform(-2, 3), .normal(mean: 1, standardDeviation: 2),
    .xavierUniform, .xavierNormal, .heNormal, .heUniform, .torchUniform,
    .lecunNormal, .lecunUniform, .truncatedNormal(mean: 1, standardDeviation: 2),
    .orthogonal(gain: 1.5),
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

  /// Mean, deviation and bounds over many draws, against the distributions' own.
  @Test func momentsAreTheirs() {
    // [3, 3, 40, 60]: fan-in 360, fan-out 540.
    let type = TensorType(.float64, [3, 3, 40, 60])
    let cases: [(String, Initializer, mean: Double, deviation: Double, bound: Double)] = [
      ("uniform", .uniform(-2, 3), 0.5, 5 / 12.0.squareRoot(), 3),
      ("normal", .normal(mean: 1, standardDeviation: 2), 1, 2, .infinity),
      ("xavier uniform", .xavierUniform, 0, (2.0 / 900).squareRoot(), (6.0 / 900).squareRoot()),
      ("xavier normal", .xavierNormal, 0, (2.0 / 900).squareRoot(), .infinity),
      ("he uniform", .heUniform, 0, (2.0 / 360).squareRoot(), (6.0 / 360).squareRoot()),
      ("he normal", .heNormal, 0, (2.0 / 360).squareRoot(), .infinity),
      ("lecun uniform", .lecunUniform, 0, (1.0 / 360).squareRoot(), (3.0 / 360).squareRoot()),
      ("lecun normal", .lecunNormal, 0, (1.0 / 360).squareRoot(), .infinity),
      // A normal distribution cut at ±2 has the variance 1 − 4φ(2)/(2Φ(2)−1).
      ("truncated", .truncatedNormal(standardDeviation: 3), 0, 3 * 0.8796256610342398, 6),
    ]
    for (name, initializer, mean, deviation, bound) in cases {
      let values = initializer.values(type, seed: 3, path: name).doubles
      let count = Double(values.count)
      let found = values.reduce(0, +) / count
      let spread = (values.reduce(0) { $0 + ($1 - found) * ($1 - found) } / count).squareRoot()
      // Four deviations of the mean, and of the deviation, of 21,600 draws.
      #expect(abs(found - mean) < 4 * deviation / count.squareRoot(), "\(name): mean \(found)")
      #expect(abs(spread / deviation - 1) < 4 / (2 * count).squareRoot(), "\(name): \(spread)")
      #expect(values.allSatisfy { abs($0) <= bound }, "\(name)")
    }
  }

  @Test(arguments: [[6, 9] as Shape, [9, 6], [3, 3, 2, 5], [4, 4], [1, 7]])
  func orthogonalMatricesKeepLengths(_ shape: Shape) {
    let values = Initializer.orthogonal(gain: 2).values(
      TensorType(.float64, shape), seed: 1, path: "w"
    ).doubles
    let columns = shape[shape.rank - 1]
    let rows = values.count / columns
    let byRows = rows <= columns
    func element(_ vector: Int, _ index: Int) -> Double {
      byRows ? values[vector * columns + index] : values[index * columns + vector]
    }
    for a in 0..<min(rows, columns) {
      for b in 0...a {
        let product = (0..<max(rows, columns)).reduce(0) { $0 + element(a, $1) * element(b, $1) }
        #expect(abs(product - (a == b ? 4 : 0)) < 1e-12, "\(a) · \(b) = \(product)")
      }
    }
  }

  @Test func givenValuesAreTaken() throws {
    let array = try NDArray([1, 2, 3, 4] as [Float], shape: [2, 2])
    let type = TensorType(.float32, [2, 2])
    #expect(Initializer.values(array).values(type, seed: 0, path: "").doubles == [1, 2, 3, 4])
  }
}
