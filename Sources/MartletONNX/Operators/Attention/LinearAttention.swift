import MartletIR
import MartletOps

/// Attention as a recurrence over a state of keys times values, with decay and the delta rule.
/// https://onnx.ai/onnx/operators/onnx__LinearAttention.html
struct LinearAttention: Operator {
  static let name = "LinearAttention"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let rule = try node.string("update_rule", default: "gated_delta")
    guard ["linear", "gated", "delta", "gated_delta"].contains(rule) else {
      throw node.invalid("the update rule '\(printable(rule))'")
    }
    let (decays, corrects) = (rule.hasPrefix("gated"), rule.hasSuffix("delta"))
    guard node.has(4) == decays, node.has(5) == corrects else {
      throw node.invalid("the rule \(rule) with these inputs of decay and beta")
    }
    let heads = try node.int("q_num_heads", default: 0)
    let groups = try node.int("kv_num_heads", default: 0)
    guard groups > 0, heads > 0, heads % groups == 0 else {
      throw node.invalid("\(heads) heads of queries for \(groups) of keys")
    }
    let query = try node.tensor(0)
    // [T, B, H, D]: time leads in a loop. Sums are taken in f32 at least.
    let wide: DType = query.dtype.byteCount < 4 ? .float32 : query.dtype
    func steps(_ index: Int, _ heads: Int) throws -> Tensor {
      try node.splitHeads(node.tensor(index), heads).transposed([2, 0, 1, 3]).converted(to: wide)
    }
    let (q, k, v) = (try steps(0, heads), try steps(1, groups), try steps(2, groups))
    let (length, batch, keys, values) = (q.shape[0], q.shape[1], q.shape[3], v.shape[3])
    guard k.shape == [length, batch, groups, keys], v.shape[0] == length, v.shape[1] == batch,
      length > 0
    else { throw node.invalid("keys \(k.type) and values \(v.type) for queries \(q.type)") }
    var sequences = [q, k, v]
    if decays { sequences.append(exp(try steps(4, groups))) }
    if corrects {
      let beta = try node.tensor(5)
      sequences.append(try steps(5, beta.rank == 3 && beta.shape[2] == 1 ? 1 : groups))
    }
    guard sequences.allSatisfy({ $0.shape[0] == length && $0.shape[1] == batch }),
      !decays || [1, keys].contains(sequences[3].shape[3])
    else { throw node.invalid("decay or beta does not fit the queries \(q.type)") }
    let before = try node.optionalTensor(3)
    let stateShape: Shape = [batch, groups, keys, values]
    if let before, before.shape != stateShape {
      throw node.invalid("the past state is \(before.type), not \(stateShape)")
    }
    let initial =
      before?.converted(to: wide)
      ?? node.literal(HostArray(splat: 0, TensorType(wide, stateShape)))
    var scale = try node.float("scale", default: 0)
    if scale == 0 { scale = 1 / Double(max(1, keys)).squareRoot() }

    let (last, outputs) = try node.steps(over: sequences, carrying: [initial]) { carry, now in
      var state = carry[0]
      let key = now[1].reshaped([batch, groups, keys, 1])
      var value = now[2].reshaped([batch, groups, 1, values])
      if decays {
        let decay = now[3]
        state = state * decay.reshaped([batch, groups, decay.shape[2], 1])
      }
      if corrects {
        let beta = now[now.count - 1]
        let held = (state * key).sum(axes: [2], keepDims: true)
        value = beta.reshaped([batch, beta.shape[1], 1, 1]) * (value - held)
      }
      state = state + key * value
      // Heads / groups queries read one state.
      let queries = now[0].reshaped([batch, groups, heads / groups, keys])
      return ([state], [matmul(queries, state) * scale])
    }
    let y = outputs[0].reshaped([length, batch, heads * values]).transposed([1, 0, 2])
    return [
      .tensor(y.converted(to: query.dtype)),
      .tensor(last[0].converted(to: before?.dtype ?? query.dtype)),
    ]
  }
}
