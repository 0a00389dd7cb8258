// Combinations of options, empty and one-element arrays, equal elements, NaN, integers that wrap: cases
// whose names hold the options, as `conv2d@2,1;1,3;0,1,2,0;2`.

import MartletExecution
import MartletIR
import MartletOps
import MartletPasses
import Testing

/// The numbers behind `@`, list by list.
private func options(of name: Substring) -> [[Int]] {
  name.split(separator: ";", omittingEmptySubsequences: false).map { list in
    list.split(separator: ",").compactMap { Int($0) }
  }
}

private func padding(_ p: [Int]) -> Padding2D {
  .explicit(top: p[0], bottom: p[1], left: p[2], right: p[3])
}

/// What a case with options computes, by the name in front of them.
private let combined: [String: @Sendable ([Tensor], [[Int]]) -> [Tensor]] = [
  "conv2d": { x, o in
    [
      conv2d(
        x[0], x[1], strides: o[0], padding: padding(o[2]), dilations: o[1], groups: o[3][0])
    ]
  },
  "conv2dTransposed": { x, o in
    [
      conv2dTransposed(
        x[0], x[1], strides: o[0], padding: .all(o[2][0]), outputPadding: o[3], dilations: o[1],
        groups: o[4][0])
    ]
  },
  "maxPool2d": { x, o in
    [maxPool2d(x[0], window: o[0], strides: o[1], padding: padding(o[2]), dilations: o[3])]
  },
  "averagePool2d": { x, o in
    [
      averagePool2d(
        x[0], window: o[0], strides: o[1], padding: padding(o[2]), countsPadding: o[3][0] == 1)
    ]
  },
  "sum": { x, o in [x[0].sum(axes: o[0], keepDims: o[1][0] == 1)] },
  "product": { x, o in [x[0].product(axes: o[0], keepDims: o[1][0] == 1)] },
  "max": { x, o in [x[0].max(axes: o[0], keepDims: o[1][0] == 1)] },
  "min": { x, o in [x[0].min(axes: o[0], keepDims: o[1][0] == 1)] },
  "mean": { x, o in [x[0].mean(axes: o[0], keepDims: o[1][0] == 1)] },
  "cumulativeSum": { x, o in
    [x[0].cumulativeSum(axis: o[0][0], exclusive: o[1][0] == 1, reverse: o[2][0] == 1)]
  },
  "cumulativeProduct": { x, o in
    [x[0].cumulativeProduct(axis: o[0][0], exclusive: o[1][0] == 1, reverse: o[2][0] == 1)]
  },
  "cumulativeMax": { x, o in [x[0].cumulativeMax(axis: o[0][0])] },
  "topK": { x, o in
    let top = x[0].topK(o[0][0], largest: o[1][0] == 1)
    return [top.values, top.indices]
  },
  "argmax": { x, o in [x[0].argmax(axis: o[0][0])] },
  "argmin": { x, o in [x[0].argmin(axis: o[0][0])] },
]

/// Cases that fix their options.
private let plain: [String: Body] = [
  "arithmetic": { x in
    let (a, b) = (x[0], x[1])
    return [a + b, a - b, a * b, a / b, pow(a, b), maximum(a, b), a % b]
  },
  "matmul": { [matmul($0[0], $0[1])] },
  "wrapping": { x in
    let (i, j) = (x[0], x[1])
    return [
      i + j, i - j, i * j, -i, i.sum(axes: [1]), i.product(axes: [0]), i.cumulativeSum(axis: 1),
    ]
  },
  "logSumExp_infinite_slope": { [logSumExp($0[0], axes: [1])] },
  "maskedSoftmax": { [maskedSoftmax($0[0], seen: $0[1])] },
  "binaryCrossEntropy_certain": { [binaryCrossEntropy($0[0], $0[1], reduction: .none)] },
  "norm_zero": { [norm($0[0], axes: [1])] },
  "lpPool2d_zero": { [lpPool2d($0[0], window: [2])] },
  "layerNorm_one": { [layerNorm($0[0], scale: $0[1], bias: $0[2])] },
  "groupNorm_whole": { [groupNorm($0[0], groups: 1)] },
  "crossEntropy_one": { [softmaxCrossEntropy(logits: $0[0], labels: $0[1])] },
  "variance_one": { [$0[0].variance(axes: [0])] },
]

func edgeCase(of name: String) -> Body? {
  guard let at = name.firstIndex(of: "@") else { return plain[name] }
  guard let body = combined[String(name[..<at])] else { return nil }
  let options = options(of: name[name.index(after: at)...])
  return { body($0, options) }
}

/// Sigmoids round to 0 and 1: there −ln p has a slope or is cut, and is never 0 / 0.
@Test func slopesOfCertainProbabilitiesAreNumbers() throws {
  let f = try compile(TensorSpec([5]), TensorSpec([5])) { p, y in
    gradients(of: binaryCrossEntropy(p, y, reduction: .sum), wrt: [p])[0]
  }
  let slopes = try f(NDArray([0, 1, 0, 1, 0.25] as [Float]), NDArray([0, 1, 1, 0, 1] as [Float]))
  #expect(slopes.floats == [1, -1, 0, 0, -4])
}
