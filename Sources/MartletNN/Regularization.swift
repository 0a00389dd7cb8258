// Dropout and normalisation layers.

import MartletExecution
import MartletIR
import MartletOps

/// Drops elements while training; the mask is new at every step and reproducible from (seed, step).
public struct Dropout: Layer {
  /// The probability of dropping.
  public let rate: Double
  /// Where the dropped elements are made up for.
  public let scaling: DropoutScaling
  /// Dropout with this probability of dropping.
  public init(_ rate: Double, scaling: DropoutScaling = .inverted) {
    self.rate = rate
    self.scaling = scaling
  }
  /// The input with elements dropped while training.
  public func callAsFunction(_ x: Tensor) -> Tensor { dropout(x, rate: rate, scaling: scaling) }
}

/// Layer normalisation over the last axis with learned scale and bias, `[…, C] → […, C]`.
public struct LayerNorm: Layer {
  /// [C], ones at first.
  public let scale: Parameter
  /// [C], zeros at first.
  public let bias: Parameter
  /// ε under the root.
  public let epsilon: Double
  /// Normalisation of rows of this many elements.
  public init(_ size: Int, epsilon: Double = 1e-5) {
    scale = Parameter([size], initializer: .ones)
    bias = Parameter([size], initializer: .zeros)
    self.epsilon = epsilon
  }
  /// The normalised rows.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.trace.scoped(scopeName(scale, "LayerNorm")) {
      layerNorm(
        x, scale: scale.tensor(in: x.trace), bias: bias.tensor(in: x.trace), epsilon: epsilon)
    }
  }
}

/// Batch normalisation over all axes but the last, `[…, C] → […, C]`.
///
/// While training it uses the batch's statistics, through which gradients flow, and updates the
/// running ones: `running ← (1 − momentum)·running + momentum·batch`, the variance unbiased,
/// m/(m−1). At inference it uses the running statistics. Mode belongs to the trace.
public struct BatchNorm: Layer {
  /// [C], ones at first.
  public let scale: Parameter
  /// [C], zeros at first.
  public let bias: Parameter
  /// [C], not trainable.
  public let runningMean: Parameter
  /// [C], not trainable.
  public let runningVariance: Parameter
  /// The weight of a new batch in the running statistics.
  public let momentum: Double
  /// ε under the root.
  public let epsilon: Double
  /// Normalisation of this many channels.
  public init(_ channels: Int, momentum: Double = 0.1, epsilon: Double = 1e-5) {
    scale = Parameter([channels], initializer: .ones)
    bias = Parameter([channels], initializer: .zeros)
    runningMean = Parameter([channels], initializer: .zeros, trainable: false)
    runningVariance = Parameter([channels], initializer: .ones, trainable: false)
    self.momentum = momentum
    self.epsilon = epsilon
  }
  /// The normalised channels.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let trace = x.trace
    return trace.scoped(scopeName(scale, "BatchNorm")) {
      let (gamma, beta) = (scale.tensor(in: trace), bias.tensor(in: trace))
      let (mean, variance) = (runningMean.tensor(in: trace), runningVariance.tensor(in: trace))
      guard trace.isTraining else {
        return batchNorm(
          x, scale: gamma, bias: beta, mean: mean, variance: variance, epsilon: epsilon)
      }
      let (y, batchMean, batchVariance) = batchNorm(x, scale: gamma, bias: beta, epsilon: epsilon)
      let samples = Double(x.count / max(1, x.shape.dimensions.last ?? 1))
      let unbiased = samples > 1 ? samples / (samples - 1) : 1
      runningMean.assign(mean * (1 - momentum) + stopGradient(batchMean) * momentum)
      runningVariance.assign(
        variance * (1 - momentum) + stopGradient(batchVariance) * (momentum * unbiased))
      return y
    }
  }
}
