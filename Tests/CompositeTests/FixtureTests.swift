// Every composite against PyTorch in float64: results and gradients, element by element.

import MartletExecution
import MartletIR
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

typealias Body = @Sendable ([Tensor]) -> [Tensor]

private let elementwise: [String: Body] = [
  "relu": { [relu($0[0])] },
  "leakyRelu": { [leakyRelu($0[0])] },
  "leakyRelu_02": { [leakyRelu($0[0], slope: 0.2)] },
  "prelu": { [prelu($0[0], slope: $0[1])] },
  "elu": { [elu($0[0])] },
  "elu_15": { [elu($0[0], alpha: 1.5)] },
  "gelu": { [gelu($0[0])] },
  "gelu_tanh": { [gelu($0[0], approximation: .tanh)] },
  "sigmoid": { [sigmoid($0[0])] },
  "silu": { [silu($0[0])] },
  "softplus": { [softplus($0[0])] },
  "maxout": { [maxout($0[0], pieces: 3)] },
  "clipped": { [$0[0].clipped(low: -0.75, high: 1.25)] },
  "interpolate": { [interpolate($0[0], $0[1], $0[2])] },
]

private let rows: [String: Body] = [
  "softmax_-1": { [softmax($0[0])] },
  "softmax_0": { [softmax($0[0], axis: 0)] },
  "softmax_1": { [softmax($0[0], axis: 1)] },
  "logSoftmax_-1": { [logSoftmax($0[0])] },
  "logSoftmax_0": { [logSoftmax($0[0], axis: 0)] },
  "logSoftmax_1": { [logSoftmax($0[0], axis: -2)] },
  "logSumExp": { [logSumExp($0[0])] },
  "logSumExp_axes": { [logSumExp($0[0], axes: [0, -1], keepDims: true)] },
  "logSumExp_infinite": { [logSumExp($0[0], axes: [1])] },
  "mean": { [$0[0].mean()] },
  "mean_axes": { [$0[0].mean(axes: [0, -1], keepDims: true)] },
  "variance": { [$0[0].variance(axes: [1])] },
  "variance_unbiased": { [$0[0].variance(axes: [0, 2], correction: 1, keepDims: true)] },
  "standardDeviation": { [$0[0].standardDeviation(correction: 1)] },
  "layerNorm": { [layerNorm($0[0], scale: $0[1], bias: $0[2])] },
  "layerNorm_plain": { [layerNorm($0[0], epsilon: 1e-3)] },
  "layerNorm_axis1": { x in
    [layerNorm(x[0], scale: x[1], bias: x[2], axis: 1)]
  },
  "batchNorm": { x in
    let y = batchNorm(x[0], scale: x[1], bias: x[2])
    return [y.normalized, y.mean, y.variance]
  },
  "batchNorm_fixed": { x in
    [batchNorm(x[0], scale: x[1], bias: x[2], mean: x[3], variance: x[4])]
  },
]

private let losses: [String: Body] = [
  "crossEntropy": { [softmaxCrossEntropy(logits: $0[0], labels: $0[1])] },
  "crossEntropy_sum": { [softmaxCrossEntropy(logits: $0[0], labels: $0[1], reduction: .sum)] },
  "crossEntropy_none": { [softmaxCrossEntropy(logits: $0[0], labels: $0[1], reduction: .none)] },
  "crossEntropy_smooth": {
    [softmaxCrossEntropy(logits: $0[0], labels: $0[1], labelSmoothing: 0.1)]
  },
  "crossEntropy_rank3": { [softmaxCrossEntropy(logits: $0[0], labels: $0[1])] },
  "crossEntropy_masked": { [softmaxCrossEntropy(logits: $0[0], labels: $0[1])] },
  "crossEntropy_targets": { [softmaxCrossEntropy(logits: $0[0], targets: $0[1])] },
  "sigmoidCrossEntropy": { [sigmoidCrossEntropy(logits: $0[0], labels: $0[1])] },
  "meanSquaredError": { [meanSquaredError($0[0], $0[1])] },
  "meanSquaredError_sum": { [meanSquaredError($0[0], $0[1], reduction: .sum)] },
  "meanAbsoluteError": { [meanAbsoluteError($0[0], $0[1])] },
  "huber": { [huber($0[0], $0[1])] },
  "huber_05_none": { [huber($0[0], $0[1], delta: 0.5, reduction: .none)] },
  "accuracy": { [accuracy(logits: $0[0], labels: $0[1])] },
]

private let images: [String: Body] = [
  "conv2d_valid": { [conv2d($0[0], $0[1])] },
  "conv2d_stride": { [conv2d($0[0], $0[1], strides: [2, 3], padding: .all(1))] },
  "conv2d_same": { [conv2d($0[0], $0[1], padding: .same)] },
  "conv2d_same_stride": { [conv2d($0[0], $0[1], strides: [2, 3], padding: .same)] },
  "conv2d_full": { [conv2d($0[0], $0[1], padding: .full)] },
  "conv2d_explicit": {
    [conv2d($0[0], $0[1], padding: .explicit(top: 2, bottom: 0, left: -1, right: 1))]
  },
  "conv2d_dilated": { [conv2d($0[0], $0[1], dilations: [2, 3])] },
  "conv2d_groups": { [conv2d($0[0], $0[1], groups: 2)] },
  "conv2d_depthwise": { [conv2d($0[0], $0[1], padding: .all(1), groups: 3)] },
  "conv2d_pointwise": { [conv2d($0[0], $0[1])] },
  "conv2dTransposed": { [conv2dTransposed($0[0], $0[1])] },
  "conv2dTransposed_stride": {
    [conv2dTransposed($0[0], $0[1], strides: [2], padding: .all(1), outputPadding: [1])]
  },
  "conv2dTransposed_groups": {
    [conv2dTransposed($0[0], $0[1], strides: [2, 1], dilations: [1, 2], groups: 2)]
  },
  "maxPool2d": { [maxPool2d($0[0], window: [2])] },
  "maxPool2d_padded": { [maxPool2d($0[0], window: [3, 2], strides: [2, 1], padding: .all(1))] },
  "maxPool2d_dilated": { [maxPool2d($0[0], window: [2], strides: [1], dilations: [3, 2])] },
  "minPool2d": { [minPool2d($0[0], window: [3], strides: [2])] },
  "averagePool2d": { [averagePool2d($0[0], window: [2])] },
  "averagePool2d_padded": {
    [averagePool2d($0[0], window: [3], strides: [2], padding: .all(1))]
  },
  "averagePool2d_uncounted": {
    [averagePool2d($0[0], window: [3], strides: [2], padding: .all(1), countsPadding: false)]
  },
  "lpPool2d_2": { [lpPool2d($0[0], window: [2])] },
  "lpPool2d_3": { [lpPool2d($0[0], p: 3, window: [3, 2], strides: [2])] },
  "globalAveragePool2d": { [globalAveragePool2d($0[0])] },
]

private let indexing: [String: Body] = [
  "gather_0": { [gather($0[0], $0[1])] },
  "gather_1": { [gather($0[0], $0[1], axis: -2)] },
  "scatterAdd_0": { [scatterAdd($0[0], $0[1], $0[2])] },
  "scatterAdd_1": { [scatterAdd($0[0], $0[1], $0[2], axis: 1)] },
  "takeAlongAxis": { [takeAlongAxis($0[0], $0[1], axis: 1)] },
  "oneHot": { [oneHot($0[0], classes: 4)] },
  "expandedDims": { [$0[0].expandedDims(at: -1)] },
  "squeezed": { [$0[0].squeezed()] },
  "flattened": { [$0[0].flattened()] },
  "split_sizes": { $0[0].split(sizes: [1, 3], axis: 2) },
  "split_into": { $0[0].split(into: 2, axis: -1) },
  "unstacked": { $0[0].unstacked(axis: 1) },
  "stack": { [stack($0, axis: 1)] },
  "stack_last": { [stack($0, axis: -1)] },
  "subscript_0": { [$0[0][0..<3, .all, -1]] },
  "subscript_1": { [$0[0][1, .newAxis, .ellipsis, 2...]] },
  "subscript_2": { [$0[0][.ellipsis, .stride(from: 1, by: 2)]] },
  "subscript_3": { [$0[0][.stride(by: -1), -3 ... -2]] },
  "subscript_4": { [$0[0][.all, .all, .stride(from: 4, by: -2)]] },
  "subscript_5": { [$0[0][2]] },
  "subscript_6": { [$0[0][4..., ...2, 3..<3]] },
  "subscript_7": { [$0[0][.all, .stride(from: -1, to: 1, by: -1)]] },
]

private let further: [String: Body] = [
  "selu": { [selu($0[0])] },
  "celu": { [celu($0[0], alpha: 1.5)] },
  "relu6": { [relu6($0[0])] },
  "hardSigmoid": { [hardSigmoid($0[0])] },
  "hardSwish": { [hardSwish($0[0])] },
  "hardTanh": { [hardTanh($0[0])] },
  "softsign": { [softsign($0[0])] },
  "mish": { [mish($0[0])] },
  "glu": { [glu($0[0])] },
  "rmsNorm": { [rmsNorm($0[0], scale: $0[1])] },
  "groupNorm": { [groupNorm($0[0], groups: 3, scale: $0[1], bias: $0[2])] },
  "instanceNorm": { [instanceNorm($0[0], scale: $0[1], bias: $0[2])] },
  "hinge": { [hinge($0[0], $0[1])] },
  "hinge_squared": { [hinge($0[0], $0[1], squared: true, reduction: .sum)] },
  "binaryCrossEntropy": { [binaryCrossEntropy($0[0], $0[1])] },
  "binaryCrossEntropy_none": { [binaryCrossEntropy($0[0], $0[1], reduction: .none)] },
  "klDivergence": { [klDivergence($0[0], $0[1])] },
  "norm_1": { [norm($0[0], p: 1, axes: [1])] },
  "norm_2": { [norm($0[0], axes: [1])] },
  "norm_3": { [norm($0[0], p: 3, axes: [1])] },
  "norm_infinity": { [norm($0[0], p: .infinity, axes: [1])] },
  "cosineSimilarity": { [cosineSimilarity($0[0], $0[1])] },
  "cosineEmbeddingLoss": { [cosineEmbeddingLoss($0[0], $0[1], $0[2], margin: 0.1)] },
  "tripletLoss": {
    [tripletLoss(anchor: $0[0], positive: $0[1], negative: $0[2], margin: 0.7)]
  },
  "tripletLoss_squared": {
    [tripletLoss(anchor: $0[0], positive: $0[1], negative: $0[2], margin: 0.7, squared: true)]
  },
  "contrastiveLoss": { [contrastiveLoss($0[0], $0[1], $0[2], margin: 3)] },
]

private let along: [String: Body] = [
  "cumulativeSum": { [$0[0].cumulativeSum(axis: 1)] },
  "cumulativeSum_reverse": { [$0[0].cumulativeSum(axis: -1, reverse: true)] },
  "cumulativeSum_exclusive": { [$0[0].cumulativeSum(axis: 0, exclusive: true)] },
  "cumulativeProduct": { [$0[0].cumulativeProduct(axis: 1)] },
  "cumulativeMax": { [$0[0].cumulativeMax(axis: 1)] },
  "cumulativeMin": { [$0[0].cumulativeMin(axis: -2, reverse: true)] },
  "sorted": { [$0[0].sorted(axis: 1)] },
  "sorted_descending": { [$0[0].sorted(axis: 0, descending: true)] },
  "argsort": { [$0[0].argsort()] },
  "topK": { x in
    let top = x[0].topK(2, axis: 1)
    return [top.values, top.indices]
  },
  "topK_smallest": { x in
    let top = x[0].topK(3, largest: false)
    return [top.values, top.indices]
  },
  "linearRecurrence": { [linearRecurrence($0[0], $0[1], axis: 1)] },
  "tan": { [tan($0[0])] },
  "asin": { [asin($0[0])] },
  "acos": { [acos($0[0])] },
  "atan": { [atan($0[0])] },
  "sinh": { [sinh($0[0])] },
  "cosh": { [cosh($0[0])] },
  "asinh": { [asinh($0[0])] },
  "acosh": { [acosh($0[0])] },
  "atanh": { [atanh($0[0])] },
  "atan2": { [atan2($0[0], $0[1])] },
  "reciprocal": { [reciprocal($0[0])] },
  "logSigmoid": { [logSigmoid($0[0])] },
  "hardShrink": { [shrink($0[0], threshold: 0.75)] },
  "softShrink": { [shrink($0[0], threshold: 0.75, bias: 0.75)] },
  "thresholdedRelu": { [thresholdedRelu($0[0], threshold: 0.5)] },
  "clamp": { [clamp($0[0], low: $0[1], high: $0[2])] },
]

private let volumes: [String: Body] = [
  "conv1d": { [conv1d($0[0], $0[1], stride: 2, padding: .all(1))] },
  "conv1d_same": { [conv1d($0[0], $0[1], padding: .same, dilation: 2, groups: 2)] },
  "conv1dTransposed": {
    [conv1dTransposed($0[0], $0[1], stride: 2, padding: .all(1), outputPadding: 1)]
  },
  "conv3d": { [conv3d($0[0], $0[1])] },
  "conv3d_stride": {
    [
      conv3d(
        $0[0], $0[1], strides: [2, 1, 2], padding: .explicit(low: [1, 0, 1], high: [1, 0, 1]))
    ]
  },
  "conv3d_groups": { [conv3d($0[0], $0[1], dilations: [2, 1, 2], groups: 2)] },
  "conv3d_same": { [conv3d($0[0], $0[1], padding: .same)] },
  "conv3dTransposed": { [conv3dTransposed($0[0], $0[1])] },
  "conv3dTransposed_stride": {
    [conv3dTransposed($0[0], $0[1], strides: [2], padding: .all(1), outputPadding: [1])]
  },
  "conv3dTransposed_groups": {
    [conv3dTransposed($0[0], $0[1], strides: [2, 1, 2], dilations: [2, 1, 1], groups: 2)]
  },
  "depthwiseConv2d": { [depthwiseConv2d($0[0], $0[1], padding: .all(1))] },
  "separableConv2d": { [separableConv2d($0[0], depthwise: $0[1], pointwise: $0[2])] },
  "maxPool1d": { [maxPool1d($0[0], window: 3, stride: 2, padding: .all(1))] },
  "averagePool1d": {
    [averagePool1d($0[0], window: 3, stride: 2, padding: .all(1), countsPadding: false)]
  },
  "lpPool1d": { [lpPool1d($0[0], p: 3, window: 2)] },
  "maxPool3d": {
    [
      maxPool3d(
        $0[0], window: [3, 2, 2], strides: [2, 2, 1],
        padding: .explicit(low: [1, 0, 1], high: [1, 0, 1]))
    ]
  },
  "averagePool3d": { [averagePool3d($0[0], window: [2])] },
  "averagePool3d_uncounted": {
    [averagePool3d($0[0], window: [3], strides: [2], padding: .all(1), countsPadding: false)]
  },
  "globalMaxPool2d": { [globalMaxPool2d($0[0])] },
  "globalLpPool2d": { [globalLpPool2d($0[0], p: 3)] },
  "adaptiveAveragePool2d": { [adaptiveAveragePool2d($0[0], output: [3, 2])] },
  "adaptiveMaxPool2d": { [adaptiveMaxPool2d($0[0], output: [5, 4])] },
  "padded_reflect": { [$0[0].padded(low: [0, 0, 3], high: [0, 0, 1], mode: .reflect)] },
  "padded_edge": { [$0[0].padded(low: [0, 0, 3], high: [0, 2, 1], mode: .edge)] },
  "padded_wrap": { [$0[0].padded(low: [0, 1, 2], high: [0, 0, 5], mode: .wrap)] },
  "padded_symmetric": { [$0[0].padded(low: [0, 0, 3], high: [0, 0, 2], mode: .symmetric)] },
  "normError_2": { [normError($0[0], $0[1])] },
  "normError_infinity": { [normError($0[0], $0[1], p: .infinity)] },
]

private let tables = [
  elementwise, rows, losses, images, indexing, further, along, volumes,
]

func composite(of name: String) -> Body? {
  if name.hasPrefix("einsum_") {
    let equation = String(name.dropFirst("einsum_".count))
    return { x in
      switch x.count {
      case 1: [einsum(equation, x[0])]
      case 2: [einsum(equation, x[0], x[1])]
      case 3: [einsum(equation, x[0], x[1], x[2])]
      default: [einsum(equation, x[0], x[1], x[2], x[3])]
      }
    }
  }
  for table in tables { if let body = table[name] { return body } }
  return edgeCase(of: name)
}

extension FixtureCase {
  /// Results, then gradients: the fixture's own order.
  var expected: [HostArray] { outputs + gradients }

  /// The case over another floating-point dtype.
  func over(_ dtype: DType) -> FixtureCase {
    func cast(_ arrays: [HostArray]) -> [HostArray] {
      arrays.map {
        $0.dtype.isFloatingPoint ? HostArray(TensorType(dtype, $0.shape), $0.doubles) : $0
      }
    }
    var copy = self
    copy.inputs = cast(inputs)
    copy.outputs = cast(outputs)
    copy.seeds = cast(seeds)
    copy.gradients = cast(gradients)
    return copy
  }

  func traced() throws -> TracedFunction {
    let body = try #require(composite(of: name), "no composite for the case \(name)")
    return try TracedFunction(inputs.map(\.type)) { x in
      let results = body(x)
      guard !seeds.isEmpty else { return results }
      let smooth = results.filter { $0.dtype.isFloatingPoint }
      return results
        + vectorJacobianProduct(
          smooth, cotangents: zip(smooth, seeds).map { $0.trace.constant($1) },
          wrt: x.filter { $0.dtype.isFloatingPoint })
    }
  }

  /// Records an issue for each array that is too far from PyTorch's.
  func check(_ actual: [HostArray], ulp: Double, absolute: Double) throws {
    try #require(actual.count == expected.count)
    for (index, pair) in zip(actual, expected).enumerated() {
      let role = index < outputs.count ? "result \(index)" : "gradient \(index - outputs.count)"
      let difference = difference(pair.0, pair.1, ulp: ulp, scaled: true, absolute: absolute)
      #expect(difference == nil, "\(name), \(role): \(difference ?? "")")
    }
  }
}

@Suite struct FixtureTests {
  // Float64: a few roundings apart, on the scale of the largest element.
  @Test(arguments: try readFixtures())
  func agreesWithPyTorch(_ fixture: FixtureCase) throws {
    try fixture.check(fixture.traced()(fixture.inputs), ulp: 64, absolute: 1e-13)
  }

  /// The same through the whole compiler, where fusion makes few kernels of many operations.
  @Test(arguments: try readFixtures())
  func compiledAgreesWithPyTorch(_ fixture: FixtureCase) throws {
    let actual = try runCompiled(
      fixture.traced().graph, fixture.inputs, options: testOptions(threads: 2))
    try fixture.check(actual, ulp: 256, absolute: 1e-12)
  }

  @Test(arguments: try readFixtures())
  func compiledAgreesInFloat32(_ fixture: FixtureCase) throws {
    let single = fixture.over(.float32)
    let actual = try runCompiled(single.traced().graph, single.inputs, options: testOptions())
    try single.check(actual, ulp: 256, absolute: 2e-6)
  }

  @Test func everyCompositeHasACase() throws {
    let cases = Set(try readFixtures().map(\.name))
    for table in tables {
      #expect(table.keys.filter { !cases.contains($0) } == [])
    }
    #expect(cases.count > 100)
  }
}
