// Activation functions: plain functions of operations, which fusion makes one kernel again.

import MartletIR

/// Rectified linear unit, `max(x, 0)`.
///
/// Shape and dtype of the result: those of `x`. NaN propagates. Gradient: `dy` where `x > 0`, else
/// 0.
public func relu(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  maximum(x, 0, file: file, line: line)
}

/// Leaky rectified linear unit: `x` where `x > 0`, else `slope · x`.
///
/// Gradient: `dy` where `x > 0`, else `slope · dy`. Maas et al., "Rectifier nonlinearities improve
/// neural network acoustic models", 2013.
public func leakyRelu(
  _ x: Tensor, slope: Double = 0.01, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) { select(x .> 0, x, x * slope) }
}

/// Parametric rectified linear unit: `x` where `x > 0`, else `slope · x` with a learned slope.
///
/// `slope` broadcasts to `x` by NumPy's rule (one for each channel: `[C]`). Gradient: to `x` as for
/// a leaky ReLU, to `slope` the sum of `x · dy` where `x ≤ 0`. He et al., arXiv:1502.01852.
public func prelu(
  _ x: Tensor, slope: Tensor, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) { select(x .> 0, x, x * slope) }
}

/// Exponential linear unit: `x` where `x > 0`, else `alpha · (eˣ − 1)`.
///
/// Gradient: `dy` where `x > 0`, else `alpha · eˣ · dy`. Clevert et al., arXiv:1511.07289.
public func elu(
  _ x: Tensor, alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    let isPositive = x .> 0
    // The exponential sees no positive number: it cannot overflow into a masked infinity, whose
    // gradient would be NaN.
    let negative = select(isPositive, 0, x)
    return select(isPositive, x, alpha == 1 ? expm1(negative) : expm1(negative) * alpha)
  }
}

/// Which formula ``gelu(_:approximation:file:line:)`` uses.
public enum GELUApproximation: Hashable, Sendable {
  /// With the error function.
  case none
  /// With a hyperbolic tangent; differs from the exact form by at most 5·10⁻⁴.
  case tanh
}

/// Gaussian error linear unit, `x · Φ(x) = x/2 · (1 + erf(x / √2))`, or its tanh approximation
/// `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`.
///
/// Gradient: `dy · (Φ(x) + x · φ(x))`. Hendrycks and Gimpel, arXiv:1606.08415.
public func gelu(
  _ x: Tensor, approximation: GELUApproximation = .none, file: StaticString = #fileID,
  line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    switch approximation {
    case .none: return record(Gelu(), x)
    case .tanh:
      let inner = 0.7978845608028654 * (x + 0.044715 * (x * x * x))
      return x * 0.5 * (1 + tanh(inner))
    }
  }
}

/// Logistic function, `1 / (1 + e^{−x})`.
///
/// Gradient: `dy · y · (1 − y)`.
public func sigmoid(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  logistic(x, file: file, line: line)
}

/// Sigmoid-weighted linear unit (swish), `x · sigmoid(x)`.
///
/// Gradient: `dy · (s + x · s · (1 − s))` with `s = sigmoid(x)`. Elfwing et al., arXiv:1702.03118.
public func silu(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  composite(x, file, line) { x * logistic(x) }
}

/// Smooth rectifier, `ln(1 + eˣ)`, exact for large magnitudes: `max(x, 0) + ln(1 + e^{−|x|})`.
///
/// Gradient: `dy · sigmoid(x)`, at 0 too.
public func softplus(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  composite(x, file, line) {
    // −|x| by a select whose derivative at 0 is 1, not abs's 0: the sum's is then exactly ½.
    maximum(x, 0) + log1p(exp(select(x .> 0, -x, x)))
  }
}

/// Maxout: the largest of `pieces` neighbouring channels, `[…, C · pieces] → […, C]`.
///
/// Gradient: to the first largest piece. Goodfellow et al., arXiv:1302.4389. Refused when `pieces`
/// does not divide the last extent.
public func maxout(
  _ x: Tensor, pieces: Int, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard x.rank > 0, pieces > 0, x.shape[x.rank - 1] % pieces == 0 else {
      return refuse(
        "maxout", "\(pieces) pieces do not divide the last extent", x, at: x.trace.place)
    }
    let channels = x.shape[x.rank - 1] / pieces
    let split = Shape(x.shape.dimensions.dropLast() + [channels, pieces])
    return x.reshaped(split).max(axes: [-1])
  }
}
