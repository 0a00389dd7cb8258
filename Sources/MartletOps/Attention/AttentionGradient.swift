import MartletIR
import MartletLoops

/// The cotangents of queries, keys and values (of a packed operand in one) from the operands of
/// attention, then the cotangent of its result, its log-sum-exp and `delta = Σ do · o` `[B, H, T]`.
///
///     p = exp(scale q kᵀ + mask − lse)     ds = scale p (do vᵀ − delta)
///     dv = pᵀ do       dq = ds k       dk = dsᵀ q
///
/// One kernel, which computes the weights again tile by tile. Its own gradient is that of this
/// formula in ordinary operations, and holds T · S elements.
package struct AttentionGradient: Op {
  package var geometry: AttentionGeometry
  package init(_ geometry: AttentionGeometry) { self.geometry = geometry }
  package static let name = "attentionGradient"
  package var attributes: [Attribute] { geometry.attributes }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    geometry = try AttentionGeometry(attributes)
  }

  package static let samples: [OpSample] = ([.float32, .float64] as [DType]).flatMap { dtype in
    Attention.cases.compactMap { item -> OpSample? in
      let (types, ranges) = Attention.types(item.operands, dtype)
      guard let results = try? Attention(item.geometry).infer(types, []) else { return nil }
      return OpSample(
        AttentionGradient(item.geometry), types + [results[0], results[1], results[1]],
        // A log-sum-exp that keeps the weights near 1.
        ranges + [-2...2, 1...3, -1...1], ulp: 64)
    }
  }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    let count = geometry.operandCount
    try expectOperands(operands, count + 3)
    let results = try Attention(geometry).infer(Array(operands.prefix(count)), [])
    guard operands[count] == results[0], operands[count + 1] == results[1],
      operands[count + 2] == results[1]
    else {
      throw TypeError(
        op: name,
        "takes the cotangent \(results[0]) and two statistics \(results[1]), got "
          + operands[count...].map(\.description).joined(separator: ", "))
    }
    return Array(operands.prefix(geometry.layout.operandCount))
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let types = try infer(inputs.map(\.type), [])
    let e = try geometry.extents(inputs.map(\.type), op: name)
    let (q, k, v) = geometry.operandElements(inputs)
    let count = geometry.operandCount
    let (dy, lse, delta) = (
      inputs[count].doubles, inputs[count + 1].doubles, inputs[count + 2].doubles
    )
    var results = types.map { [Double](repeating: 0, count: $0.count) }
    let last = results.count - 1
    let plain = AttentionGeometry(geometry.layout == .headsFirst ? .headsFirst : .sequenceFirst)
    geometry.forEachRow(e, inputs) { b, h, t, seen in
      let row = (b * e.heads + h) * e.queries + t
      let out = plain.offset(b, h, t, heads: e.heads, length: e.queries, e, part: 0)
      let query = geometry.offset(b, h, t, heads: e.heads, length: e.queries, e, part: 0)
      guard lse[row] != -.infinity else { return }
      for (key, score) in seen {
        let p = LibM.exp(score - lse[row])
        guard p != 0 else { continue }
        let keyAt = geometry.offset(
          b, h / e.group, key, heads: e.keyHeads, length: e.keys, e, part: 1)
        let valueAt = geometry.offset(
          b, h / e.group, key, heads: e.keyHeads, length: e.keys, e, part: 2)
        var share = 0.0
        for d in 0..<e.width { share += dy[out + d] * v[valueAt + d] }
        let ds = p * (share - delta[row]) * geometry.scale
        for d in 0..<e.width {
          results[0][query + d] += ds * k[keyAt + d]
          results[min(1, last)][keyAt + d] += ds * q[query + d]
          results[last][valueAt + d] += p * dy[out + d]
        }
      }
    }
    return zip(types, results).map { HostArray($0, $1) }
  }

  package var lowering: Lowering {
    .call { operands, _ in
      guard let e = try? geometry.extents(operands, op: name) else { return [] }
      let count = geometry.operandCount
      let results: [RuntimeCall.Argument] =
        geometry.layout == .packed
        ? [.result(0), .result(0), .result(0)] : [.result(0), .result(1), .result(2)]
      var call = RuntimeCall(
        "mt_attention_gradient_\(e.dtype)",
        [.table(geometry.table(e, operands))] + geometry.callArguments
          + [.operand(count), .operand(count + 1), .operand(count + 2)] + results)
      call.flops = 5 * geometry.productFlops(e)
      return [call]
    }
  }

  package var gradient: Gradient {
    .rule { v in
      // Each operand gets a value of its own: one tensor passed twice must not be counted twice.
      let fresh = v.inputs.map {
        $0.dtype.isFloatingPoint ? record(Reshape($0.shape), $0) : $0
      }
      let floats = fresh.indices.filter { fresh[$0].dtype.isFloatingPoint }
      let count = geometry.operandCount
      let outputs = PlainAttention(geometry, Array(fresh.prefix(count))).gradients(
        fresh[count], fresh[count + 1], fresh[count + 2])
      let seeds = v.cotangents.indices.filter { v.cotangents[$0] != nil && $0 < outputs.count }
      let shares = v.pullback(
        seeds.map { outputs[$0] }, seeds.compactMap { v.cotangents[$0] }, floats.map { fresh[$0] })
      var gradients = [Tensor?](repeating: nil, count: v.inputs.count)
      for (index, share) in zip(floats, shares) { gradients[index] = share }
      return gradients
    }
  }
}

/// Attention and its gradient in ordinary operations, over `[B, H, T, S]`: for what has no kernel, as
/// derivatives of higher order and dropout of the weights.
package struct PlainAttention {
  let geometry: AttentionGeometry
  let e: AttentionGeometry.Extents
  /// `[B, H, T, D]`, and keys and values `[B, H, S, D]`, repeated where heads share them.
  let q, k, v: Tensor
  let mask: Tensor?
  let lengths: Tensor?

  /// Of operands that attention accepted.
  package init(_ geometry: AttentionGeometry, _ operands: [Tensor]) {
    self.geometry = geometry
    let found = try? geometry.extents(operands.map(\.type), op: Attention.name)
    let e =
      found
      ?? AttentionGeometry.Extents(
        batches: 1, heads: 1, keyHeads: 1, queries: 1, keys: 1, width: 1, dtype: .float32)
    self.e = e
    let parts: [Tensor]
    switch geometry.layout {
    case .headsFirst: parts = Array(operands.prefix(3))
    case .sequenceFirst: parts = operands.prefix(3).map { $0.transposed([0, 2, 1, 3]) }
    case .packed:
      parts = (0..<3).map {
        operands[0].sliced($0..<($0 + 1), axis: 2).reshaped(
          [e.batches, e.queries, e.heads, e.width]
        ).transposed([0, 2, 1, 3])
      }
    }
    func repeated(_ x: Tensor) -> Tensor {
      guard e.group > 1 else { return x }
      return x.reshaped([e.batches, e.keyHeads, 1, e.keys, e.width]).broadcasted(
        to: [e.batches, e.keyHeads, e.group, e.keys, e.width]
      ).reshaped([e.batches, e.heads, e.keys, e.width])
    }
    q = parts[0]
    k = repeated(parts[1])
    v = repeated(parts[2])
    mask = geometry.maskOperand.map { operands[$0] }
    lengths = geometry.lengthsOperand.map { operands[$0] }
  }

  /// Which keys each query sees, broadcastable to `[B, H, T, S]`; nil: all.
  private var seen: Tensor? {
    var conditions: [Tensor] = []
    let keys = q.trace.iota(TensorType(.int32, [1, 1, 1, e.keys]), axis: 3)
    let length = lengths.map {
      minimum($0.reshaped([e.batches, 1, 1, 1]), Double(e.keys))
    }
    if let length { conditions.append(keys .< length) }
    if geometry.causality != .none {
      var queries = q.trace.iota(TensorType(.int32, [1, 1, e.queries, 1]), axis: 2)
      if geometry.causality == .toEnd {
        queries =
          length.map { queries + ($0 - Double(e.queries)) }
          ?? queries + Double(e.keys - e.queries)
      }
      conditions.append(keys .<= queries)
    }
    if let mask {
      conditions.append(mask.dtype == .bool ? mask : mask .> -Double.infinity)
    }
    guard var all = conditions.first else { return nil }
    for condition in conditions.dropFirst() { all = all .& condition }
    return all.broadcasted(to: [e.batches, e.heads, e.queries, e.keys])
  }

  /// Scores, 0 where a key is not seen, so that nothing infinite has a derivative.
  private func scores(_ seen: Tensor?) -> Tensor {
    var x = matmul(q, k.transposed([0, 1, 3, 2])) * geometry.scale
    if let mask, mask.dtype != .bool { x = x + mask }
    return seen.map { select($0, x, 0) } ?? x
  }

  /// `[B, H, T]` beside rows.
  private func column(_ x: Tensor) -> Tensor { x.reshaped([e.batches, e.heads, e.queries, 1]) }

  /// The weights from a statistic, and the cotangent of the scores before they are scaled.
  private func weights(
    _ dy: Tensor, _ lse: Tensor, _ delta: Tensor
  ) -> (p: Tensor, ds: Tensor, dy: Tensor) {
    let seen = self.seen
    // A row without keys has −∞, and no key to use it on.
    let finite = select(lse .> -Double.infinity, lse, 0)
    var p = exp(scores(seen) - column(finite))
    if let seen { p = select(seen, p, 0) }
    let out = geometry.layout == .headsFirst ? dy : dy.transposed([0, 2, 1, 3])
    var share = matmul(out, v.transposed([0, 1, 3, 2])) - column(delta)
    if let seen { share = select(seen, share, 0) }
    return (p, p * share, out)
  }

  package func gradients(_ dy: Tensor, _ lse: Tensor, _ delta: Tensor) -> [Tensor] {
    let (p, unscaled, out) = weights(dy, lse, delta)
    let ds = unscaled * geometry.scale
    func summed(_ x: Tensor) -> Tensor {
      guard e.group > 1 else { return x }
      return x.reshaped([e.batches, e.keyHeads, e.group, e.keys, e.width]).sum(axes: [2])
    }
    let parts = [
      matmul(ds, k), summed(matmul(ds.transposed([0, 1, 3, 2]), q)),
      summed(matmul(p.transposed([0, 1, 3, 2]), out)),
    ]
    switch geometry.layout {
    case .headsFirst: return parts
    case .sequenceFirst: return parts.map { $0.transposed([0, 2, 1, 3]) }
    case .packed:
      return [
        concatenate(
          parts.map {
            $0.transposed([0, 2, 1, 3]).reshaped([e.batches, e.queries, 1, e.heads, e.width])
          }, axis: 2)
      ]
    }
  }

  /// The cotangent of an added mask.
  package func maskGradient(_ dy: Tensor, _ lse: Tensor, _ delta: Tensor) -> Tensor? {
    guard let mask else { return nil }
    let ds = weights(dy, lse, delta).ds
    let axes = (0..<4).filter { mask.shape[$0] == 1 && ds.shape[$0] != 1 }
    return ds.sum(axes: axes, keepDims: true)
  }

  /// The logarithm of each row's sum of exponentials, `[B, H, T]`; −∞ where no key is seen.
  package var statistic: Tensor {
    let seen = self.seen
    let x = scores(seen)
    let hidden = seen.map { select($0, x, -.infinity) } ?? x
    let largest = hidden.max(axes: [3], keepDims: true)
    let shift = select(largest .> -Double.infinity, largest, 0)
    var p = exp(x - shift)
    if let seen { p = select(seen, p, 0) }
    return (log(p.sum(axes: [3], keepDims: true)) + shift).reshaped(
      [e.batches, e.heads, e.queries])
  }

  /// The result of attention with the weights changed on their way (dropout); and the weights.
  package func output(
    changing change: (Tensor) -> Tensor = { $0 }
  ) -> (output: Tensor, weights: Tensor) {
    let seen = self.seen
    let x = scores(seen)
    let hidden = seen.map { select($0, x, -.infinity) } ?? x
    let largest = stopGradient(hidden.max(axes: [3], keepDims: true))
    let shift = select(largest .> -Double.infinity, largest, 0)
    var p = exp(x - shift)
    if let seen { p = select(seen, p, 0) }
    let total = p.sum(axes: [3], keepDims: true)
    p = p / select(total .> 0, total, 1)
    // A value that no query sees may be NaN.
    var values = v
    if let lengths {
      let keys = q.trace.iota(TensorType(.int32, [1, 1, e.keys, 1]), axis: 2)
      values = select(keys .< lengths.reshaped([e.batches, 1, 1, 1]), v, 0)
    }
    let y = matmul(change(p), values)
    return (geometry.layout == .headsFirst ? y : y.transposed([0, 2, 1, 3]), p)
  }
}
