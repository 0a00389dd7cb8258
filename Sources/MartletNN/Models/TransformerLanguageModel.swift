// A causal transformer over tokens.

import MartletExecution
import MartletIR
import MartletOps

/// A language model, tokens `[B, T]` → logits `[B, T, V]`: embedding and learned positions, causal
/// blocks that normalise in front of their parts, GELU, a last norm and a product to the vocabulary
/// (Radford et al., 2019).
public struct TransformerLanguageModel: Layer {
  /// `[V, W]`
  public let embedding: Embedding
  /// `[capacity, W]`
  public let positions: LearnedPositions
  /// In order.
  public let blocks: [TransformerEncoderBlock]
  /// Behind the blocks.
  public let norm: LayerNorm
  /// `[W, V]`
  public let output: Linear
  /// The probability of dropping an element of the embedded tokens, and in the blocks, while training.
  public let dropout: Double

  /// From its sizes: V tokens, sequences of up to `capacity`. `attentionDropout` is the rate for
  /// weights of the attention, `dropout` if nil; `initializer` draws the vectors of tokens and
  /// positions.
  public init(
    vocabulary: Int, capacity: Int, width: Int, heads: Int, layers: Int, hidden: Int? = nil,
    dropout: Double = 0, attentionDropout: Double? = nil,
    initializer: Initializer = .normal(standardDeviation: 0.02)
  ) {
    self.dropout = dropout
    embedding = Embedding(vocabulary, width, initializer: initializer)
    positions = LearnedPositions(capacity, width, initializer: initializer)
    blocks = (0..<max(0, layers)).map { _ in
      TransformerEncoderBlock(
        width, heads: heads, hidden: hidden, activation: .gelu, norm: .before,
        causality: .fromStart, dropout: dropout, attentionDropout: attentionDropout)
    }
    norm = LayerNorm(width)
    output = Linear(width, vocabulary)
  }

  /// The logits of each next token; tokens are integers `[B, T]`.
  public func callAsFunction(_ tokens: Tensor) -> Tensor {
    let embedded = positions(embedding(tokens))
    let first = dropout > 0 ? MartletOps.dropout(embedded, rate: dropout) : embedded
    return output(norm(blocks.reduce(first) { $1($0) }))
  }

  /// The logits `[B, N, V]` of new tokens `[B, N]` behind `position` others, whose keys and values are in
  /// `caches`, one for each block; and the caches with the new ones.
  public func callAsFunction(
    _ tokens: Tensor, caches: [KeyValues], position: Tensor
  ) -> (logits: Tensor, caches: [KeyValues]) {
    guard caches.count == blocks.count else {
      if tokens.value != nil {
        tokens.trace.report(
          TypeError(
            op: "TransformerLanguageModel", "takes \(blocks.count) caches, got \(caches.count)"),
          [tokens.type], at: tokens.trace.place)
      }
      return (Tensor(trace: tokens.trace, value: nil, type: tokens.type), caches)
    }
    var x = positions(embedding(tokens), from: position)
    var after: [KeyValues] = []
    for (block, cache) in zip(blocks, caches) {
      let made = block(x, cache: cache, position: position)
      x = made.output
      after.append(made.cache)
    }
    return (output(norm(x)), after)
  }
}
