// The counter-based generator behind all draws, and what the random operations share.

import MartletIR
import MartletLoops

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four
/// 32-bit words as a function of (seed, step, stream, block). The runtime draws the same words.
package struct Philox: Sendable {
  private let key: (UInt32, UInt32)
  private let step: UInt64
  private let stream: UInt32

  package init(seed: Int64, step: Int64, stream: Int) {
    let bits = UInt64(bitPattern: seed)
    key = (UInt32(truncatingIfNeeded: bits), UInt32(truncatingIfNeeded: bits >> 32))
    self.step = UInt64(bitPattern: step)
    self.stream = UInt32(truncatingIfNeeded: stream)
  }

  /// The 32-bit word at a position of the stream.
  package func word(_ position: Int) -> UInt32 {
    let block = UInt64(truncatingIfNeeded: position >> 2)
    let counter = SIMD4<UInt32>(
      UInt32(truncatingIfNeeded: block), stream, UInt32(truncatingIfNeeded: step),
      UInt32(truncatingIfNeeded: step >> 32) ^ UInt32(truncatingIfNeeded: block >> 32))
    return Philox.block(key: key, counter: counter)[position & 3]
  }

  package static func block(key: (UInt32, UInt32), counter: SIMD4<UInt32>) -> SIMD4<UInt32> {
    var (x, k) = (counter, key)
    for _ in 0..<10 {
      let a = x[0].multipliedFullWidth(by: 0xD251_1F53)
      let b = x[2].multipliedFullWidth(by: 0xCD9E_8D57)
      x = SIMD4(b.high ^ x[1] ^ k.0, b.low, a.high ^ x[3] ^ k.1, a.low)
      k = (k.0 &+ 0x9E37_79B9, k.1 &+ 0xBB67_AE85)
    }
    return x
  }

  /// A uniform draw in [0, 1): 24 bits of one word for f32, 53 bits of two words for f64.
  package func uniform(_ position: Int, _ dtype: DType) -> Double {
    if dtype == .float64 {
      let high = Double(word(2 &* position) >> 5)
      let low = Double(word(2 &* position &+ 1) >> 6)
      return (high * 67_108_864 + low) * 0x1p-53
    }
    return Double(word(position) >> 8) * 0x1p-24
  }

  /// A standard normal draw by Box and Muller, from the uniforms of a pair of positions.
  package func normal(_ position: Int, _ dtype: DType) -> Double {
    let even = position & ~1
    let u = 1 - uniform(even, dtype)
    let angle = 2 * Double.pi * uniform(even | 1, dtype)
    let radius = (-2 * LibM.log(u)).squareRoot()
    return radius * (position == even ? LibM.cos(angle) : LibM.sin(angle))
  }
}

/// What the random operations share: a shape and a stream as attributes, (seed, step) as operands.
package protocol RandomOp: Op {
  var shape: [Int] { get }
  var dtype: DType { get }
  var stream: Int { get }
  static var distribution: RandomDistribution { get }
  /// The oracle at a flat position of the result.
  func draw(_ philox: Philox, _ position: Int) -> Double
}

extension RandomOp {
  /// Throws unless the dtype is one of `accepted` and the operands are (seed, step).
  package func inferRandom(
    _ operands: [TensorType], accepting accepted: [DType]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 2)
    for (operand, role) in zip(operands, ["seed", "step"])
    where operand != TensorType(.int64, []) {
      throw TypeError(op: name, "the \(role) must be i64[], got \(operand)")
    }
    guard accepted.contains(dtype) else {
      throw TypeError(
        op: name, "draws \(accepted.map(\.description).joined(separator: " or ")), not \(dtype)")
    }
    guard UInt32(exactly: stream) != nil else {
      throw TypeError(op: name, "the stream \(stream) does not fit 32 bits")
    }
    return [TensorType(dtype, Shape(shape))]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let type = try infer(inputs.map(\.type), [])[0]
    let philox = Philox(
      seed: inputs[0].integers[0], step: inputs[1].integers[0], stream: stream)
    return [HostArray(type, (0..<type.count).map { draw(philox, $0) })]
  }

  package var lowering: Lowering { .random(Self.distribution, stream: stream) }
  // A draw does not depend smoothly on anything.
  package var gradient: Gradient { .rule { _ in [nil, nil] } }

  package static func drawSamples(
    _ dtypes: [DType], ulp: Double, _ make: (Shape, DType, Int) -> any Op
  ) -> [OpSample] {
    let key = TensorType(.int64, [])
    return dtypes.flatMap { dtype in
      ([[], [0], [1], [7], [3, 5], [2, 130]] as [Shape]).enumerated().map { stream, shape in
        OpSample(
          make(shape, dtype, stream), [key, key], [-1e6...1e6, 0...1000], isSmooth: false, ulp: ulp)
      }
    }
  }
}

/// Records a draw with the trace's (seed, step) on a stream of its own.
package func drawn(
  in trace: Trace, at place: SourceLocation? = nil, _ make: (Int) -> any Op
) -> Tensor {
  let (seed, step) = trace.randomKey()
  return record(make(trace.nextStream()), seed, step, at: place)
}

/// Draws of a floating-point dtype: the same attributes and type rule.
package protocol RandomFloatOp: RandomOp {
  init(shape: Shape, dtype: DType, stream: Int)
}

extension RandomFloatOp {
  package var attributes: [Attribute] {
    [
      Attribute("shape", .integers(shape)), Attribute("dtype", .dtype(dtype)),
      Attribute("stream", .integer(stream)),
    ]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["shape", "dtype", "stream"])
    self.init(
      shape: Shape(try attributes.integers("shape")), dtype: try attributes.dtype("dtype"),
      stream: try attributes.integer("stream"))
  }
  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try inferRandom(operands, accepting: [.float32, .float64])
  }
}
