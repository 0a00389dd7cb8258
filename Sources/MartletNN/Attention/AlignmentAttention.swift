// Attention of encoder-decoder models with recurrent nets: one query against the encoder's states.

import MartletExecution
import MartletIR
import MartletOps

/// What attention to an encoder's states gives.
public struct AttentionContext {
  /// The weighted sum of the values, `[B, V]` (`[B, T, V]` for several queries).
  public let context: Tensor
  /// The weights, `[B, S]` (`[B, T, S]`); 0 behind a sample's length.
  public let weights: Tensor
}

/// Scores of queries `[B, Q]` or `[B, T, Q]` against keys `[B, S, K]`, a softmax over the keys, and the
/// values' weighted sum.
public protocol AlignmentAttention: Sendable {
  /// Scores `[B, T, S]` of queries `[B, T, Q]`.
  func scores(_ queries: Tensor, _ keys: Tensor) -> Tensor
  /// Q and K.
  var widths: (query: Int, key: Int) { get }
}

extension AlignmentAttention {
  /// The context of each query. `values` `[B, S, V]` are the keys unless given; with `keyLengths` (i32
  /// `[B]`) what lies behind a sample's length is not seen, NaN included.
  ///
  /// Refused while tracing: other widths or batches, keys and values of different lengths, sequences
  /// of length zero.
  public func callAsFunction(
    _ query: Tensor, _ keys: Tensor, values: Tensor? = nil, keyLengths: Tensor? = nil
  ) -> AttentionContext {
    let trace = query.trace
    return trace.scoped("\(Self.self)") {
      let values = values ?? keys
      func refused(_ message: String) -> AttentionContext {
        let tensors = [query, keys, values] + (keyLengths.map { [$0] } ?? [])
        if tensors.allSatisfy({ $0.value != nil }) {
          trace.report(
            TypeError(op: "\(Self.self)", message), tensors.map(\.type), at: trace.place)
        }
        let none = Tensor(trace: trace, value: nil, type: query.type)
        return AttentionContext(context: none, weights: none)
      }
      guard query.rank == 2 || query.rank == 3, keys.rank == 3, values.rank == 3 else {
        return refused(
          "takes queries [B, Q] or [B, T, Q], keys and values [B, S, …], got \(query.type), "
            + "\(keys.type), \(values.type)")
      }
      guard query.shape[query.rank - 1] == widths.query, keys.shape[2] == widths.key,
        query.shape[0] == keys.shape[0], query.dtype == keys.dtype, keys.dtype == values.dtype
      else {
        return refused(
          "takes queries of \(widths.query) and keys of \(widths.key) elements of one batch, got "
            + "\(query.type), \(keys.type)")
      }
      guard values.shape[0] == keys.shape[0], values.shape[1] == keys.shape[1] else {
        return refused("keys and values differ in length: \(keys.type), \(values.type)")
      }
      let (b, s) = (keys.shape[0], keys.shape[1])
      guard s > 0, query.shape[query.rank == 2 ? 0 : 1] > 0 else {
        return refused("a sequence of length zero")
      }
      if let keyLengths, keyLengths.type != TensorType(.int32, [b]) {
        return refused("key lengths are i32[\(b)], got \(keyLengths.type)")
      }
      let queries = query.rank == 3 ? query : query.reshaped([b, 1, widths.query])
      let cleanKeys = keyLengths.map { cleared(keys, behind: $0) } ?? keys
      let cleanValues = keyLengths.map { cleared(values, behind: $0) } ?? values
      let raw = scores(queries, cleanKeys)
      var weights: Tensor
      if let keyLengths {
        _ = keyLengths.trace.bound(keyLengths, below: s + 1)
        let place = trace.iota(TensorType(.int32, [1, 1, s]), axis: 2)
        weights = maskedSoftmax(raw, seen: place .< keyLengths.reshaped([b, 1, 1]))
      } else {
        weights = softmax(raw, axis: -1)
      }
      var context = matmul(weights, cleanValues)
      if query.rank == 2 {
        context = context.reshaped([b, values.shape[2]])
        weights = weights.reshaped([b, s])
      }
      return AttentionContext(context: context, weights: weights)
    }
  }
}

/// Additive attention, `score = vᵀ tanh(W q + U k)` (Bahdanau, Cho and Bengio, arXiv:1409.0473).
public struct AdditiveAttention: AlignmentAttention {
  /// W, `[Q, hidden]`, without bias.
  public let query: Linear
  /// U, `[K, hidden]`, with bias.
  public let key: Linear
  /// v, `[hidden, 1]`, without bias.
  public let score: Linear

  /// For queries and keys of these widths.
  public init(query queryWidth: Int, key keyWidth: Int, hidden: Int) {
    query = Linear(queryWidth, hidden, bias: false)
    key = Linear(keyWidth, hidden)
    score = Linear(hidden, 1, bias: false)
  }

  /// Q and K.
  public var widths: (query: Int, key: Int) { (query.weight.shape[0], key.weight.shape[0]) }

  /// `vᵀ tanh(W q + U k)`
  public func scores(_ queries: Tensor, _ keys: Tensor) -> Tensor {
    let (b, t, s) = (queries.shape[0], queries.shape[1], keys.shape[1])
    let hidden = query.weight.shape[1]
    let sum = query(queries).reshaped([b, t, 1, hidden]) + key(keys).reshaped([b, 1, s, hidden])
    return score(tanh(sum)).reshaped([b, t, s])
  }
}

/// Multiplicative attention (Luong, Pham and Manning, arXiv:1508.04025).
public struct MultiplicativeAttention: AlignmentAttention {
  /// How a score comes about.
  public enum Score: String, Hashable, Sendable, CaseIterable {
    /// `qᵀ k`; both of one width.
    case dot
    /// `qᵀ W k`
    case general
    /// `vᵀ tanh(W [q; k])`
    case concat
  }
  /// How a score comes about.
  public let kind: Score
  /// Q and K.
  public let widths: (query: Int, key: Int)
  /// `[K, Q]` for ``Score/general``, `[Q + K, hidden]` for ``Score/concat``, without bias.
  public let weight: Linear?
  /// v, `[hidden, 1]`, for ``Score/concat``.
  public let score: Linear?

  /// For queries and keys of these widths; `hidden` matters to ``Score/concat`` alone (Q if nil).
  public init(_ kind: Score, query: Int, key: Int, hidden: Int? = nil) {
    self.kind = kind
    widths = (query, key)
    switch kind {
    case .dot: (weight, score) = (nil, nil)
    case .general: (weight, score) = (Linear(key, query, bias: false), nil)
    case .concat:
      weight = Linear(query + key, hidden ?? query, bias: false)
      score = Linear(hidden ?? query, 1, bias: false)
    }
  }

  /// The scores of the kind.
  public func scores(_ queries: Tensor, _ keys: Tensor) -> Tensor {
    if kind == .concat, let weight, let score {
      // W [q; k] in two parts, so that neither is repeated for each pair.
      let w = weight.weight.tensor(in: queries.trace)
      let (b, t, s, hidden) = (queries.shape[0], queries.shape[1], keys.shape[1], w.shape[1])
      let q = matmul(queries, w.sliced(0..<widths.query, axis: 0))
      let k = matmul(keys, w.sliced(widths.query..<w.shape[0], axis: 0))
      return score(tanh(q.reshaped([b, t, 1, hidden]) + k.reshaped([b, 1, s, hidden])))
        .reshaped([b, t, s])
    }
    let turned = weight.map { $0(keys) } ?? keys
    return matmul(queries, turned.transposed([0, 2, 1]))
  }
}
