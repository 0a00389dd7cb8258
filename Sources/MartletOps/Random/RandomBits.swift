import MartletIR
import MartletLoops

/// 32 random bits for each element, as i32: a function of (seed, step), the stream and the
/// position.
///
/// Gradient: none flows.
package struct RandomBits: RandomOp {
  package var shape: [Int]
  package var stream: Int
  package var dtype: DType { .int32 }
  package init(shape: Shape, stream: Int) {
    self.shape = shape.dimensions
    self.stream = stream
  }
  package static let name = "randomBits"
  package static let distribution = RandomDistribution.bits
  package var attributes: [Attribute] {
    [Attribute("shape", .integers(shape)), Attribute("stream", .integer(stream))]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["shape", "stream"])
    shape = try attributes.integers("shape")
    stream = try attributes.integer("stream")
  }
  package static let samples: [OpSample] = drawSamples([.int32], ulp: 0) { shape, _, stream in
    RandomBits(shape: shape, stream: stream)
  }
  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try inferRandom(operands, accepting: [.int32])
  }
  package func draw(_ philox: Philox, _ position: Int) -> Double {
    Double(Int32(bitPattern: philox.word(position)))
  }
}
