// What composites refuse: each is one diagnostic with the caller's line, and never a trap.

import MartletIR
import MartletOps
import MartletPasses
import MartletTestSupport
import Testing

struct Refusal: Sendable, CustomTestStringConvertible {
  var message: String
  var body: @Sendable (Tensor, Tensor, Tensor) -> Void
  var testDescription: String { message }
  init(_ message: String, _ body: @escaping @Sendable (Tensor, Tensor, Tensor) -> Void) {
    self.message = message
    self.body = body
  }
}

// x is f32[2,3], images f32[1,5,5,4], labels i32[2].
private let refusals: [Refusal] = [
  Refusal("conv2d: needs x [N, H, W, I]") { x, _, _ in _ = conv2d(x, x) },
  Refusal("conv2d: channels differ") { _, y, _ in
    _ = conv2d(y, y[0].expandedDims(at: 0).transposed([1, 2, 0, 3]))
  },
  Refusal("conv2d: the stride 0 is below 1") { _, y, _ in
    _ = conv2d(y, filter(y, 2, 4), strides: [0])
  },
  Refusal("conv2d: the dilation -1 is below 1") { _, y, _ in
    _ = conv2d(y, filter(y, 2, 4), dilations: [-1])
  },
  Refusal("conv2d: the number of groups 0") { _, y, _ in
    _ = conv2d(y, filter(y, 2, 4), groups: 0)
  },
  Refusal("conv2d: 3 groups do not divide 4") { _, y, _ in
    _ = conv2d(y, filter(y, 2, 4), groups: 3)
  },
  Refusal("conv2d: a window of 7") { _, y, _ in _ = conv2d(y, filter(y, 7, 4)) },
  Refusal("conv2d: an extent, stride") { _, y, _ in
    _ = conv2d(y, filter(y, 2, 4), padding: .all(.max))
  },
  Refusal("conv2d: an extent, stride") { _, y, _ in
    _ = conv2d(y, filter(y, 2, 4), strides: [.max], padding: .same, dilations: [.max])
  },
  Refusal("conv2dTransposed: strides and dilations") { _, y, _ in
    _ = conv2dTransposed(y, filter(y, 2, 4), strides: [.min])
  },
  Refusal("maxPool2d: needs images") { x, _, _ in _ = maxPool2d(x, window: [2]) },
  Refusal("maxPool2d: needs images") { _, y, _ in _ = maxPool2d(y, window: []) },
  Refusal("maxWindow: the window's extent 0") { _, y, _ in _ = maxPool2d(y, window: [0]) },
  Refusal("sumWindow: the window") { _, y, _ in _ = averagePool2d(y, window: [.max]) },
  Refusal("lpPool2d: needs a finite p") { _, y, _ in _ = lpPool2d(y, p: 0.5, window: [2]) },
  Refusal("gather: indices must be i32 or i64") { x, _, _ in _ = gather(x, x) },
  Refusal("gather: axis 2 is out of range") { x, _, i in _ = gather(x, i, axis: 2) },
  Refusal("scatterAdd: the updates must be f32[2,3]") { x, y, i in _ = scatterAdd(x, i, y) },
  Refusal("takeAlong: the indices") { x, _, i in _ = takeAlongAxis(x, i, axis: 0) },
  Refusal("oneHot: needs integer indices") { x, _, _ in _ = oneHot(x, classes: 3) },
  Refusal("oneHot: needs integer indices") { _, _, i in _ = oneHot(i, classes: -1) },
  Refusal("softmax: axis 2 is out of range") { x, _, _ in _ = softmax(x, axis: 2) },
  Refusal("mean: the axes [5]") { x, _, _ in _ = x.mean(axes: [5]) },
  Refusal("mean: takes floating-point") { _, _, i in _ = i.mean() },
  Refusal("mean: there are no elements") { x, _, _ in _ = x[2..., .all].mean() },
  Refusal("softmaxCrossEntropy: needs logits") { x, _, _ in
    _ = softmaxCrossEntropy(logits: x, labels: x)
  },
  Refusal("softmaxCrossEntropy: needs logits") { _, y, i in
    _ = softmaxCrossEntropy(logits: y, labels: i)
  },
  Refusal("softmaxCrossEntropy: the label smoothing") { x, _, i in
    _ = softmaxCrossEntropy(logits: x, labels: i, labelSmoothing: 2)
  },
  Refusal("meanSquaredError: prediction and target") { x, _, _ in
    _ = meanSquaredError(x, x.sum(axes: [1], keepDims: true))
  },
  Refusal("accuracy: needs logits") { x, _, _ in _ = accuracy(logits: x, labels: x) },
  Refusal("layerNorm: the scale must be [3]") { x, _, _ in _ = layerNorm(x, scale: x) },
  Refusal("batchNorm: mean and variance must be [3]") { x, _, _ in
    _ = batchNorm(x, mean: x, variance: x)
  },
  Refusal("dropout: needs a rate in 0...1") { x, _, _ in _ = dropout(x, rate: 1.5) },
  Refusal("bernoulli: the probability nan") { x, _, _ in _ = x.bernoulliLike(probability: .nan) },
  Refusal("maxout: 2 pieces do not divide") { x, _, _ in _ = maxout(x, pieces: 2) },
  Refusal("expandedDims: axis 4 is out of range") { x, _, _ in _ = x.expandedDims(at: 4) },
  Refusal("squeezed: the axes [0] are not all of extent 1") { x, _, _ in
    _ = x.squeezed(axes: [0])
  },
  Refusal("flattened: axis 3 is out of range") { x, _, _ in _ = x.flattened(from: 3) },
  Refusal("split: the sizes [1, 5] do not sum to 3") { x, _, _ in
    _ = x.split(sizes: [1, 5], axis: 1)
  },
  Refusal("split: 2 parts do not divide 3") { x, _, _ in _ = x.split(into: 2, axis: 1) },
  Refusal("subscript: 5 is out of range for axis 1 of extent 3") { x, _, _ in _ = x[0, 5] },
  Refusal("subscript: 3 indices for 2 axes") { x, _, _ in _ = x[0, 0, 0] },
  Refusal("subscript: the range on axis 0 of extent 2 ends before") { x, _, _ in _ = x[-1..<0] },
  Refusal("subscript: the step on axis 0 is 0") { x, _, _ in _ = x[.stride(by: 0)] },
  Refusal("subscript: the step on axis 0 is 0") { x, _, _ in _ = x[.stride(by: .min)] },
  Refusal("subscript: more than one .ellipsis") { x, _, _ in _ = x[.ellipsis, .ellipsis] },
  Refusal("subscript: -9223372036854775808 is out") { x, _, _ in _ = x[Int.min] },
  Refusal("einsum: 'ij' names 2 axes of f32[1,5,5,4]") { _, y, _ in _ = einsum("ij->i", y) },
  Refusal("einsum: 'j' stands for 3 and for 2") { x, _, _ in _ = einsum("ij,jk->ik", x, x) },
  Refusal("einsum: no operand has the result's 'z'") { x, _, _ in _ = einsum("ij->z", x) },
  Refusal("einsum: the result names 'i' twice") { x, _, _ in _ = einsum("ij->ii", x) },
  Refusal("einsum: '.' in '...->' is no letter") { x, _, _ in _ = einsum("...->", x) },
  Refusal("einsum: 'ij-i' has a '-'") { x, _, _ in _ = einsum("ij-i", x) },
  Refusal("einsum: 'ij,jk->ik' names 2 operands, got 1") { x, _, _ in
    _ = einsum("ij,jk->ik", x)
  },
  Refusal("einsum: the operands must have one dtype") { x, _, i in _ = einsum("ij,i->j", x, i) },
]

private func filter(_ x: Tensor, _ size: Int, _ channels: Int) -> Tensor {
  x.trace.constant(0, .float32).broadcasted(to: [size, size, channels, 4])
}

@Suite struct RefusalTests {
  @Test(arguments: refusals.indices)
  func isOneDiagnostic(_ index: Int) throws {
    let refusal = refusals[index]
    let trace = Trace(name: "refused", isTraining: true)
    let x = trace.argument(TensorType(.float32, [2, 3]), name: "x")
    let images = trace.argument(TensorType(.float32, [1, 5, 5, 4]), name: "images")
    let labels = trace.argument(TensorType(.int32, [2]), name: "labels")
    Trace.$current.withValue(trace) { refusal.body(x, images, labels) }
    #expect(trace.diagnostics.count == 1)
    let error = try #require(trace.diagnostics.first)
    #expect(
      "\(error.operation): \(error.message)".hasPrefix(refusal.message), "\(error.description)")
    #expect(error.location.contains("RefusalTests.swift"), "\(error.location)")
    #expect(error.description.split(separator: "\n").count <= 6)
    #expect(throws: CompileError.self) { try trace.finish() }
  }

  @Test func indicesThatAreArgumentsHaveBounds() throws {
    let trace = Trace(name: "bounds", isTraining: true)
    let logits = trace.argument(TensorType(.float32, [2, 3]), name: "logits")
    let labels = trace.argument(TensorType(.uint8, [2]), name: "labels")
    let words = trace.argument(TensorType(.int64, [4]), name: "words")
    _ = softmaxCrossEntropy(logits: logits, labels: labels)
    _ = gather(logits, words, axis: 0)
    _ = gather(logits, words + words, axis: 1)
    #expect(
      trace.indexBounds.mapValues(\.count) == [
        try #require(labels.value): 3, try #require(words.value): 2,
      ])
  }

  @Test func computedIndicesClamp() throws {
    let function = try TracedFunction([TensorType(.int32, [3]), TensorType(.float64, [3, 2])]) {
      [
        oneHot($0[0] * 1, classes: 2),
        softmaxCrossEntropy(logits: $0[1], labels: $0[0] * 1, reduction: .none),
      ]
    }
    let wild = HostArray(TensorType(.int32, [3]), [-5.0, 1, 9])
    let zeros = HostArray(splat: 0, TensorType(.float64, [3, 2]))
    let results = try function([wild, zeros])
    #expect(results[0].doubles == [1, 0, 0, 1, 0, 1])
    #expect(results[1].doubles.allSatisfy { abs($0 - 0.6931471805599453) < 1e-12 })
  }
}
