// Losses over pairs and triples of vectors, margins, and distances.

import MartletIR

/// Hinge loss, `max(0, margin − label · prediction)` with labels −1 and 1.
///
/// Both of one floating-point type. Gradient: to the prediction `−label / n` inside of the margin.
/// Cortes and Vapnik, Machine Learning 20 (1995).
public func hinge(
  _ prediction: Tensor, _ label: Tensor, margin: Double = 1, squared: Bool = false,
  reduction: LossReduction = .mean, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  elementwiseLoss("hinge", prediction, label, reduction, file, line) {
    let excess = relu(margin - label * prediction)
    return squared ? excess * excess : excess
  }
}

/// Cross-entropy of probabilities, `−(y · ln p + (1 − y) · ln(1 − p))`, the logarithms not below −100.
///
/// Both of one floating-point type. Prefer ``sigmoidCrossEntropy(logits:labels:reduction:file:line:)``
/// over the logits: it loses no digits where p is near 0 or 1. Gradient: to p
/// `(p − y) / (p·(1 − p)·n)`, 0 where a logarithm was cut.
public func binaryCrossEntropy(
  _ probability: Tensor, _ label: Tensor, reduction: LossReduction = .mean,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  elementwiseLoss("binaryCrossEntropy", probability, label, reduction, file, line) {
    // The slope of a logarithm at 0 is infinite, and 0 · ∞ is no number: what is cut takes another way.
    func cut(_ isZero: Tensor, _ logarithm: (Tensor) -> Tensor, _ x: Tensor, _ safe: Double)
      -> Tensor
    {
      select(isZero, -100, maximum(logarithm(select(isZero, safe, x)), -100))
    }
    let p = probability
    return
      -(label * cut(p .== 0, { log($0) }, p, 1)
      + (1 - label) * cut(p .== 1, { log1p(-$0) }, p, 0))
  }
}

/// Kullback–Leibler divergence `target · (ln target − logProbability)`, 0 where the target is 0.
///
/// Both of one floating-point type. Divide a sum by the batch for the mean over rows.
public func klDivergence(
  _ logProbability: Tensor, _ target: Tensor, reduction: LossReduction = .sum,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  elementwiseLoss("klDivergence", logProbability, target, reduction, file, line) {
    let isPositive = target .> 0
    let safe = select(isPositive, target, 1)
    return select(isPositive, safe * log(safe), 0) - target * logProbability
  }
}

/// `‖x‖_p` along axes: `(Σ |x|^p)^{1/p}`; p = 1, 2 and ∞ without powers.
///
/// Gradient: for 2 `x/‖x‖`, 0 at a zero vector; for ∞ to the first largest element; else
/// `sign(x)·(|x|/‖x‖)^{p−1}`. Refused for p below 1.
public func norm(
  _ x: Tensor, p: Double = 2, axes: [Int]? = nil, keepDims: Bool = false,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    let axes = axes ?? Array(0..<x.rank)
    guard p >= 1, x.dtype.isFloatingPoint else {
      return refuse("norm", "p = \(p) of \(x.dtype)", x, at: x.trace.place, hint: "p is at least 1")
    }
    if p == 1 { return abs(x).sum(axes: axes, keepDims: keepDims) }
    if p == .infinity { return abs(x).max(axes: axes, keepDims: keepDims) }
    let sum = (p == 2 ? x * x : pow(abs(x), p)).sum(axes: axes, keepDims: keepDims)
    // The root's slope at 0 is infinite: a zero vector takes another way, whose slope is 0.
    let isZero = sum .== 0
    let safe = select(isZero, 1, sum)
    return select(isZero, 0, p == 2 ? sqrt(safe) : pow(safe, 1 / p))
  }
}

/// Cosine of the angle between vectors along an axis, `a·b / max(‖a‖·‖b‖, ε)`: both of one type →
/// without the axis.
///
/// Gradient: to both. The norms as in ``norm(_:p:axes:keepDims:file:line:)``.
public func cosineSimilarity(
  _ a: Tensor, _ b: Tensor, axis: Int = -1, epsilon: Double = 1e-8,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(a, file, line) {
    guard a.type == b.type, a.dtype.isFloatingPoint else {
      return refuse("cosineSimilarity", "needs two tensors of one type", a, b, at: a.trace.place)
    }
    let product = (a * b).sum(axes: [axis])
    return product
      / (maximum(norm(a, axes: [axis]), epsilon) * maximum(norm(b, axes: [axis]), epsilon))
  }
}

/// Cosine embedding loss: `1 − cos` for pairs with label 1, `max(0, cos − margin)` for label −1:
/// `[B, D]`, `[B, D]`, labels `[B]` of the same dtype.
public func cosineEmbeddingLoss(
  _ a: Tensor, _ b: Tensor, _ label: Tensor, margin: Double = 0, reduction: LossReduction = .mean,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(a, file, line) {
    let cosine = cosineSimilarity(a, b)
    guard label.type == cosine.type else {
      return refuse(
        "cosineEmbeddingLoss", "the labels must be \(cosine.type)", a, label, at: a.trace.place)
    }
    return reduction.applied(to: select(label .> 0, 1 - cosine, relu(cosine - margin)))
  }
}

/// Triplet loss `max(0, d(a, p) − d(a, n) + margin)` with the p-norm of differences along the last
/// axis, each element of which is enlarged by ε as in PyTorch: three of one type `[B, D]`.
///
/// Schroff, Kalenichenko and Philbin, arXiv:1503.03832 (there with squared distances: `squared`).
public func tripletLoss(
  anchor: Tensor, positive: Tensor, negative: Tensor, margin: Double = 1, p: Double = 2,
  squared: Bool = false, epsilon: Double = 1e-6, reduction: LossReduction = .mean,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(anchor, file, line) {
    guard anchor.type == positive.type, anchor.type == negative.type, anchor.rank > 0 else {
      return refuse(
        "tripletLoss", "anchor, positive and negative must have one type", anchor, positive,
        negative, at: anchor.trace.place)
    }
    func distance(_ other: Tensor) -> Tensor {
      if squared {
        let difference = anchor - other
        return (difference * difference).sum(axes: [-1])
      }
      return norm(anchor - other + epsilon, p: p, axes: [-1])
    }
    return reduction.applied(to: relu(distance(positive) - distance(negative) + margin))
  }
}

/// Contrastive loss of pairs: `½·y·d² + ½·(1 − y)·max(0, margin − d)²` with y = 1 for pairs that belong
/// together and d the Euclidean distance along the last axis.
///
/// `[B, D]`, `[B, D]`, labels `[B]` of the same dtype. Hadsell, Chopra and LeCun, CVPR 2006.
public func contrastiveLoss(
  _ a: Tensor, _ b: Tensor, _ label: Tensor, margin: Double = 1, reduction: LossReduction = .mean,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(a, file, line) {
    guard a.type == b.type, a.rank > 0,
      label.type == TensorType(a.dtype, Shape(Array(a.shape.dimensions.dropLast())))
    else {
      return refuse(
        "contrastiveLoss", "needs two tensors […, D] of one type and labels […] of its dtype", a, b,
        at: a.trace.place)
    }
    let distance = norm(a - b, axes: [-1])
    let gap = relu(margin - distance)
    return reduction.applied(
      to: (label * distance * distance + (1 - label) * gap * gap) * 0.5)
  }
}

/// The p-norm of each sample's error, `‖prediction − target‖_p` over all axes but the first: both
/// `[B, …]` of one floating-point type → a scalar (or `[B]` unreduced); p = 1, 2, ∞ or any from 1 on.
///
/// Gradient: that of ``norm(_:p:axes:keepDims:file:line:)``; for ∞ to the first largest error.
public func normError(
  _ prediction: Tensor, _ target: Tensor, p: Double = 2, reduction: LossReduction = .mean,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  elementwiseLoss("normError", prediction, target, reduction, file, line) {
    norm(prediction - target, p: p, axes: Array(1..<Swift.max(1, prediction.rank)))
  }
}
