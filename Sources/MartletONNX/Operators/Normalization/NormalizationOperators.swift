// Normalisation by means, deviations and norms. Specifications:
// https://onnx.ai/onnx/operators/onnx__NAME.html

import MartletIR
import MartletOps

let normalizationOperators: [OperatorEntry] = [
  OperatorEntry(BatchNormalization.self), OperatorEntry(InstanceNormalization.self),
  OperatorEntry(GroupNormalization.self), OperatorEntry(LayerNormalization.self),
  OperatorEntry(RMSNormalization.self), OperatorEntry(LpNormalization.self),
  OperatorEntry(MeanVarianceNormalization.self), OperatorEntry(LRN.self),
]

extension NodeContext {
  /// A vector with an element for each channel, to act on `[N, C, …]` in some dtype.
  func channels(_ index: Int, of x: Tensor, _ dtype: DType) throws -> Tensor {
    let v = try tensor(index)
    guard x.rank > 1, v.shape == [x.shape[1]] else {
      throw invalid("input \(index) is \(v.type), not one element for each channel of \(x.type)")
    }
    return v.reshaped(Shape([v.count] + [Int](repeating: 1, count: x.rank - 2)))
      .converted(to: dtype)
  }

  /// The dtype in which statistics are taken: `stash_type`, or f32 for narrower floats.
  func statistics(of x: Tensor) throws -> DType {
    let stash = try elementType(attribute: "stash_type")?.carrier
    if let stash, stash.isFloatingPoint, stash.byteCount >= x.dtype.byteCount { return stash }
    return x.dtype.byteCount < 4 ? .float32 : x.dtype
  }
}

extension Tensor {
  /// Mean 0 and variance 1 over axes, with the mean and the reciprocal of the deviation.
  func standardized(
    over axes: [Int], epsilon: Double
  ) -> (value: Tensor, mean: Tensor, inverseDeviation: Tensor) {
    let mean = mean(axes: axes, keepDims: true)
    let centred = self - mean
    let variance = (centred * centred).mean(axes: axes, keepDims: true)
    let inverse = rsqrt(variance + epsilon)
    return (centred * inverse, mean, inverse)
  }
}
