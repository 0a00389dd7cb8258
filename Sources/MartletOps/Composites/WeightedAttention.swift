// Attention whose weights are wanted, or changed on their way: in ordinary operations.

import MartletIR

/// Attention with each weight dropped with probability `rate` while training, the others divided by
/// 1 − rate; `[B, T, H, D]`, else as
/// ``scaledDotProductAttention(_:_:_:mask:keyLengths:causality:scale:layout:file:line:)``. The weights
/// `[B, H, T, S]` exist here.
public func attentionDroppingWeights(
  _ query: Tensor, _ key: Tensor, _ value: Tensor, mask: Tensor? = nil, keyLengths: Tensor? = nil,
  causality: AttentionCausality = .none, scale: Double? = nil, rate: Double,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(query, file, line) {
    let width = max(1, query.shape.dimensions.last ?? 1)
    let geometry = AttentionGeometry(
      .sequenceFirst, causality, scale: scale ?? 1 / Double(width).squareRoot(),
      hasMask: mask != nil, hasLengths: keyLengths != nil)
    var operands = [query, key, value]
    if let mask {
      let leading = [Int](repeating: 1, count: max(0, 4 - mask.rank))
      operands.append(
        mask.rank < 4 ? mask.reshaped(Shape(leading + mask.shape.dimensions)) : mask)
    }
    if let keyLengths { operands.append(keyLengths) }
    // The operation itself says what is wrong with the operands.
    guard (try? geometry.extents(operands.map(\.type), op: Attention.name)) != nil else {
      return recordAll(Attention(geometry), operands)[0]
    }
    return PlainAttention(geometry, operands).output { dropout($0, rate: rate) }.output
  }
}

/// Softmax over the last axis of those elements that `seen` holds for; the others get a weight of
/// exactly 0, whatever they are. A row of which nothing is seen gives zeros.
///
/// Gradient: that of the softmax over what is seen, 0 to the rest.
public func maskedSoftmax(
  _ x: Tensor, seen: Tensor, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard x.rank > 0, seen.dtype == .bool, x.dtype.isFloatingPoint,
      broadcastShapes(x.shape, seen.shape) == x.shape
    else {
      return refuse(
        "maskedSoftmax", "takes floats and bools that broadcast to them", x, seen,
        at: x.trace.place)
    }
    let all = seen.broadcasted(to: x.shape)
    let largest = stopGradient(select(all, x, -.infinity).max(axes: [-1], keepDims: true))
    let shift = select(largest .> -Double.infinity, largest, 0)
    let e = select(all, exp(select(all, x - shift, 0)), 0)
    let total = e.sum(axes: [-1], keepDims: true)
    return e / select(total .> 0, total, 1)
  }
}
