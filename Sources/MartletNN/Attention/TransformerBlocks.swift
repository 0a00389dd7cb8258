// Blocks of transformers: attention and a feed-forward part, each with its residual and norm.

import MartletExecution
import MartletIR
import MartletOps

/// Where a block normalises.
public enum NormPlacement: String, Hashable, Sendable, CaseIterable {
  /// In front of each part, `x + part(norm(x))`: trains without warm-up (Xiong et al.,
  /// arXiv:2002.04745). PyTorch's `norm_first`.
  case before
  /// Behind each residual, `norm(x + part(x))`: as in Attention Is All You Need.
  case after
}

/// The function between the two products of a feed-forward part.
public enum FeedForwardActivation: String, Hashable, Sendable, CaseIterable {
  /// `max(x, 0)`
  case relu
  /// x Φ(x), exact.
  case gelu
  /// `x σ(x)`
  case silu

  func callAsFunction(_ x: Tensor) -> Tensor {
    switch self {
    case .relu: MartletOps.relu(x)
    case .gelu: MartletOps.gelu(x)
    case .silu: MartletOps.silu(x)
    }
  }
}

/// The position-wise part, `[…, W] → […, hidden] → […, W]`, with dropout between.
public struct FeedForward: Layer {
  /// `[W, hidden]`
  public let expand: Linear
  /// `[hidden, W]`
  public let contract: Linear
  /// Between the two.
  public let activation: FeedForwardActivation
  /// The probability of dropping a hidden element while training.
  public let dropout: Double
  /// From its sizes.
  public init(
    _ width: Int, hidden: Int, activation: FeedForwardActivation = .relu, dropout: Double = 0
  ) {
    expand = Linear(width, hidden)
    contract = Linear(hidden, width)
    self.activation = activation
    self.dropout = dropout
  }
  /// Both products and what is between.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    contract(MartletOps.dropout(activation(expand(x)), rate: dropout))
  }
}

/// An encoder's block, `[B, T, W] → [B, T, W]`: attention of the sequence to itself and a feed-forward
/// part, each inside of a residual. With `causality: .fromStart` the block of a language model.
///
/// The same as PyTorch's `nn.TransformerEncoderLayer` with `batch_first`.
public struct TransformerEncoderBlock: Layer {
  /// To itself.
  public let attention: MultiHeadAttention
  /// Of the attention.
  public let attentionNorm: LayerNorm
  /// Position by position.
  public let feedForward: FeedForward
  /// Of the feed-forward part.
  public let feedForwardNorm: LayerNorm
  /// Where it normalises.
  public let norm: NormPlacement
  /// The probability of dropping an element of a part's result, of a hidden element, and, unless the
  /// attention has a rate of its own, of a weight of the attention, while training.
  public let dropout: Double

  /// From its sizes; `hidden` is 4 · width unless given. `attentionDropout` is the rate for weights of
  /// the attention, `dropout` if nil; with 0 training takes the kernel that stores nothing of T · T.
  public init(
    _ width: Int, heads: Int, keyHeads: Int? = nil, hidden: Int? = nil,
    activation: FeedForwardActivation = .relu, norm: NormPlacement = .after,
    causality: AttentionCausality = .none, dropout: Double = 0, attentionDropout: Double? = nil,
    rotary: RotaryPositions? = nil, epsilon: Double = 1e-5
  ) {
    attention = MultiHeadAttention(
      width, heads: heads, keyHeads: keyHeads, causality: causality,
      dropout: attentionDropout ?? dropout, rotary: rotary)
    attentionNorm = LayerNorm(width, epsilon: epsilon)
    feedForward = FeedForward(
      width, hidden: hidden ?? 4 * width, activation: activation, dropout: dropout)
    feedForwardNorm = LayerNorm(width, epsilon: epsilon)
    self.norm = norm
    self.dropout = dropout
  }

  /// The block over whole sequences.
  public func callAsFunction(_ x: Tensor) -> Tensor { callAsFunction(x, keyLengths: nil) }

  /// The block over `x [B, T, W]`; positions from a sample's length on count as padding: they are not
  /// seen, and give what zeros give.
  public func callAsFunction(_ x: Tensor, mask: Tensor? = nil, keyLengths: Tensor?) -> Tensor {
    let x = keyLengths.map { cleared(x, behind: $0) } ?? x
    let y = residual(x, attentionNorm, norm, dropout) {
      attention($0, mask: mask, keyLengths: keyLengths)
    }
    return residual(y, feedForwardNorm, norm, dropout) { feedForward($0) }
  }

  /// New positions `x [B, N, W]` behind those in `cache`; see
  /// ``MultiHeadAttention/callAsFunction(_:cache:position:)``.
  public func callAsFunction(
    _ x: Tensor, cache: KeyValues, position: Tensor
  ) -> (output: Tensor, cache: KeyValues) {
    var after = cache
    let y = residual(x, attentionNorm, norm, dropout) { x in
      let made = attention(x, cache: cache, position: position)
      after = made.cache
      return made.output
    }
    return (residual(y, feedForwardNorm, norm, dropout) { feedForward($0) }, after)
  }
}

/// `x + part(norm(x))`, or `norm(x + part(x))`.
private func residual(
  _ x: Tensor, _ norm: LayerNorm, _ placement: NormPlacement, _ rate: Double,
  _ part: (Tensor) -> Tensor
) -> Tensor {
  switch placement {
  case .before: x + dropout(part(norm(x)), rate: rate)
  case .after: norm(x + dropout(part(x), rate: rate))
  }
}

/// A decoder's block: causal attention to itself, attention to the encoder's result, a feed-forward
/// part, each inside of a residual.
///
/// The same as PyTorch's `nn.TransformerDecoderLayer` with `batch_first` and a causal mask.
public struct TransformerDecoderBlock: Sendable {
  /// To itself, causal.
  public let attention: MultiHeadAttention
  /// Of the attention to itself.
  public let attentionNorm: LayerNorm
  /// To the memory.
  public let crossAttention: MultiHeadAttention
  /// Of the attention to the memory.
  public let crossNorm: LayerNorm
  /// Position by position.
  public let feedForward: FeedForward
  /// Of the feed-forward part.
  public let feedForwardNorm: LayerNorm
  /// Where it normalises.
  public let norm: NormPlacement
  /// As in ``TransformerEncoderBlock``.
  public let dropout: Double

  /// From its sizes; `hidden` is 4 · width unless given.
  public init(
    _ width: Int, heads: Int, hidden: Int? = nil, activation: FeedForwardActivation = .relu,
    norm: NormPlacement = .after, dropout: Double = 0, epsilon: Double = 1e-5
  ) {
    attention = MultiHeadAttention(
      width, heads: heads, causality: .fromStart, dropout: dropout)
    attentionNorm = LayerNorm(width, epsilon: epsilon)
    crossAttention = MultiHeadAttention(width, heads: heads, dropout: dropout)
    crossNorm = LayerNorm(width, epsilon: epsilon)
    feedForward = FeedForward(
      width, hidden: hidden ?? 4 * width, activation: activation, dropout: dropout)
    feedForwardNorm = LayerNorm(width, epsilon: epsilon)
    self.norm = norm
    self.dropout = dropout
  }

  /// The parameters, in order of declaration.
  public var parameters: [Parameter] { Naming.parameters(of: self) }

  /// The block over `x [B, T, W]` and the encoder's `memory [B, S, W]`, of both of which what lies
  /// behind a sample's length is padding.
  public func callAsFunction(
    _ x: Tensor, memory: Tensor, keyLengths: Tensor? = nil, memoryLengths: Tensor? = nil
  ) -> Tensor {
    let x = keyLengths.map { cleared(x, behind: $0) } ?? x
    let y = residual(x, attentionNorm, norm, dropout) { attention($0, keyLengths: keyLengths) }
    let z = residual(y, crossNorm, norm, dropout) {
      crossAttention($0, memory: memory, keyLengths: memoryLengths)
    }
    return residual(z, feedForwardNorm, norm, dropout) { feedForward($0) }
  }

  /// New positions `x [B, N, W]` behind those in `cache`, and the encoder's `memory`.
  public func callAsFunction(
    _ x: Tensor, memory: Tensor, memoryLengths: Tensor? = nil, cache: KeyValues, position: Tensor
  ) -> (output: Tensor, cache: KeyValues) {
    var after = cache
    let y = residual(x, attentionNorm, norm, dropout) { x in
      let made = attention(x, cache: cache, position: position)
      after = made.cache
      return made.output
    }
    let z = residual(y, crossNorm, norm, dropout) {
      crossAttention($0, memory: memory, keyLengths: memoryLengths)
    }
    return (residual(z, feedForwardNorm, norm, dropout) { feedForward($0) }, after)
  }
}
