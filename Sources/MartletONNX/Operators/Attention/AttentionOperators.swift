// Attention and what belongs to it. Specifications: https://onnx.ai/onnx/operators/onnx__NAME.html

import MartletIR
import MartletOps

let attentionOperators: [OperatorEntry] = [
  OperatorEntry(Attention.self), OperatorEntry(FlexAttention.self),
  OperatorEntry(RotaryEmbedding.self), OperatorEntry(LinearAttention.self),
  OperatorEntry(CausalConvWithState.self),
]

extension NodeContext {
  /// `[B, L, H · D]` as `[B, H, L, D]`.
  func splitHeads(_ x: Tensor, _ heads: Int) throws -> Tensor {
    guard x.rank == 3, heads > 0, x.shape[2] % heads == 0 else {
      throw invalid("\(heads) heads of \(x.type)")
    }
    return x.reshaped([x.shape[0], x.shape[1], heads, x.shape[2] / heads])
      .transposed([0, 2, 1, 3])
  }

  /// `q · kᵀ` of heads, `[B, H, L, D], [B, G, S, D] → [B, H, L, S]`; H / G heads of q share one of k.
  func scores(_ q: Tensor, _ k: Tensor) -> Tensor {
    let (heads, length, groups) = (q.shape[1], q.shape[2], k.shape[1])
    return matmul(
      q.reshaped([q.shape[0], groups, heads / groups * length, q.shape[3]]),
      k.transposed([0, 1, 3, 2])
    ).reshaped([q.shape[0], heads, length, k.shape[2]])
  }

  /// Sums of values by weights, `[B, H, L, S], [B, G, S, D] → [B, H, L, D]`.
  func weighted(_ weights: Tensor, _ v: Tensor) -> Tensor {
    let (heads, length, groups) = (weights.shape[1], weights.shape[2], v.shape[1])
    return matmul(
      weights.reshaped([weights.shape[0], groups, heads / groups * length, weights.shape[3]]), v
    ).reshaped([weights.shape[0], heads, length, v.shape[3]])
  }

  /// Throws unless queries, keys and values are of heads that fit.
  func checkHeads(_ q: Tensor, _ k: Tensor, _ v: Tensor) throws {
    guard q.rank == 4, k.rank == 4, v.rank == 4, q.dtype.isFloatingPoint, q.dtype == k.dtype,
      q.shape[0] == k.shape[0], k.shape[0] == v.shape[0], k.shape[1] == v.shape[1],
      k.shape[1] > 0, q.shape[1] % k.shape[1] == 0, k.shape[2] == v.shape[2],
      q.shape[3] == k.shape[3]
    else {
      throw invalid("queries, keys and values of \(q.type), \(k.type), \(v.type)")
    }
  }

  /// The square root of the factor of the scores; queries and keys are each scaled by it.
  func scoreScale(_ q: Tensor) throws -> Double {
    let scale = try float("scale") ?? 1 / Double(max(1, q.shape[3])).squareRoot()
    guard scale >= 0 else { throw invalid("the scale \(scale) is negative") }
    return scale.squareRoot()
  }
}
