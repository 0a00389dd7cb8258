import MartletIR
import MartletLoops

/// Scaled dot-product attention, `softmax(scale · q kᵀ + mask) v`, and the logarithm of each row's sum
/// of exponentials, `[B, H, T]`: one kernel with a running softmax over tiles of keys. Nothing of the
/// size T · S exists.
///
/// A query that sees no key gives zeros (and −∞). A weight of 0 hides its value: NaN that is masked
/// does not leak. Gradient: ``AttentionGradient``.
package struct Attention: Op {
  package var geometry: AttentionGeometry
  package init(_ geometry: AttentionGeometry) { self.geometry = geometry }
  package static let name = "attention"
  package var attributes: [Attribute] { geometry.attributes }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    geometry = try AttentionGeometry(attributes)
  }

  /// Operands of attention, with ranges; what its gradient takes besides comes behind.
  package static let cases: [(geometry: AttentionGeometry, operands: [(DType?, Shape)])] = [
    (
      AttentionGeometry(.headsFirst, scale: 0.5),
      [(nil, [2, 2, 3, 4]), (nil, [2, 2, 5, 4]), (nil, [2, 2, 5, 4])]
    ),
    (
      AttentionGeometry(.headsFirst, .fromStart, scale: 0.7),
      [(nil, [1, 4, 6, 3]), (nil, [1, 2, 6, 3]), (nil, [1, 2, 6, 3])]
    ),
    (
      AttentionGeometry(.sequenceFirst, .toEnd, scale: 0.6, hasLengths: true),
      [(nil, [2, 2, 2, 3]), (nil, [2, 6, 2, 3]), (nil, [2, 6, 2, 3]), (.int32, [2])]
    ),
    (AttentionGeometry(.packed, .fromStart, scale: 0.5), [(nil, [2, 5, 3, 2, 3])]),
    (
      AttentionGeometry(.packed, scale: 0.4, hasMask: true, hasLengths: true),
      [(nil, [2, 4, 3, 2, 3]), (nil, [1, 2, 4, 4]), (.int32, [2])]
    ),
    (
      AttentionGeometry(.headsFirst, .fromStart, scale: 0.5, hasMask: true),
      [(nil, [2, 1, 3, 2]), (nil, [2, 1, 3, 2]), (nil, [2, 1, 3, 2]), (.bool, [1, 1, 3, 1])]
    ),
    (
      AttentionGeometry(.sequenceFirst, scale: 1),
      [(nil, [1, 1, 1, 2]), (nil, [1, 3, 1, 2]), (nil, [1, 3, 1, 2])]
    ),
    (
      AttentionGeometry(.headsFirst, scale: 0.3),
      [(nil, [1, 1, 70, 20]), (nil, [1, 1, 140, 20]), (nil, [1, 1, 140, 20])]
    ),
  ]

  package static func types(
    _ operands: [(DType?, Shape)], _ dtype: DType
  ) -> (types: [TensorType], ranges: [ClosedRange<Double>]) {
    (
      operands.map { TensorType($0.0 ?? dtype, $0.1) },
      // Each row sees a key: lengths that causality leaves one of, and bool masks that hide nothing
      // (a row without keys has an infinite statistic, which the tests of gradients square).
      operands.map { $0.0 == .int32 ? 2...6 : $0.0 == .bool ? 1...1 : -2...2 }
    )
  }

  package static let samples: [OpSample] = ([.float32, .float64] as [DType]).flatMap { dtype in
    cases.map { item in
      let (types, ranges) = types(item.operands, dtype)
      return OpSample(Attention(item.geometry), types, ranges, ulp: 32)
    }
  }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, geometry.operandCount)
    let e = try geometry.extents(operands, op: name)
    return [
      TensorType(e.dtype, geometry.resultShape(e)),
      TensorType(e.dtype, [e.batches, e.heads, e.queries]),
    ]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let types = try infer(inputs.map(\.type), [])
    let e = try geometry.extents(inputs.map(\.type), op: name)
    let v = geometry.operandElements(inputs).2
    var output = [Double](repeating: 0, count: types[0].count)
    var sums = [Double](repeating: -.infinity, count: types[1].count)
    let plain = AttentionGeometry(geometry.layout == .headsFirst ? .headsFirst : .sequenceFirst)
    geometry.forEachRow(e, inputs) { b, h, t, seen in
      let largest = seen.map(\.score).max() ?? 0
      let shift = largest.isFinite ? largest : 0
      let weights = seen.map { LibM.exp($0.score - shift) }
      let total = weights.reduce(0, +)
      guard total != 0 else { return }
      sums[(b * e.heads + h) * e.queries + t] = shift + LibM.log(total)
      let to = plain.offset(b, h, t, heads: e.heads, length: e.queries, e, part: 0)
      for (entry, weight) in zip(seen, weights) where weight != 0 {
        let from = geometry.offset(
          b, h / e.group, entry.key, heads: e.keyHeads, length: e.keys, e, part: 2)
        for d in 0..<e.width { output[to + d] += weight / total * v[from + d] }
      }
    }
    return [HostArray(types[0], output), HostArray(types[1], sums)]
  }

  package var lowering: Lowering {
    .call { operands, _ in
      guard let e = try? geometry.extents(operands, op: name) else { return [] }
      var call = RuntimeCall(
        "mt_attention_\(e.dtype)",
        [.table(geometry.table(e, operands))] + geometry.callArguments + [.result(0), .result(1)])
      call.flops = 2 * geometry.productFlops(e)
      return [call]
    }
  }

  package var gradient: Gradient {
    .rule { v in
      let plain = PlainAttention(geometry, v.inputs)
      guard v.results.count == 2 else { return [] }
      // Σ over d of do · o, less what comes through the statistic: what a row's weights lose.
      var delta = (v.dy * v.y).sum(axes: [3])
      if geometry.layout != .headsFirst { delta = delta.transposed([0, 2, 1]) }
      if let statistic = v.cotangents[1] { delta = delta - statistic }
      let shares = recordAll(
        AttentionGradient(geometry), v.inputs + [v.dy, v.results[1], delta])
      var gradients: [Tensor?] = Array(shares.prefix(geometry.layout.operandCount))
      if let place = geometry.maskOperand {
        let mask = v.inputs[place]
        gradients.append(
          mask.dtype == .bool ? nil : plain.maskGradient(v.dy, v.results[1], delta))
      }
      if geometry.hasLengths { gradients.append(nil) }
      return gradients
    }
  }
}

/// Scaled dot-product attention, `softmax(scale · q kᵀ + mask) v` over the keys that each query sees.
///
/// - Parameters:
///   - query: `[B, H, T, D]` (or `[B, T, H, D]`, as `layout` says), floating-point.
///   - key: `[B, G, S, D]` (`[B, S, G, D]`); G divides H: H / G heads of queries share one of keys.
///   - value: as the keys.
///   - mask: bool (true: the key is seen) or of the queries' dtype (added to the scores; −∞ hides a
///     key), and broadcastable to `[B, H, T, S]`.
///   - keyLengths: i32 `[B]`, how many keys of each batch count; 0 to S, checked before each step
///     where they are an argument of the program, else clamped.
///   - causality: which keys are hidden by their position.
///   - scale: 1/√D if nil.
///   - layout: the order of the axes, of the result too.
///
/// The result has the queries' shape. One kernel computes it tile by tile: nothing of the size T · S is
/// ever stored, and tiles that causality hides are skipped; the gradient is one kernel too, which
/// computes the weights again (Dao et al., FlashAttention, 2022). A query that sees no key gives zeros.
/// Masked keys and values may be NaN. Gradients to queries, keys, values and an added mask.
/// Vaswani et al., Attention Is All You Need (2017).
///
/// Refused: shapes that do not fit, keys and values of different lengths, a mask of a wrong shape or
/// dtype, sequences of length zero.
public func scaledDotProductAttention(
  _ query: Tensor, _ key: Tensor, _ value: Tensor, mask: Tensor? = nil, keyLengths: Tensor? = nil,
  causality: AttentionCausality = .none, scale: Double? = nil,
  layout: AttentionLayout = .headsFirst, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  attention(
    [query, key, value], mask, keyLengths, causality, scale,
    layout == .headsFirst ? .headsFirst : .sequenceFirst, at: here(query, file, line)
  ).output
}

/// ``scaledDotProductAttention(_:_:_:mask:keyLengths:causality:scale:layout:file:line:)`` and the
/// logarithm of the sum of the exponentials of each query's scores, `[B, H, T]` (−∞ for a query that
/// sees no key), with which attention over several sets of keys can be put together. Both have
/// gradients.
public func attentionWithLogSumExp(
  _ query: Tensor, _ key: Tensor, _ value: Tensor, mask: Tensor? = nil, keyLengths: Tensor? = nil,
  causality: AttentionCausality = .none, scale: Double? = nil,
  layout: AttentionLayout = .headsFirst, file: StaticString = #fileID, line: UInt = #line
) -> (output: Tensor, logSumExp: Tensor) {
  attention(
    [query, key, value], mask, keyLengths, causality, scale,
    layout == .headsFirst ? .headsFirst : .sequenceFirst, at: here(query, file, line))
}

/// Attention of a sequence to itself: queries, keys and values side by side in one tensor
/// `[B, T, 3, H, D]`, as one `Linear` layer gives them, are read where they lie. The result is
/// `[B, T, H, D]`; else as
/// ``scaledDotProductAttention(_:_:_:mask:keyLengths:causality:scale:layout:file:line:)``.
public func scaledDotProductAttention(
  packed: Tensor, mask: Tensor? = nil, keyLengths: Tensor? = nil,
  causality: AttentionCausality = .none, scale: Double? = nil, file: StaticString = #fileID,
  line: UInt = #line
) -> Tensor {
  attention([packed], mask, keyLengths, causality, scale, .packed, at: here(packed, file, line))
    .output
}

private func attention(
  _ tensors: [Tensor], _ mask: Tensor?, _ lengths: Tensor?, _ causality: AttentionCausality,
  _ scale: Double?, _ layout: AttentionGeometry.Layout, at place: SourceLocation
) -> (output: Tensor, logSumExp: Tensor) {
  let width = max(1, tensors[0].shape.dimensions.last ?? 1)
  let geometry = AttentionGeometry(
    layout, causality, scale: scale ?? 1 / Double(width).squareRoot(), hasMask: mask != nil,
    hasLengths: lengths != nil)
  var operands = tensors
  if let mask {
    let leading = [Int](repeating: 1, count: max(0, 4 - mask.rank))
    operands.append(
      mask.rank < 4 ? mask.reshaped(Shape(leading + mask.shape.dimensions)) : mask)
  }
  if let lengths {
    if let keys = try? geometry.extents(
      operands.map(\.type) + [lengths.type], op: Attention.name
    ).keys {
      _ = lengths.trace.bound(lengths, below: keys + 1)
    }
    operands.append(lengths)
  }
  let results = recordAll(Attention(geometry), operands, at: place)
  guard results.count == 2 else { return (results[0], results[0]) }
  return (results[0], results[1])
}
