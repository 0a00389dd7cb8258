// What attention and its gradient share: how the operands lie, and which keys a query sees.

import MartletIR

/// How heads and positions lie in the operands of attention.
public enum AttentionLayout: String, Hashable, Sendable, CaseIterable {
  /// Queries `[B, H, T, D]`, keys and values `[B, H, S, D]`: PyTorch's order.
  case headsFirst
  /// Queries `[B, T, H, D]`, keys and values `[B, S, H, D]`: what a `Linear` layer gives, reshaped.
  case sequenceFirst
}

/// Which keys are hidden from a query because of their position.
public enum AttentionCausality: String, Hashable, Sendable, CaseIterable {
  /// None.
  case none
  /// Query t sees the keys up to t: training of a language model, PyTorch's `is_causal`.
  case fromStart
  /// The last query sees the last key, the one before it the last but one: T new positions behind
  /// others whose keys are in a cache. The last key is that of the given length, where there is one.
  case toEnd
}

/// The attributes of attention, and what follows from them.
package struct AttentionGeometry: Hashable, Sendable {
  /// As ``AttentionLayout``, or one operand `[B, T, 3, H, D]` with queries, keys and values.
  package enum Layout: String, Hashable, Sendable {
    case headsFirst, sequenceFirst, packed
    var operandCount: Int { self == .packed ? 1 : 3 }
  }
  package var layout: Layout
  package var causality: AttentionCausality
  package var scale: Double
  package var hasMask: Bool
  package var hasLengths: Bool

  package init(
    _ layout: Layout, _ causality: AttentionCausality = .none, scale: Double = 1,
    hasMask: Bool = false, hasLengths: Bool = false
  ) {
    self.layout = layout
    self.causality = causality
    self.scale = scale
    self.hasMask = hasMask
    self.hasLengths = hasLengths
  }

  package var attributes: [Attribute] {
    [
      Attribute("layout", .string(layout.rawValue)),
      Attribute("causality", .string(causality.rawValue)), Attribute("scale", .float(scale)),
      Attribute("mask", .bool(hasMask)), Attribute("lengths", .bool(hasLengths)),
    ]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["layout", "causality", "scale", "mask", "lengths"])
    guard let layout = Layout(rawValue: try attributes.string("layout")),
      let causality = AttentionCausality(rawValue: try attributes.string("causality"))
    else { throw TypeError(op: attributes.op, "no such layout or causality") }
    self.init(
      layout, causality, scale: try attributes.float("scale"),
      hasMask: try attributes.bool("mask"), hasLengths: try attributes.bool("lengths"))
  }

  /// Queries, keys, values (or all in one), then the mask, then the lengths.
  package var operandCount: Int { layout.operandCount + (hasMask ? 1 : 0) + (hasLengths ? 1 : 0) }
  package var maskOperand: Int? { hasMask ? layout.operandCount : nil }
  package var lengthsOperand: Int? {
    hasLengths ? layout.operandCount + (hasMask ? 1 : 0) : nil
  }

  /// The extents that operands name.
  package struct Extents: Hashable, Sendable {
    package var batches, heads, keyHeads, queries, keys, width: Int
    package var dtype: DType
    /// Queries that share a head of keys.
    package var group: Int { heads / keyHeads }
  }

  /// Checks the operands; the first of `operands` are those of attention.
  package func extents(_ operands: [TensorType], op: String) throws(TypeError) -> Extents {
    func refused(_ message: String, hint: String? = nil) -> TypeError {
      TypeError(op: op, message, hint: hint)
    }
    guard operands.count >= operandCount else {
      throw refused("takes \(operandCount) operands, got \(operands.count)")
    }
    let dtype = operands[0].dtype
    guard dtype.isFloatingPoint else {
      throw refused("takes floating-point operands, got \(operands[0])")
    }
    guard scale.isFinite else { throw refused("the scale must be finite, got \(scale)") }
    var e: Extents
    if layout == .packed {
      let s = operands[0].shape
      guard s.rank == 5, s[2] == 3 else {
        throw refused("takes queries, keys and values as [B, T, 3, H, D], got \(operands[0])")
      }
      e = Extents(
        batches: s[0], heads: s[3], keyHeads: s[3], queries: s[1], keys: s[1], width: s[4],
        dtype: dtype)
    } else {
      let (q, k, v) = (operands[0].shape, operands[1].shape, operands[2].shape)
      guard q.rank == 4, k.rank == 4 else {
        throw refused("takes operands of rank 4, got \(operands[0]), \(operands[1])")
      }
      guard operands[1].dtype == dtype, operands[2].dtype == dtype else {
        throw refused(
          "dtypes differ: \(operands[0]), \(operands[1]), \(operands[2])",
          hint: "convert one of them: x.converted(to: .\(caseName(dtype)))")
      }
      let (head, position) = layout == .headsFirst ? (1, 2) : (2, 1)
      guard k == v else {
        throw refused(
          "keys and values differ: \(operands[1]) and \(operands[2])",
          hint: "there is one value for each key, of the same width")
      }
      guard q[0] == k[0], q[3] == k[3] else {
        throw refused(
          "queries \(operands[0]) and keys \(operands[1]) differ in batch or width",
          hint: layout == .headsFirst
            ? "[B, H, T, D] and [B, H, S, D]" : "[B, T, H, D] and [B, S, H, D]"
        )
      }
      guard k[head] > 0, q[head] > 0, q[head] % k[head] == 0 else {
        throw refused(
          "\(q[head]) heads of queries cannot share \(k[head]) heads of keys evenly")
      }
      e = Extents(
        batches: q[0], heads: q[head], keyHeads: k[head], queries: q[position],
        keys: k[position], width: q[3], dtype: dtype)
    }
    guard e.queries > 0, e.keys > 0 else {
      throw refused(
        "a sequence of length zero: \(e.queries) queries, \(e.keys) keys",
        hint: "ragged batches are padded to one length, with keyLengths")
    }
    guard e.heads > 0, e.width > 0 else { throw refused("heads without elements") }
    if let place = maskOperand {
      let mask = operands[place]
      let full = [e.batches, e.heads, e.queries, e.keys]
      let fits =
        mask.shape.rank == 4
        && zip(mask.shape.dimensions, full).allSatisfy { $0 == $1 || $0 == 1 }
      guard fits else {
        throw refused(
          "a mask of shape \(mask.shape) does not broadcast to \(Shape(full))",
          hint: "[B, H, T, S], where any extent may be 1")
      }
      guard mask.dtype == .bool || mask.dtype == dtype else {
        throw refused(
          "a mask is bool (true: the key is seen) or \(dtype) (added to the scores), got \(mask)")
      }
    }
    if let place = lengthsOperand {
      guard operands[place] == TensorType(.int32, [e.batches]) else {
        throw refused(
          "key lengths are \(TensorType(.int32, [e.batches])), one for each batch, got "
            + "\(operands[place])")
      }
    }
    return e
  }

  /// The result's shape: that of the queries, or `[B, T, H, D]` of a packed operand.
  package func resultShape(_ e: Extents) -> Shape {
    layout == .headsFirst
      ? [e.batches, e.heads, e.queries, e.width] : [e.batches, e.queries, e.heads, e.width]
  }

  /// Ranges of the keys that the gradient sums by themselves where heads are few, so that threads
  /// have work. A matter of the shape alone, for it is part of the bits.
  package func chunks(_ e: Extents) -> Int {
    let heads = max(1, e.batches * e.keyHeads)
    return max(1, min((7 + heads) / heads, e.keys / 256))
  }

  // MARK: The runtime's table

  private struct View {
    var offset = 0
    var batch, head, row: Int
    var numbers: [Int] { [offset, batch, head, row] }
  }
  private func view(heads: Int, length: Int, _ e: Extents, part: Int) -> View {
    let d = e.width
    switch layout {
    case .headsFirst: return View(batch: heads * length * d, head: length * d, row: d)
    case .sequenceFirst: return View(batch: length * heads * d, head: d, row: heads * d)
    case .packed:
      return View(
        offset: part * heads * d, batch: length * 3 * heads * d, head: d, row: 3 * heads * d)
    }
  }

  /// `mt_attention` of Runtime/martlet_attention.h.
  package func table(_ e: Extents, _ operands: [TensorType]) -> [Int] {
    var masked = 0
    var maskStrides = [0, 0, 0, 0]
    if let place = maskOperand {
      let type = operands[place]
      masked = type.dtype == .bool ? 1 : 2
      let strides = type.shape.strides
      maskStrides = (0..<4).map { type.shape[$0] == 1 ? 0 : strides[$0] }
    }
    let causal = causality == .none ? 0 : causality == .fromStart ? 1 : 2
    let q = view(heads: e.heads, length: e.queries, e, part: 0)
    let k = view(heads: e.keyHeads, length: e.keys, e, part: 1)
    let v = view(heads: e.keyHeads, length: e.keys, e, part: 2)
    let o =
      layout == .packed
      ? View(
        batch: e.queries * e.heads * e.width, head: e.width, row: e.heads * e.width) : q
    return [
      e.batches, e.heads, e.keyHeads, e.queries, e.keys, e.width, causal, masked,
    ] + maskStrides + [
      hasLengths ? 1 : 0, chunks(e), Int(Int64(bitPattern: scale.bitPattern)),
    ] + q.numbers + k.numbers + v.numbers + o.numbers + q.numbers + k.numbers + v.numbers
  }

  /// Multiply-adds × 2 of one product of queries and keys over all heads.
  package func productFlops(_ e: Extents) -> Int {
    let all = 2 * e.batches * e.heads * e.queries * e.keys * e.width
    return causality == .none ? all : all / 2
  }

  /// Queries, keys, values, mask, lengths as arguments of a call; what is missing is never read.
  package var callArguments: [RuntimeCall.Argument] {
    (layout == .packed ? [0, 0, 0] : [0, 1, 2]).map { .operand($0) }
      + [.operand(maskOperand ?? 0), .operand(lengthsOperand ?? 0)]
  }

  // MARK: The oracle

  /// Walks the rows of weights: for each (batch, head, query) the keys that it sees and their
  /// scores.
  package func forEachRow(
    _ e: Extents, _ inputs: [HostArray],
    _ body: (_ batch: Int, _ head: Int, _ query: Int, _ seen: [(key: Int, score: Double)]) -> Void
  ) {
    let (q, k, _) = operandElements(inputs)
    let lengths = lengthsOperand.map { inputs[$0].integers }
    let mask = maskOperand.map { inputs[$0] }
    let added = mask.flatMap { $0.dtype == .bool ? nil : $0.doubles }
    let kept = mask.flatMap { $0.dtype == .bool ? $0.integers : nil }
    let strides = mask?.shape.strides ?? []
    for b in 0..<e.batches {
      let length = lengths.map { max(0, min(Int($0[b]), e.keys)) } ?? e.keys
      for h in 0..<e.heads {
        for t in 0..<e.queries {
          let limit: Int =
            switch causality {
            case .none: length
            case .fromStart: min(length, t + 1)
            case .toEnd: max(0, t + 1 + length - e.queries)
            }
          var seen: [(key: Int, score: Double)] = []
          for j in 0..<limit {
            var sum = 0.0
            let from = (
              offset(b, h, t, heads: e.heads, length: e.queries, e, part: 0),
              offset(b, h / e.group, j, heads: e.keyHeads, length: e.keys, e, part: 1)
            )
            for d in 0..<e.width { sum += q[from.0 + d] * k[from.1 + d] }
            sum *= scale
            if let mask {
              let place = zip([b, h, t, j], zip(mask.shape.dimensions, strides)).reduce(0) {
                $0 + ($1.1.0 == 1 ? 0 : $1.0 * $1.1.1)
              }
              if let kept, kept[place] == 0 { continue }
              if let added {
                if added[place] == -.infinity { continue }
                sum += added[place]
              }
            }
            seen.append((j, sum))
          }
          body(b, h, t, seen)
        }
      }
    }
  }

  /// Where the first element of (batch, head, position) lies; part 0 queries, 1 keys, 2 values.
  package func offset(
    _ b: Int, _ h: Int, _ t: Int, heads: Int, length: Int, _ e: Extents, part: Int
  ) -> Int {
    let v = view(heads: heads, length: length, e, part: part)
    return v.offset + b * v.batch + h * v.head + t * v.row
  }

  package func operandElements(_ inputs: [HostArray]) -> ([Double], [Double], [Double]) {
    let q = inputs[0].doubles
    return layout == .packed ? (q, q, q) : (q, inputs[1].doubles, inputs[2].doubles)
  }
}
