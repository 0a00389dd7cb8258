import MartletOps

/// Local response normalisation: over a window of channels. https://onnx.ai/onnx/operators/onnx__LRN.html
struct LRN: Operator {
  static let name = "LRN"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    guard let size = try node.int("size"), size > 0, x.rank > 1 else {
      throw node.invalid("needs a size, and [N, C, …], got \(x.type)")
    }
    // A window of which more reaches beyond the channels than there are sees no more of them.
    let low = min((size - 1) / 2, x.shape[1])
    let high = min(size / 2, x.shape[1])
    guard low + high < 4096 else { throw node.unsupported("a window of \(size) channels") }
    var before = [Int](repeating: 0, count: x.rank)
    var after = before
    (before[1], after[1]) = (low, high)
    let padded = (x * x).padded(low: before, high: after)
    var sum = padded.sliced(0..<x.shape[1], axis: 1)
    for start in 1..<max(2, low + high + 1) where low + high > 0 {
      sum = sum + padded.sliced(start..<(start + x.shape[1]), axis: 1)
    }
    let alpha = try node.float("alpha", default: 1e-4)
    let base = sum * (alpha / Double(size)) + (try node.float("bias", default: 1))
    return [.tensor(x / pow(base, try node.float("beta", default: 0.75)))]
  }
}
