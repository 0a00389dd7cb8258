import MartletIR
import MartletLoops

/// Uniform draws in [0, 1), all multiples of 2⁻²⁴ (f32) or 2⁻⁵³ (f64): a function of (seed, step),
/// the stream and the position.
///
/// Gradient: none flows.
package struct RandomUniform: RandomFloatOp {
  package var shape: [Int]
  package var dtype: DType
  package var stream: Int
  package init(shape: Shape, dtype: DType, stream: Int) {
    self.shape = shape.dimensions
    self.dtype = dtype
    self.stream = stream
  }
  package static let name = "randomUniform"
  package static let distribution = RandomDistribution.uniform
  package static let samples: [OpSample] = drawSamples(
    [.float32, .float64], ulp: 0, RandomUniform.init)
  package func draw(_ philox: Philox, _ position: Int) -> Double { philox.uniform(position, dtype) }
}

extension Trace {
  /// Uniform draws in [0, 1); each call has a stream of its own.
  package func randomUniform(
    _ shape: Shape, _ dtype: DType, at place: SourceLocation? = nil
  ) -> Tensor {
    drawn(in: self, at: place) { RandomUniform(shape: shape, dtype: dtype, stream: $0) }
  }
}

extension Tensor {
  /// Uniform draws in `low..<high` of this tensor's shape and dtype, new at each step.
  ///
  /// A program that draws takes `seed` and `step` as inputs: equal ones give equal draws, whatever
  /// the number of threads. Gradient: none flows.
  public func randomUniformLike(
    low: Double = 0, high: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let u = trace.randomUniform(shape, dtype, at: here(self, file, line))
    return low == 0 && high == 1 ? u : u * (high - low) + low
  }

  /// True with probability `probability` for each element, independently, new at each step.
  ///
  /// The result is bool of this tensor's shape: `uniform < probability`. Gradient: none flows.
  public func bernoulliLike(
    probability: Double, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let place = here(self, file, line)
    guard (0...1).contains(probability) else {
      return refuse(
        "bernoulli", "the probability \(probability) is not in 0...1", self, at: place,
        type: TensorType(.bool, shape))
    }
    let drawType = dtype.isFloatingPoint ? dtype : .float32
    return trace.randomUniform(shape, drawType, at: place) .< probability
  }
}
