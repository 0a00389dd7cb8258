// Layer and batch normalisation. Gradients flow through mean and variance.

import MartletIR

/// Layer normalisation along one axis: `(x − mean) / √(variance + ε) · scale + bias`, with the
/// population's variance of each row.
///
/// `scale` and `bias` are `[C]`, C the extent of `axis`; nil leaves them out. Shape and dtype of
/// the result: those of `x`. Gradient: to `x` through mean and variance, to `scale` and `bias` sums
/// over rows. Ba et al., arXiv:1607.06450. Refused when extents do not fit.
public func layerNorm(
  _ x: Tensor, scale: Tensor? = nil, bias: Tensor? = nil, epsilon: Double = 1e-5, axis: Int = -1,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard let axis = x.checkedAxis(axis, op: "layerNorm", at: x.trace.place) else {
      return x.poisoned
    }
    let centred = x - x.mean(axes: [axis], keepDims: true)
    let variance = (centred * centred).mean(axes: [axis], keepDims: true)
    return affine(
      centred * rsqrt(variance + epsilon), scale, bias, axis: axis, op: "layerNorm")
  }
}

/// Root-mean-square normalisation along one axis: `x / √(mean(x²) + ε) · scale`.
///
/// `scale` is `[C]` or nil. Gradient: to `x` through the mean square, to `scale` sums over rows. Zhang
/// and Sennrich, arXiv:1910.07467. Refused when extents do not fit.
public func rmsNorm(
  _ x: Tensor, scale: Tensor? = nil, epsilon: Double = 1e-6, axis: Int = -1,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard let axis = x.checkedAxis(axis, op: "rmsNorm", at: x.trace.place) else {
      return x.poisoned
    }
    let square = (x * x).mean(axes: [axis], keepDims: true)
    return affine(x * rsqrt(square + epsilon), scale, nil, axis: axis, op: "rmsNorm")
  }
}

/// Group normalisation of `[N, …, C]`: each sample's channels in `groups` groups, each with the mean
/// and the population's variance over its channels and all places.
///
/// `scale` and `bias` are `[C]` or nil. One group is layer normalisation over all but the batch, as
/// many as channels is instance normalisation. Gradient: through mean and variance. Wu and He,
/// arXiv:1803.08494. Refused when the groups do not divide the channels.
public func groupNorm(
  _ x: Tensor, groups: Int, scale: Tensor? = nil, bias: Tensor? = nil, epsilon: Double = 1e-5,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    let channels = x.shape.dimensions.last ?? 0
    guard x.rank >= 2, groups > 0, channels % groups == 0 else {
      return refuse(
        "groupNorm", "\(groups) groups do not divide the \(channels) channels", x,
        at: x.trace.place)
    }
    let split = x.reshaped(Shape(x.shape.dimensions.dropLast() + [groups, channels / groups]))
    let axes = Array(1..<x.rank - 1) + [x.rank]
    let centred = split - split.mean(axes: axes, keepDims: true)
    let variance = (centred * centred).mean(axes: axes, keepDims: true)
    let unit = (centred * rsqrt(variance + epsilon)).reshaped(x.shape)
    return affine(unit, scale, bias, axis: x.rank - 1, op: "groupNorm")
  }
}

/// Instance normalisation of `[N, …, C]`: each channel of each sample over its places.
///
/// `scale` and `bias` are `[C]` or nil. Gradient: through mean and variance. Ulyanov et al.,
/// arXiv:1607.08022.
public func instanceNorm(
  _ x: Tensor, scale: Tensor? = nil, bias: Tensor? = nil, epsilon: Double = 1e-5,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  groupNorm(
    x, groups: max(1, x.shape.dimensions.last ?? 1), scale: scale, bias: bias, epsilon: epsilon,
    file: file, line: line)
}

/// Batch normalisation with the batch's own statistics, over all axes but `axis` (the channels).
///
/// `normalized = (x − mean) / √(variance + ε) · scale + bias`; `mean` and `variance` are `[C]`, the
/// variance the population's (divide by m); running averages use `variance · m / (m − 1)`.
/// Gradients flow through both. `scale` and `bias` are `[C]` or nil. Ioffe and Szegedy,
/// arXiv:1502.03167.
public func batchNorm(
  _ x: Tensor, scale: Tensor? = nil, bias: Tensor? = nil, epsilon: Double = 1e-5, axis: Int = -1,
  file: StaticString = #fileID, line: UInt = #line
) -> (normalized: Tensor, mean: Tensor, variance: Tensor) {
  composite(x, file, line) {
    guard let axis = x.checkedAxis(axis, op: "batchNorm", at: x.trace.place) else {
      return (x.poisoned, x.poisoned, x.poisoned)
    }
    let others = (0..<x.rank).filter { $0 != axis }
    // Sums of x − s and (x − s)², in one pass over x. With s near the mean nothing cancels; the
    // results do not depend on s, so no gradient flows into it. Chan, Golub and LeVeque, Algorithms
    // for Computing the Sample Variance, 1983.
    var shift = stopGradient(x)
    if let sample = others.first {
      shift = shift.sliced(0..<min(1, x.shape[sample]), axis: sample)
    }
    shift = shift.mean(axes: others)
    let shifted = x - shift.along(axis, of: x)
    let offset = shifted.mean(axes: others)
    let square = (shifted * shifted).mean(axes: others)
    let variance = maximum(square - offset * offset, 0)
    let factor = folded(rsqrt(variance + epsilon), scale, [x.shape[axis]], "scale", x)
    let term = folded(-offset * factor, bias, [x.shape[axis]], "bias", x)
    return (
      shifted * factor.along(axis, of: x) + term.along(axis, of: x), shift + offset, variance
    )
  }
}

/// Batch normalisation with given statistics `[C]`, as at inference:
/// `(x − mean) / √(variance + ε) · scale + bias`.
///
/// Gradient: to all operands.
public func batchNorm(
  _ x: Tensor, scale: Tensor? = nil, bias: Tensor? = nil, mean: Tensor, variance: Tensor,
  epsilon: Double = 1e-5, axis: Int = -1, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard let axis = x.checkedAxis(axis, op: "batchNorm", at: x.trace.place) else {
      return x.poisoned
    }
    let channels: Shape = [x.shape[axis]]
    guard mean.shape == channels, variance.shape == channels else {
      return refuse(
        "batchNorm", "mean and variance must be \(channels)", x, mean, variance, at: x.trace.place)
    }
    // One factor and one term a channel: constants of a frozen model, and then part of a filter.
    let factor = folded(rsqrt(variance + epsilon), scale, channels, "scale", x)
    let term = folded(-mean * factor, bias, channels, "bias", x)
    return x * factor.along(axis, of: x) + term.along(axis, of: x)
  }
}

/// `value · scale` or `value + bias` of the channels.
private func folded(
  _ value: Tensor, _ operand: Tensor?, _ channels: Shape, _ role: String, _ x: Tensor
) -> Tensor {
  guard let operand else { return value }
  guard operand.shape == channels else {
    return refuse("batchNorm", "the \(role) must be \(channels)", x, operand, at: x.trace.place)
  }
  return role == "scale" ? value * operand : value + operand
}

private func affine(
  _ x: Tensor, _ scale: Tensor?, _ bias: Tensor?, axis: Int, op: String
) -> Tensor {
  var y = x
  for (factor, role) in [(scale, "scale"), (bias, "bias")] {
    guard let factor else { continue }
    guard factor.shape == [x.shape[axis]] else {
      return refuse(
        op, "the \(role) must be [\(x.shape[axis])]", x, factor, at: x.trace.place)
    }
    y = role == "scale" ? y * factor.along(axis, of: x) : y + factor.along(axis, of: x)
  }
  return y
}

extension Tensor {
  /// A vector `[C]` repeated along all axes of `x` but `axis`, whose extent is C.
  package func along(_ axis: Int, of x: Tensor) -> Tensor {
    guard rank == 1 else { return self }
    return record(Broadcast(shape: x.shape, axes: [axis]), self)
  }
}
