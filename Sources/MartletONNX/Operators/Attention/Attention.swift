import MartletIR
import MartletOps

/// Scaled dot-product attention with masks, windows and a cache of keys and values.
/// https://onnx.ai/onnx/operators/onnx__Attention.html
struct Attention: Operator {
  static let name = "Attention"
  static let since = 23

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    var (q, k, v) = (try node.tensor(0), try node.tensor(1), try node.tensor(2))
    let isFlat = q.rank == 3
    if isFlat {
      guard let heads = try node.int("q_num_heads"), let groups = try node.int("kv_num_heads")
      else { throw node.invalid("inputs of three axes need q_num_heads and kv_num_heads") }
      q = try node.splitHeads(q, heads)
      k = try node.splitHeads(k, groups)
      v = try node.splitHeads(v, groups)
    }
    let (pastKey, pastValue) = (try node.optionalTensor(4), try node.optionalTensor(5))
    guard (pastKey == nil) == (pastValue == nil), pastKey == nil || !node.has(6) else {
      throw node.invalid("past keys and values come together, and without nonpad_kv_seqlen")
    }
    var past = 0
    if let pastKey, let pastValue {
      guard pastKey.rank == 4, pastValue.rank == 4 else {
        throw node.invalid("a cache of \(pastKey.type) and \(pastValue.type)")
      }
      past = pastKey.shape[2]
      k = concatenate([pastKey, k], axis: 2)
      v = concatenate([pastValue, v], axis: 2)
    }
    try node.checkHeads(q, k, v)
    func flattened(_ y: Tensor) -> Tensor {
      guard isFlat else { return y }
      return y.transposed([0, 2, 1, 3])
        .reshaped([y.shape[0], y.shape[2], y.shape[1] * y.shape[3]])
    }
    if let y = try fused(node, q, k, v, past: past) {
      return [.tensor(flattened(y)), .tensor(k), .tensor(v)]
    }
    let bias = try bias(node, q, k, past: past)

    let scale = try node.scoreScale(q)
    let products = node.scores(q * scale, k * scale)
    var capped = products
    if let cap = try node.float("softcap"), cap > 0 { capped = tanh(products / cap) * cap }
    let biased = bias.map { capped + $0 } ?? capped
    let precision = try node.elementType(attribute: "softmax_precision")?.carrier ?? q.dtype
    guard precision.isFloatingPoint else { throw node.invalid("softmax_precision is no float") }
    var weights = softmaxOfMasked(biased.converted(to: precision), isMasked: bias != nil)
    if let bias {
      // Queries that may look at nothing give zeros.
      let largest = bias.max(axes: [bias.rank - 1], keepDims: true)
      weights = select(
        (largest .== -Double.infinity).broadcasted(to: weights.shape), 0, weights)
    }
    weights = weights.converted(to: q.dtype)
    let y = flattened(node.weighted(weights, v))
    let mode = try node.int("qk_matmul_output_mode", default: 0)
    guard (0...3).contains(mode) else { throw node.invalid("qk_matmul_output_mode is \(mode)") }
    return [
      .tensor(y), .tensor(k), .tensor(v), .tensor([products, capped, biased, weights][mode]),
    ]
  }

  /// The one kernel, where it computes what the node says. Narrow floats keep to the specification, by
  /// which every product and sum is rounded.
  private static func fused(
    _ node: NodeContext, _ q: Tensor, _ k: Tensor, _ v: Tensor, past: Int
  ) throws -> Tensor? {
    let keys = k.shape[2]
    guard q.dtype.byteCount >= 4, k.shape == v.shape, q.shape[2] > 0, keys > 0, q.count > 0,
      !node.wants(output: 3), try node.float("softcap", default: 0) <= 0,
      try node.int("left_window_size", default: -1) == -1,
      try node.int("right_window_size", default: -1) == -1
    else { return nil }
    let mask = try node.optionalTensor(3)
    if let mask {
      guard mask.rank > 0, mask.rank <= 4, mask.shape.dimensions.last == keys,
        mask.dtype == .bool || mask.dtype == q.dtype
      else { return nil }
    }
    var causality = AttentionCausality.none
    if try node.bool("is_causal") {
      let endsTogether = keys == past + q.shape[2]
      guard node.has(6) || past == 0 || endsTogether else { return nil }
      causality = node.has(6) || past > 0 ? .toEnd : .fromStart
    }
    return scaledDotProductAttention(
      q, k, v, mask: mask, keyLengths: try node.optionalTensor(6)?.converted(to: .int32),
      causality: causality, scale: try node.float("scale"))
  }

  /// A softmax over the last axis whose rows may be −∞ everywhere.
  private static func softmaxOfMasked(_ x: Tensor, isMasked: Bool) -> Tensor {
    guard isMasked else { return softmax(x, axis: -1) }
    let last = [x.rank - 1]
    let largest = stopGradient(x.max(axes: last, keepDims: true))
    let powers = exp(x - select(largest .== -Double.infinity, 0, largest))
    let sum = powers.sum(axes: last, keepDims: true)
    return powers / select(sum .== 0, 1, sum)
  }

  /// What is added to the scores: 0 or a mask's number where a query sees a key, −∞ where it does not.
  private static func bias(_ node: NodeContext, _ q: Tensor, _ k: Tensor, past: Int) throws
    -> Tensor?
  {
    let (batch, queries, keys) = (q.shape[0], q.shape[2], k.shape[2])
    let dtype = q.dtype
    var sum: Tensor?
    func add(_ x: Tensor) { sum = sum.map { $0 + x } ?? x }
    func add(allowed: Tensor) {
      add(select(allowed, allowed.converted(to: dtype).filled(0), -Double.infinity))
    }
    if var mask = try node.optionalTensor(3) {
      guard mask.rank > 0, let length = mask.shape.dimensions.last, length <= keys else {
        throw node.invalid("a mask of \(mask.type) for \(keys) keys")
      }
      if mask.dtype == .bool {
        mask = select(mask, mask.converted(to: dtype).filled(0), -Double.infinity)
      }
      // Keys beyond the mask are not seen. One column stands for all keys only where it is the mask.
      if length < keys {
        let none = [Int](repeating: 0, count: mask.rank)
        mask = mask.padded(
          low: none, high: none.dropLast() + [keys - length], with: -.infinity)
      }
      guard
        broadcastShapes(mask.shape, [batch, q.shape[1], queries, keys])
          == [batch, q.shape[1], queries, keys]
      else { throw node.invalid("a mask of \(mask.type) for \(q.type) and \(k.type)") }
      add(mask.rank == 1 ? mask.reshaped([1, keys]).broadcasted(to: [queries, keys]) : mask)
    }
    // Places of queries count from the first key.
    var lengths: Tensor?
    if let given = try node.optionalTensor(6) {
      guard given.shape == [batch] else { throw node.invalid("nonpad_kv_seqlen is \(given.type)") }
      lengths = given.converted(to: .int64).reshaped([batch, 1, 1, 1])
    }
    let column = node.trace.iota(TensorType(.int64, [queries, keys]), axis: 1)
    var row = node.trace.iota(TensorType(.int64, [queries, keys]), axis: 0)
    if let lengths { row = row + (lengths - Double(queries)) } else { row = row + Double(past) }
    let left = try node.int("left_window_size", default: -1)
    let right = try node.int("right_window_size", default: -1)
    guard left >= -1, right >= -1, left < 1 << 40, right < 1 << 40 else {
      throw node.invalid("a window from \(left) to \(right)")
    }
    if try node.bool("is_causal") { add(allowed: column .<= row) }
    if left >= 0 { add(allowed: row - column .<= Double(left)) }
    if right >= 0 { add(allowed: column - row .<= Double(right)) }
    if let lengths {
      add(allowed: node.trace.iota(TensorType(.int64, [1, 1, 1, keys]), axis: 3) .< lengths)
    }
    return sum
  }
}
