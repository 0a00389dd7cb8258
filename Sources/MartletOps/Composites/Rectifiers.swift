// Further rectifiers: scaled, hard and smooth forms.

import MartletIR

/// Scaled exponential linear unit: `λ·x` where `x > 0`, else `λ·α·(eˣ − 1)`, with the λ and α that keep
/// mean 0 and variance 1 from layer to layer.
///
/// Gradient: `λ·dy` where `x > 0`, else `λ·α·eˣ·dy`. Klambauer et al., arXiv:1706.02515.
public func selu(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  composite(x, file, line) { elu(x, alpha: 1.6732632423543772) * 1.0507009873554805 }
}

/// Continuously differentiable ELU: `max(x, 0) + min(0, α·(e^{x/α} − 1))`.
///
/// Gradient: `dy` where `x > 0`, else `e^{x/α}·dy`. Barron, arXiv:1704.07483.
public func celu(
  _ x: Tensor, alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    let isPositive = x .> 0
    return select(isPositive, x, expm1(select(isPositive, 0, x) / alpha) * alpha)
  }
}

/// `min(max(x, 0), 6)`.
///
/// Gradient: `dy` where `0 < x < 6`, else 0. Krizhevsky, "Convolutional deep belief networks", 2010.
public func relu6(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  x.clipped(low: 0, high: 6, file: file, line: line)
}

/// A logistic function of three straight lines, `min(max(x/6 + ½, 0), 1)`.
///
/// Gradient: `dy/6` where `−3 < x < 3`, else 0. Howard et al., arXiv:1905.02244.
public func hardSigmoid(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  composite(x, file, line) { (x / 6 + 0.5).clipped(low: 0, high: 1) }
}

/// `x · hardSigmoid(x)`.
///
/// Gradient: `dy·(x/3 + ½)` where `−3 < x < 3`, 0 below, `dy` above. Howard et al., arXiv:1905.02244.
public func hardSwish(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  composite(x, file, line) {
    select((x .> -3) .& (x .< 3), x * (x / 6 + 0.5), select(x .<= -3, 0, x))
  }
}

/// `min(max(x, low), high)`, −1 and 1 unless told otherwise.
///
/// Gradient: `dy` where `low < x < high`, else 0.
public func hardTanh(
  _ x: Tensor, low: Double = -1, high: Double = 1, file: StaticString = #fileID,
  line: UInt = #line
) -> Tensor {
  x.clipped(low: low, high: high, file: file, line: line)
}

/// `x / (1 + |x|)`.
///
/// Gradient: `dy / (1 + |x|)²`.
public func softsign(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  composite(x, file, line) { x / (1 + abs(x)) }
}

/// `x · tanh(ln(1 + eˣ))`.
///
/// Gradient: by the parts. Misra, arXiv:1908.08681.
public func mish(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  composite(x, file, line) { x * tanh(softplus(x)) }
}

/// Gated linear unit: the first half of the last axis times the logistic of the second,
/// `[…, 2C] → […, C]`.
///
/// Gradient: to both halves. Dauphin et al., arXiv:1612.08083. Refused when the extent is odd.
public func glu(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  composite(x, file, line) {
    guard x.rank > 0, x.shape[x.rank - 1] % 2 == 0 else {
      return refuse("glu", "the last extent is not even", x, at: x.trace.place)
    }
    let halves = x.split(into: 2, axis: -1)
    return halves[0] * logistic(halves[1])
  }
}

/// Logarithm of the logistic function, `−ln(1 + e⁻ˣ)`, exact for large magnitudes.
///
/// Gradient: `dy · (1 − sigmoid(x))`.
public func logSigmoid(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  composite(x, file, line) { -softplus(-x) }
}

/// `x` where `|x| > threshold`, moved towards 0 by `bias`; 0 elsewhere. Hard shrinkage without a bias,
/// soft shrinkage with a bias of the threshold.
///
/// Gradient: `dy` where `|x| > threshold`, else 0.
public func shrink(
  _ x: Tensor, threshold: Double = 0.5, bias: Double = 0, file: StaticString = #fileID,
  line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    select(x .> threshold, x - bias, select(x .< -threshold, x + bias, zerosLike(x)))
  }
}

/// `x` where `x > threshold`, else 0.
///
/// Gradient: `dy` where `x > threshold`, else 0. Konda et al., arXiv:1402.3337.
public func thresholdedRelu(
  _ x: Tensor, threshold: Double = 1, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) { select(x .> threshold, x, 0) }
}
