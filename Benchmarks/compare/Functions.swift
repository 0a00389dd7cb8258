// Layers, activations and losses in both float types, with their gradients, for functions.py.

import Martlet
import MartletOps
import MartletPasses

/// Numbers that both sides read from the file: where they come from does not matter.
struct Draws {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next(_ range: ClosedRange<Double>) -> Double {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    let unit = Double(state >> 11) / Double(1 << 53)
    return range.lowerBound + unit * (range.upperBound - range.lowerBound)
  }
  mutating func array(
    _ shape: Shape, _ dtype: DType, _ range: ClosedRange<Double>
  ) throws -> NDArray {
    let values = (0..<shape.count).map { _ in next(range) }
    switch dtype {
    case .float32: return try NDArray(values.map { Float($0) }, shape: shape)
    case .int32: return try NDArray(values.map { Int32($0.rounded(.down)) }, shape: shape)
    default: return try NDArray(values, shape: shape)
    }
  }
}

/// A function of tensors; integers are drawn from their range too.
private struct Case {
  var inputs: [(shape: Shape, range: ClosedRange<Double>, isInteger: Bool)]
  var body: @Sendable ([Tensor]) -> Tensor
  init(
    _ shapes: [Shape], _ range: ClosedRange<Double> = -2...2,
    labels: (Shape, Double)? = nil, _ body: @escaping @Sendable ([Tensor]) -> Tensor
  ) {
    inputs = shapes.map { ($0, range, false) }
    if let (shape, count) = labels { inputs.append((shape, 0...(count - 1e-9), true)) }
    self.body = body
  }
}

private let image: Shape = [2, 6, 6, 4]
private let channels: Shape = [4]
private let rows: Shape = [5, 8]

private let cases: [String: Case] = [
  "linear": Case([[3, 4], [4, 5], [5]]) { matmul($0[0], $0[1]) + $0[2] },
  "conv2d": Case([image, [3, 3, 4, 6]]) { conv2d($0[0], $0[1], padding: .same) },
  "conv2d-stride-groups": Case([image, [3, 3, 2, 6]]) {
    conv2d(
      $0[0], $0[1], strides: [2],
      padding: .explicit(top: 1, bottom: 1, left: 1, right: 1), groups: 2)
  },
  "conv2d-dilated": Case([image, [2, 2, 4, 3]]) { conv2d($0[0], $0[1], dilations: [2]) },
  "conv2d-depthwise": Case([image, [3, 3, 1, 4]]) { conv2d($0[0], $0[1], groups: 4) },
  "max-pool": Case([image]) { maxPool2d($0[0], window: [2]) },
  "average-pool": Case([image]) { averagePool2d($0[0], window: [3], strides: [1]) },
  "batch-norm-training": Case([image, channels, channels]) {
    batchNorm($0[0], scale: $0[1], bias: $0[2]).normalized
  },
  "batch-norm": Case([image, channels, channels, channels, channels], 0.5...2) {
    batchNorm($0[0], scale: $0[1], bias: $0[2], mean: $0[3], variance: $0[4])
  },
  "layer-norm": Case([rows, [8], [8]]) { layerNorm($0[0], scale: $0[1], bias: $0[2]) },
  "rms-norm": Case([rows, [8]]) { rmsNorm($0[0], scale: $0[1]) },
  "group-norm": Case([image, channels, channels]) {
    groupNorm($0[0], groups: 2, scale: $0[1], bias: $0[2])
  },
  "instance-norm": Case([image, channels, channels]) {
    instanceNorm($0[0], scale: $0[1], bias: $0[2])
  },
  "embedding": Case([[7, 3]], labels: ([2, 5], 7)) { gather($0[0], $0[1]) },
  "softmax": Case([rows]) { softmax($0[0]) },
  "log-softmax": Case([rows]) { logSoftmax($0[0]) },
  "relu": Case([rows]) { relu($0[0]) }, "leaky-relu": Case([rows]) { leakyRelu($0[0]) },
  "elu": Case([rows]) { elu($0[0]) }, "selu": Case([rows]) { selu($0[0]) },
  "gelu": Case([rows]) { gelu($0[0]) }, "silu": Case([rows]) { silu($0[0]) },
  "softplus": Case([rows]) { softplus($0[0]) }, "mish": Case([rows]) { mish($0[0]) },
  "hard-swish": Case([rows], -4...4) { hardSwish($0[0]) },
  "hard-sigmoid": Case([rows], -4...4) { hardSigmoid($0[0]) },
  "sigmoid": Case([rows]) { sigmoid($0[0]) }, "tanh": Case([rows]) { tanh($0[0]) },
  "relu6": Case([rows], -2...8) { relu6($0[0]) }, "softsign": Case([rows]) { softsign($0[0]) },
  "cross-entropy": Case([rows], labels: ([5], 8)) {
    softmaxCrossEntropy(logits: $0[0], labels: $0[1])
  },
  "cross-entropy-smoothed": Case([rows], labels: ([5], 8)) {
    softmaxCrossEntropy(logits: $0[0], labels: $0[1], labelSmoothing: 0.1)
  },
  "sigmoid-cross-entropy": Case([rows, rows], 0...1) {
    sigmoidCrossEntropy(logits: $0[0], labels: $0[1])
  },
  "binary-cross-entropy": Case([rows, rows], 0.05...0.95) { binaryCrossEntropy($0[0], $0[1]) },
  "mean-squared-error": Case([rows, rows]) { meanSquaredError($0[0], $0[1]) },
  "mean-absolute-error": Case([rows, rows]) { meanAbsoluteError($0[0], $0[1]) },
  "huber": Case([rows, rows]) { huber($0[0], $0[1], delta: 0.7) },
  "kl-divergence": Case([rows, rows], 0.1...1) { klDivergence($0[0], $0[1]) },
  "cosine-similarity": Case([rows, rows]) { cosineSimilarity($0[0], $0[1]) },
  "triplet": Case([rows, rows, rows]) {
    tripletLoss(anchor: $0[0], positive: $0[1], negative: $0[2])
  },
]

/// `functions/NAME/DTYPE/x0…, w, y, g0…`: inputs, weights of the results, results, gradients of
/// Σ w·y by the floating-point inputs.
func writeFunctions(_ arrays: inout [NamedArray]) throws {
  for (number, name) in cases.keys.sorted().enumerated() {
    guard let item = cases[name] else { continue }
    for dtype in [DType.float32, .float64] {
      var draws = Draws(UInt64(number + 1))
      let inputs = try item.inputs.map {
        try draws.array($0.shape, $0.isInteger ? .int32 : dtype, $0.range)
      }
      let free = item.inputs.indices.filter { !item.inputs[$0].isInteger }
      let specs = item.inputs.map { TensorSpec($0.shape, $0.isInteger ? .int32 : dtype) }
      // The weights have the result's shape, which a first compilation tells.
      let shape = try compile(forward: specs, item.body).shape
      let weights = try draws.array(shape, dtype, 0.5...1.5)
      let found = try compile(forward: specs + [TensorSpec(shape, dtype)]) { x in
        let y = item.body(Array(x.dropLast()))
        return [y] + gradients(of: (y * x[x.count - 1]).sum(), wrt: free.map { x[$0] })
      }.run(inputs + [weights])
      let prefix = "functions/\(name)/\(dtype.rawValue)/"
      for (index, array) in inputs.enumerated() {
        arrays.append(NamedArray("\(prefix)x\(index)", array))
      }
      arrays.append(NamedArray("\(prefix)w", weights))
      arrays.append(NamedArray("\(prefix)y", found[0]))
      for (index, array) in zip(free, found.dropFirst()) {
        arrays.append(NamedArray("\(prefix)g\(index)", array))
      }
    }
  }
}

private func compile(
  forward specs: [TensorSpec], _ body: @escaping ([Tensor]) -> [Tensor]
) throws -> Function {
  try Function(specs: specs, options: CompileOptions(), isTraining: true) { _, x in
    body(x).enumerated().map { (name: "\($0.offset)", tensor: $0.element) }
  }
}

private func compile(
  forward specs: [TensorSpec], _ body: @escaping ([Tensor]) -> Tensor
) throws -> NDArray {
  let function: Function = try compile(forward: specs) { [body($0)] }
  return try NDArray(zeros: function.program.results[0].type.shape)
}
