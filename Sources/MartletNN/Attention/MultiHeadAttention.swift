// Attention with several heads: to itself, to a memory, and step by step with a cache.

import MartletExecution
import MartletIR
import MartletOps

/// Multi-head attention over `[B, T, W]`: projections to queries, keys and values, scaled dot-product
/// attention in each head, a projection of the heads' results side by side (Vaswani et al., 2017).
///
/// Queries, keys and values of a sequence to itself come from one product and are read where they lie;
/// the attention is one kernel that stores nothing of the size T · S. Dropout of the weights alone
/// takes the long way, `[B, H, T, S]`, and only while training.
///
/// Refused while tracing: heads that do not divide the width, inputs of another width, memories of
/// another batch, masks of a wrong shape, sequences of length zero.
public struct MultiHeadAttention: Layer {
  /// `[W, W + 2 · G · W/H]`: queries, then keys, then values.
  public let projection: Linear
  /// `[W, W]`
  public let output: Linear
  /// W
  public let width: Int
  /// H
  public let heads: Int
  /// G, heads of keys and values; H / G heads of queries share one (grouped-query attention).
  public let keyHeads: Int
  /// Which keys are hidden by their position when a sequence attends to itself.
  public let causality: AttentionCausality
  /// The probability with which a weight is dropped while training.
  public let dropout: Double
  /// Turns queries and keys by their positions, if given.
  public let rotary: RotaryPositions?

  /// Attention from its sizes.
  public init(
    _ width: Int, heads: Int, keyHeads: Int? = nil, causality: AttentionCausality = .none,
    bias: Bool = true, dropout: Double = 0, rotary: RotaryPositions? = nil,
    initializer: Initializer = .torchUniform
  ) {
    self.width = width
    self.heads = heads
    self.keyHeads = keyHeads ?? heads
    self.causality = causality
    self.dropout = dropout
    self.rotary = rotary
    let headWidth = width / max(1, heads)
    projection = Linear(
      width, width + 2 * max(0, self.keyHeads) * headWidth, bias: bias, initializer: initializer)
    output = Linear(width, width, bias: bias, initializer: initializer)
  }

  /// D, the width of a head.
  public var headWidth: Int { width / max(1, heads) }

  /// The sequence's attention to itself.
  public func callAsFunction(_ x: Tensor) -> Tensor { callAsFunction(x, keyLengths: nil) }

  /// The attention of `x [B, T, W]` to itself, or to `memory [B, S, W]` where one is given.
  ///
  /// `mask` is bool (true: the key is seen) or added to the scores, and broadcasts to `[B, H, T, S]`.
  /// `keyLengths` i32 `[B]` says how many keys of each sample count: of what lies behind nothing is
  /// seen, NaN included.
  public func callAsFunction(
    _ x: Tensor, memory: Tensor? = nil, mask: Tensor? = nil, keyLengths: Tensor? = nil
  ) -> Tensor {
    x.trace.scoped(scopeName(projection.weight, "MultiHeadAttention").droppingLast) {
      guard let x = checked(x) else { return refused(x) }
      guard let memory else {
        let clean = keyLengths.map { cleared(x, behind: $0) } ?? x
        return toItself(clean, mask, keyLengths)
      }
      guard let memory = checked(memory) else { return refused(x) }
      let clean = keyLengths.map { cleared(memory, behind: $0) } ?? memory
      return toMemory(x, clean, mask, keyLengths)
    }
  }

  // MARK: Parts

  private func toItself(_ x: Tensor, _ mask: Tensor?, _ lengths: Tensor?) -> Tensor {
    let (b, t) = (x.shape[0], x.shape[1])
    let all = projection(x)
    if keyHeads == heads, rotary == nil, !dropsWeights(x.trace) {
      let y = scaledDotProductAttention(
        packed: all.reshaped([b, t, 3, heads, headWidth]), mask: mask, keyLengths: lengths,
        causality: causality)
      return output(y.reshaped([b, t, width]))
    }
    var parts = split(all)
    if let rotary { parts = (rotary(parts.q), rotary(parts.k), parts.v) }
    return joined(parts.q, parts.k, parts.v, mask, lengths, causality)
  }

  private func toMemory(
    _ x: Tensor, _ memory: Tensor, _ mask: Tensor?, _ lengths: Tensor?
  ) -> Tensor {
    let weight = projection.weight.tensor(in: x.trace)
    let bias = projection.bias?.tensor(in: x.trace)
    let total = weight.shape[1]
    func part(_ x: Tensor, _ range: Range<Int>) -> Tensor {
      let y = matmul(x, weight.sliced(range, axis: 1))
      return bias.map { y + $0.sliced(range, axis: 0) } ?? y
    }
    let q = part(x, 0..<width).reshaped([x.shape[0], x.shape[1], heads, headWidth])
    let kv = part(memory, width..<total)
    let keys = keyHeads * headWidth
    let shape: Shape = [memory.shape[0], memory.shape[1], keyHeads, headWidth]
    return joined(
      q, kv.sliced(0..<keys, axis: 2).reshaped(shape),
      kv.sliced(keys..<(2 * keys), axis: 2).reshaped(shape), mask, lengths, .none)
  }

  /// Queries `[B, T, H, D]`, keys and values `[B, T, G, D]` of a projection.
  private func split(_ all: Tensor) -> (q: Tensor, k: Tensor, v: Tensor) {
    let (b, t, keys) = (all.shape[0], all.shape[1], keyHeads * headWidth)
    func part(_ from: Int, _ heads: Int) -> Tensor {
      all.sliced(from..<(from + heads * headWidth), axis: 2).reshaped([b, t, heads, headWidth])
    }
    return (part(0, heads), part(width, keyHeads), part(width + keys, keyHeads))
  }

  private func joined(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ mask: Tensor?, _ lengths: Tensor?,
    _ causality: AttentionCausality
  ) -> Tensor {
    let y =
      dropsWeights(q.trace)
      ? attentionDroppingWeights(
        q, k, v, mask: mask, keyLengths: lengths, causality: causality, rate: dropout)
      : scaledDotProductAttention(
        q, k, v, mask: mask, keyLengths: lengths, causality: causality, layout: .sequenceFirst)
    return output(y.reshaped([q.shape[0], q.shape[1], width]))
  }

  private func dropsWeights(_ trace: Trace) -> Bool { dropout > 0 && trace.isTraining }

  // MARK: Step by step

  /// New positions `x [B, N, W]` behind those in `cache`: their keys and values are written into it at
  /// `position …< position + N`, and each sees what is there up to itself. The result `[B, N, W]` is
  /// what the causal layer gives for these positions of the whole sequence.
  ///
  /// `position` is i32, a scalar or `[B]`, the number of positions that are in the cache already; where
  /// it is an argument of the program, a position beyond the capacity is refused before the step.
  public func callAsFunction(
    _ x: Tensor, cache: KeyValues, position: Tensor
  ) -> (output: Tensor, cache: KeyValues) {
    var after = cache
    let y = x.trace.scoped(scopeName(projection.weight, "MultiHeadAttention").droppingLast) {
      guard let x = checked(x) else { return refused(x) }
      let (b, n) = (x.shape[0], x.shape[1])
      guard
        let start = cache.start(
          position, batches: b, count: n, heads: keyHeads, width: headWidth, dtype: x.dtype)
      else { return refused(x) }
      var (q, k, v) = split(projection(x))
      if let rotary { (q, k) = (rotary(q, from: position), rotary(k, from: position)) }
      after = cache.writing(
        k.transposed([0, 2, 1, 3]), v.transposed([0, 2, 1, 3]), at: start,
        isShared: position.rank == 0)
      let y = scaledDotProductAttention(
        q.transposed([0, 2, 1, 3]), after.keys, after.values, keyLengths: start + Double(n),
        causality: .toEnd)
      return output(y.transposed([0, 2, 1, 3]).reshaped([b, n, width]))
    }
    return (y, after)
  }

  // MARK: Checks

  private func checked(_ x: Tensor) -> Tensor? {
    func report(_ message: String, _ hint: String?) {
      if x.value != nil {
        x.trace.report(
          TypeError(op: "MultiHeadAttention", message, hint: hint), [x.type], at: x.trace.place)
      }
    }
    guard heads > 0, width > 0, width % heads == 0 else {
      report(
        "\(heads) heads do not divide a width of \(width)", "each head takes width / heads elements"
      )
      return nil
    }
    guard keyHeads > 0, heads % keyHeads == 0 else {
      report("\(heads) heads cannot share \(keyHeads) heads of keys evenly", nil)
      return nil
    }
    guard x.rank == 3, x.shape[2] == width else {
      report("takes [B, T, \(width)], got \(x.type)", "MultiHeadAttention(width, heads: n)")
      return nil
    }
    return x
  }

  private func refused(_ x: Tensor) -> Tensor {
    Tensor(trace: x.trace, value: nil, type: x.type)
  }
}

extension String {
  /// The path of the layer around: `attention.projection` → `attention`.
  fileprivate var droppingLast: String {
    guard let dot = lastIndex(of: ".") else {
      return self == "projection" ? "MultiHeadAttention" : self
    }
    return String(self[..<dot])
  }
}

/// `x [B, T, …]` with zeros from each sample's length on, whatever is there; nothing flows back to it.
func cleared(_ x: Tensor, behind lengths: Tensor) -> Tensor {
  guard x.rank >= 2, lengths.type == TensorType(.int32, [x.shape[0]]) else { return x }
  let ones = [Int](repeating: 1, count: x.rank - 2)
  let place = x.trace.iota(TensorType(.int32, [1, x.shape[1]]), axis: 1)
  let isInside = (place .< lengths.reshaped([x.shape[0], 1]))
    .reshaped(Shape([x.shape[0], x.shape[1]] + ones))
  return select(isInside, x, 0)
}
