// Cross-entropy over sequences of which some steps are padding.

import MartletIR

/// Cross-entropy of the labels of sequences of different lengths: logits `[T, B, C]`, labels `[T, B]`,
/// lengths `[B]` (integers, at most T) → a scalar (or `[T, B]` unreduced).
///
/// The steps of a sample from its length on are padding: whatever the logits hold there is neither in
/// the loss nor in gradients. The mean is over all steps that are none, as with PyTorch's
/// `ignore_index`; 0 where there is none. Labels of padding must be classes all the same, such as 0.
/// Lengths beyond T are refused when the program runs. Refused when shapes do not fit.
public func sequenceCrossEntropy(
  logits: Tensor, labels: Tensor, lengths: Tensor, labelSmoothing: Double = 0,
  reduction: LossReduction = .mean, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(logits, file, line) {
    guard logits.rank == 3, lengths.dtype.isInteger, lengths.shape == [logits.shape[1]] else {
      return refuse(
        "sequenceCrossEntropy", "needs logits [T, B, C] and integer lengths [B]", logits, lengths,
        at: logits.trace.place, hint: "time is the leading axis",
        type: TensorType(logits.dtype, []))
    }
    let (steps, batch) = (logits.shape[0], logits.shape[1])
    _ = logits.trace.bound(lengths, below: steps + 1)
    let type = TensorType(lengths.dtype, [steps, batch])
    let mask = logits.trace.iota(type, axis: 0) .< lengths.broadcasted(to: type.shape)
    return sequenceCrossEntropy(
      logits: logits, labels: labels, mask: mask, labelSmoothing: labelSmoothing,
      reduction: reduction)
  }
}

/// Cross-entropy of labels where a mask is true: logits `[…, C]`, labels `[…]`, mask bool `[…]` → a
/// scalar (or `[…]` unreduced).
///
/// As with lengths: what the mask leaves out is neither in the loss nor in gradients, whatever it
/// holds; the mean is over what it keeps, 0 where that is nothing. Refused when shapes do not fit.
public func sequenceCrossEntropy(
  logits: Tensor, labels: Tensor, mask: Tensor, labelSmoothing: Double = 0,
  reduction: LossReduction = .mean, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(logits, file, line) {
    guard logits.rank > 0, mask.dtype == .bool,
      mask.shape.dimensions == Array(logits.shape.dimensions.dropLast())
    else {
      return refuse(
        "sequenceCrossEntropy", "needs logits […, C] and a bool mask […]", logits, mask,
        at: logits.trace.place, type: TensorType(logits.dtype, []))
    }
    // Zeros for what padding holds: a number that is none would come back in gradients.
    let keeps = mask.expandedDims(at: mask.rank).broadcasted(to: logits.shape)
    let terms = softmaxCrossEntropy(
      logits: select(keeps, logits, 0), labels: labels, labelSmoothing: labelSmoothing,
      reduction: .none)
    guard terms.shape == mask.shape else { return terms }
    let kept = select(mask, terms, 0)
    switch reduction {
    case .none: return kept
    case .sum: return kept.sum()
    case .mean: return kept.sum() / maximum(mask.converted(to: logits.dtype).sum(), 1)
    }
  }
}
