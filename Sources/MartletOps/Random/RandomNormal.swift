import MartletIR
import MartletLoops

/// Standard normal draws by Box and Muller from pairs of uniforms: a function of (seed, step), the
/// stream and the position.
///
/// Gradient: none flows.
package struct RandomNormal: RandomFloatOp {
  package var shape: [Int]
  package var dtype: DType
  package var stream: Int
  package init(shape: Shape, dtype: DType, stream: Int) {
    self.shape = shape.dimensions
    self.dtype = dtype
    self.stream = stream
  }
  package static let name = "randomNormal"
  package static let distribution = RandomDistribution.normal
  // The angle is rounded to the dtype before its sine, which costs absolute, not relative accuracy.
  package static let samples: [OpSample] = drawSamples(
    [.float32, .float64], ulp: 64, RandomNormal.init)
  package func draw(_ philox: Philox, _ position: Int) -> Double { philox.normal(position, dtype) }
}

extension Tensor {
  /// Normal draws with this mean and standard deviation, of this tensor's shape and dtype, new at
  /// each step.
  ///
  /// A program that draws takes `seed` and `step` as inputs: equal ones give equal draws, whatever
  /// the number of threads. Gradient: none flows.
  public func randomNormalLike(
    mean: Double = 0, standardDeviation: Double = 1, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    let draw = drawn(in: trace, at: here(self, file, line)) {
      RandomNormal(shape: shape, dtype: dtype, stream: $0)
    }
    return mean == 0 && standardDeviation == 1 ? draw : draw * standardDeviation + mean
  }
}
