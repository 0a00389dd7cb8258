// Losses. Each takes predictions and targets, and reduces by mean, sum or not at all.

import MartletIR

/// How a loss combines the terms of a batch.
public enum LossReduction: Hashable, Sendable {
  /// Their mean: a scalar.
  case mean
  /// Their sum: a scalar.
  case sum
  /// The terms themselves.
  case none

  package func applied(to terms: Tensor) -> Tensor {
    switch self {
    case .mean: terms.mean()
    case .sum: terms.sum()
    case .none: terms
    }
  }
}

/// Cross-entropy of integer labels under softmax probabilities, `−ln softmax(logits)[label]`:
/// logits `[…, C]`, labels `[…]` of any integer dtype → a scalar (or `[…]` unreduced).
///
/// `labelSmoothing` s mixes the target with the uniform distribution: weight `1 − s + s/C` on the
/// label, `s/C` on the others. Labels given to the program directly are checked against `0..<C`
/// before each step; computed ones clamp. Gradient: to the logits `(softmax − target) / batch`;
/// none to the labels. Refused when the shapes do not fit.
public func softmaxCrossEntropy(
  logits: Tensor, labels: Tensor, labelSmoothing: Double = 0, reduction: LossReduction = .mean,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(logits, file, line) {
    let place = logits.trace.place
    let scalar = TensorType(logits.dtype, [])
    guard logits.rank > 0, labels.dtype.isInteger,
      labels.shape.dimensions == Array(logits.shape.dimensions.dropLast())
    else {
      return refuse(
        "softmaxCrossEntropy", "needs logits […, C] and integer labels […]", logits, labels,
        at: place, hint: "for probabilities as targets: softmaxCrossEntropy(logits:targets:)",
        type: scalar)
    }
    guard (0...1).contains(labelSmoothing) else {
      return refuse(
        "softmaxCrossEntropy", "the label smoothing \(labelSmoothing) is not in 0...1", logits,
        at: place, type: scalar)
    }
    let axis = logits.rank - 1
    let classes = logits.shape[axis]
    let shifted = logits - stopGradient(logits.max(axes: [axis], keepDims: true))
    let logSum = log(exp(shifted).sum(axes: [axis]))
    let isLabel = labels.indexed(below: classes).matches(classes)
    // A select, not a product with the mask: 0 · −∞ would be NaN.
    var target = select(isLabel, shifted, 0).sum(axes: [axis])
    if labelSmoothing > 0 {
      let uniform = shifted.sum(axes: [axis]) * (labelSmoothing / Double(classes))
      target = target * (1 - labelSmoothing) + uniform
    }
    return reduction.applied(to: logSum - target)
  }
}

/// Cross-entropy of target probabilities under softmax probabilities,
/// `−Σ_c targets_c · ln softmax(logits)_c`: both `[…, C]` → a scalar (or `[…]` unreduced).
///
/// Gradient: to the logits `(softmax · Σ targets − targets) / batch`, to the targets
/// `−ln softmax / batch`. Refused when the types differ.
public func softmaxCrossEntropy(
  logits: Tensor, targets: Tensor, reduction: LossReduction = .mean,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(logits, file, line) {
    guard logits.rank > 0, logits.type == targets.type else {
      return refuse(
        "softmaxCrossEntropy", "logits and targets must have one type […, C]", logits, targets,
        at: logits.trace.place, type: TensorType(logits.dtype, []))
    }
    return reduction.applied(to: -(targets * logSoftmax(logits)).sum(axes: [-1]))
  }
}

/// Cross-entropy of probabilities (labels in 0…1) under independent sigmoids, each element
/// `−(y · ln σ(x) + (1 − y) · ln(1 − σ(x)))`, computed as `softplus(x) − x · y`.
///
/// `logits` and `labels` have one floating-point type. Gradient: to the logits `(σ(x) − y) / n`, to
/// the labels `−x / n`. Refused when the types differ.
public func sigmoidCrossEntropy(
  logits: Tensor, labels: Tensor, reduction: LossReduction = .mean,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  elementwiseLoss("sigmoidCrossEntropy", logits, labels, reduction, file, line) {
    softplus(logits) - logits * labels
  }
}

/// Mean squared error, `(prediction − target)²`.
///
/// Both of one floating-point type (nothing broadcasts: a `[B]` against a `[B, 1]` is refused).
/// Gradient: `2 · (prediction − target) / n`.
public func meanSquaredError(
  _ prediction: Tensor, _ target: Tensor, reduction: LossReduction = .mean,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  elementwiseLoss("meanSquaredError", prediction, target, reduction, file, line) {
    let difference = prediction - target
    return difference * difference
  }
}

/// Mean absolute error, `|prediction − target|`.
///
/// Both of one floating-point type. Gradient: `sign(prediction − target) / n`, 0 where they are
/// equal.
public func meanAbsoluteError(
  _ prediction: Tensor, _ target: Tensor, reduction: LossReduction = .mean,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  elementwiseLoss("meanAbsoluteError", prediction, target, reduction, file, line) {
    abs(prediction - target)
  }
}

/// Huber's loss: `d²/2` where `|d| ≤ delta`, else `delta · (|d| − delta/2)`, with
/// `d = prediction − target`.
///
/// Both of one floating-point type. Gradient: `d` clipped to ±delta, over n. Huber, Ann. Math.
/// Stat. 35 (1964).
public func huber(
  _ prediction: Tensor, _ target: Tensor, delta: Double = 1, reduction: LossReduction = .mean,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  elementwiseLoss("huber", prediction, target, reduction, file, line) {
    let difference = prediction - target
    let size = abs(difference)
    return select(
      size .<= delta, difference * difference * 0.5, (size - delta / 2) * delta)
  }
}

/// A loss whose terms are element by element: both tensors of one floating-point type.
func elementwiseLoss(
  _ op: String, _ prediction: Tensor, _ target: Tensor, _ reduction: LossReduction,
  _ file: StaticString, _ line: UInt, _ terms: () -> Tensor
) -> Tensor {
  composite(prediction, file, line) {
    guard prediction.type == target.type, prediction.dtype.isFloatingPoint else {
      return refuse(
        op, "prediction and target must have one floating-point type", prediction, target,
        at: prediction.trace.place, hint: "reshape or convert one of them",
        type: TensorType(prediction.dtype, []))
    }
    return reduction.applied(to: terms())
  }
}

/// The fraction of rows whose largest logit is at the label: logits `[…, C]`, integer labels `[…]`
/// → a float32 scalar.
///
/// No gradient. Refused when the shapes do not fit.
public func accuracy(
  logits: Tensor, labels: Tensor, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(logits, file, line) {
    guard logits.rank > 0, labels.dtype.isInteger,
      labels.shape.dimensions == Array(logits.shape.dimensions.dropLast())
    else {
      return refuse(
        "accuracy", "needs logits […, C] and integer labels […]", logits, labels,
        at: logits.trace.place, type: TensorType(.float32, []))
    }
    let predicted = logits.argmax(axis: -1)
    let labels = labels.indexed(below: logits.shape[logits.rank - 1])
    return (predicted.converted(to: labels.dtype) .== labels).converted(to: .float32).mean()
  }
}

// MARK: - Indices

extension Tensor {
  /// These integers as i32 or i64 indices below `count`. A program's own argument is checked by
  /// the caller's side before each step; anything computed clamps.
  package func indexed(below count: Int) -> Tensor {
    let isChecked = trace.bound(self, below: count)
    let wide = dtype == .int32 || dtype == .int64 ? self : converted(to: .int32)
    return isChecked ? wide : minimum(maximum(wide, 0), Double(Swift.max(0, count - 1)))
  }

  /// True at place j of a new last axis of `count` where the element is j.
  package func matches(_ count: Int) -> Tensor {
    let type = TensorType(dtype, Shape(shape.dimensions + [count]))
    let repeated = record(Broadcast(shape: type.shape, axes: Array(0..<rank)), self)
    return trace.iota(type, axis: rank) .== repeated
  }
}
