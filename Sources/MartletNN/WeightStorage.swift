// Weights stored in half the bytes: bfloat16 or float16, with arithmetic and updates in float32.

import MartletIR
import MartletOps

/// How the weights of a model are stored.
public enum WeightStorage: String, CaseIterable, Hashable, Sendable {
  /// As they are computed with.
  case float32
  /// 8 bits of exponent, 8 of significand: the range of float32.
  case bfloat16
  /// 5 bits of exponent, 11 of significand: at most 65,504 in size.
  case float16

  @TaskLocal static var current = WeightStorage.float32

  var dtype: DType {
    switch self {
    case .float32: .float32
    case .bfloat16: .bfloat16
    case .float16: .float16
    }
  }
}

/// A model whose weights are stored in another dtype than they are computed with.
///
///     let model = withWeights(storedAs: .bfloat16) { MLP([784, 256, 10]) }
///
/// Trainable float32 parameters of at least two axes that are made in `body` are stored so: weights
/// of dense layers, filters, embeddings. Biases, norms and running statistics stay float32. Layers
/// convert weights to float32 where they use them, and gradients are float32. A training step keeps
/// for each such weight what rounding took from it, as float32: weight plus remainder is the float32
/// weight that the optimizer updates, to the bit, and the optimizer's own state is float32 too.
/// Kalamkar et al., A Study of BFLOAT16 for Deep Learning Training (2019), keep the same sum.
///
/// Files hold the stored dtype (`BF16`, `F16`), half the bytes.
public func withWeights<R>(storedAs storage: WeightStorage, _ body: () throws -> R) rethrows -> R {
  try WeightStorage.$current.withValue(storage, operation: body)
}

extension TensorType {
  /// The type that arithmetic on a parameter of this type has.
  var computed: TensorType {
    dtype == .bfloat16 || dtype == .float16 ? TensorType(.float32, shape) : self
  }
}
