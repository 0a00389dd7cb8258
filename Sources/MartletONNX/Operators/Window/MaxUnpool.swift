import MartletIR
import MartletOps

/// Elements at the places that a max pool took them from, zeros elsewhere.
/// https://onnx.ai/onnx/operators/onnx__MaxUnpool.html
struct MaxUnpool: Operator {
  static let name = "MaxUnpool"
  static let since = 9

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let (x, places) = (try node.tensor(0), try node.tensor(1))
    let spatial = x.rank - 2
    guard spatial > 0, x.count > 0, places.shape == x.shape, places.dtype.isInteger,
      let kernel = try node.ints("kernel_shape"), kernel.count == spatial
    else { throw node.invalid("indices \(places.type) for \(x.type)") }
    let strides = try node.ints("strides") ?? [Int](repeating: 1, count: spatial)
    let pads = try node.ints("pads") ?? [Int](repeating: 0, count: 2 * spatial)
    guard strides.count == spatial, pads.count == 2 * spatial,
      (kernel + strides + pads).allSatisfy({ (0...(1 << 31)).contains($0) })
    else { throw node.invalid("strides \(strides) and pads \(pads) for \(x.type)") }
    // The indices are those of the smallest result that fits; a larger one has zeros at its ends.
    let fitting = (0..<spatial).map {
      (x.shape[$0 + 2] - 1) * strides[$0] - pads[$0] - pads[$0 + spatial] + kernel[$0]
    }
    guard fitting.allSatisfy({ $0 >= 0 }) else { throw node.invalid("pads \(pads)") }
    let shape = try node.checked([x.shape[0], x.shape[1]] + fitting)
    try node.checkSize(TensorType(x.dtype, shape))
    let zeros = node.scalar(0, x.dtype).broadcasted(to: [shape.count])
    let flat = places.reshaped([x.count]).clipped(low: 0, high: Double(max(0, shape.count - 1)))
    // Windows that overlap may name one place more than once, with equal elements: their mean.
    let sum = scatterAdd(zeros, flat, x.reshaped([x.count]))
    let counts = scatterAdd(zeros, flat, x.reshaped([x.count]).filled(1))
    var y = (sum / maximum(counts, 1)).reshaped(shape)
    if let wanted = try node.optionalIntegers(2), wanted != shape.dimensions {
      guard wanted.count == x.rank, zip(wanted, shape.dimensions).allSatisfy({ $0 >= $1 }) else {
        throw node.invalid("the output shape \(wanted) for \(shape)")
      }
      try node.checkSize(TensorType(x.dtype, try node.checked(wanted)))
      y = y.padded(
        low: wanted.map { _ in 0 }, high: zip(wanted, shape.dimensions).map { $0 - $1 })
    }
    return [.tensor(y)]
  }
}
