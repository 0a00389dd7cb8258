// No argument of the public API stops the process: each of these is refused by a typed error, which
// is no defect of the compiler's, or compiles and runs.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTestSupport
import Testing

private struct Case: Sendable, CustomTestStringConvertible {
  let name: String
  /// Traces over x f32[4,3], images f32[2,8,8,3] and labels i32[4].
  let body: @Sendable (_ x: Tensor, _ images: Tensor, _ labels: Tensor) -> Tensor
  var testDescription: String { name }

  init(_ name: String, _ body: @escaping @Sendable (Tensor, Tensor, Tensor) -> Tensor) {
    self.name = name
    self.body = body
  }
}

/// 2⁴⁶ elements are more than any address space holds, so that no machine tries.
private let extremes = [Int.min, -1_000_000_007, -1, 0, 1, 9, 1 << 46, 1 << 62, Int.max]

private let extremeCases: [Case] = extremes.flatMap { n in
  [
    Case("reshaped \(n)") { x, _, _ in x.reshaped([n, 3]) },
    Case("reshaped to two of \(n)") { x, _, _ in x.reshaped([n, n]) },
    Case("broadcasted \(n)") { x, _, _ in x.broadcasted(to: [n, 4, 3]) },
    Case("sum over \(n)") { x, _, _ in x.sum(axes: [n]) },
    Case("mean over \(n)") { x, _, _ in x.mean(axes: [n, n]) },
    Case("variance, correction \(n)") { x, _, _ in x.variance(correction: n) },
    Case("softmax over \(n)") { x, _, _ in softmax(x, axis: n) },
    Case("transposed \(n)") { x, _, _ in x.transposed([n, 0]) },
    Case("concatenate at \(n)") { x, _, _ in concatenate([x, x], axis: n) },
    Case("stack at \(n)") { x, _, _ in stack([x, x], axis: n) },
    Case("expanded at \(n)") { x, _, _ in x.expandedDims(at: n) },
    Case("squeezed \(n)") { x, _, _ in x.squeezed(axes: [n]) },
    Case("flattened from \(n)") { x, _, _ in x.flattened(from: n) },
    Case("split into \(n)") { x, _, _ in x.split(into: min(n, 1 << 20))[0] },
    Case("split along \(n)") { x, _, _ in x.split(into: 2, axis: n)[0] },
    Case("split in sizes \(n)") { x, _, _ in x.split(sizes: [n, n])[0] },
    Case("unstacked \(n)") { x, _, _ in x.unstacked(axis: n).first ?? x },
    Case("padded \(n)") { x, _, _ in x.padded(low: [n, 0], high: [0, n]) },
    Case("padded inside \(n)") { x, _, _ in x.padded(low: [0, 0], high: [0, 0], interior: [n, 0]) },
    Case("padded, \(n) everywhere") { x, _, _ in
      x.padded(low: [n, n], high: [n, n], interior: [n, n])
    },
    Case("element \(n)") { x, _, _ in x[n] },
    Case("stride \(n)") { x, _, _ in x[TensorIndex.stride(by: n)] },
    Case("from \(n)") { x, _, _ in x[TensorIndex.stride(from: n, to: n, by: -1)] },
    Case("one-hot \(n)") { _, _, y in oneHot(y, classes: n) },
    Case("take along \(n)") { x, _, y in takeAlongAxis(x, y, axis: n) },
    Case("layer norm over \(n)") { x, _, _ in layerNorm(x, axis: n) },
    Case("dropout \(n)") { x, _, _ in dropout(x, rate: Double(n)) },
    Case("max pool \(n)") { _, i, _ in maxPool2d(i, window: [n]) },
    Case("max pool, stride \(n)") { _, i, _ in maxPool2d(i, window: [2], strides: [n]) },
    Case("max pool, padding \(n)") { _, i, _ in maxPool2d(i, window: [2], padding: .all(n)) },
    Case("average pool \(n)") { _, i, _ in averagePool2d(i, window: [n, 2], padding: .same) },
    Case("conv, padding \(n)") { _, i, _ in Conv2D(3, 2, kernel: 3, padding: .all(n))(i) },
    Case("conv, stride \(n)") { _, i, _ in Conv2D(3, 2, kernel: 3, strides: [n])(i) },
    Case("conv, dilation \(n)") { _, i, _ in Conv2D(3, 2, kernel: 3, dilations: [n])(i) },
    Case("conv, groups \(n)") { _, i, _ in Conv2D(3, 2, kernel: 3, groups: n)(i) },
    Case("conv, kernel \(n)") { _, i, _ in Conv2D(3, 2, kernel: n)(i) },
    Case("conv, channels \(n)") { _, i, _ in Conv2D(n, n, kernel: 1)(i) },
    Case("linear \(n)") { x, _, _ in Linear(n, n)(x) },
    Case("linear to \(n)") { x, _, _ in Linear(3, n)(x) },
    Case("layer norm of \(n)") { x, _, _ in LayerNorm(n)(x) },
    Case("batch norm of \(n)") { x, _, _ in BatchNorm(n)(x) },
    Case("argmax over \(n)") { x, _, _ in x.argmax(axis: n) },
    Case("max over \(n)") { x, _, _ in x.max(axes: [n, 0]) },
    Case("log-sum-exp over \(n)") { x, _, _ in logSumExp(x, axes: [n]) },
    Case("gather at \(n)") { x, _, y in gather(x, y, axis: n) },
    Case("iota of \(n)") { x, _, _ in iota([n, 3], axis: 0, dtype: .float32) + x.sum() },
    Case("iota along \(n)") { x, _, _ in iota([4, 3], axis: n, dtype: .float32) + x },
    Case("maxout of \(n)") { x, _, _ in maxout(x, pieces: n) },
    Case("batch norm over \(n)") { x, _, _ in batchNorm(x, axis: n).normalized },
    Case("Bernoulli \(n)") { x, _, _ in x.bernoulliLike(probability: Double(n)) },
    Case("uniform to \(n)") { x, _, _ in x.randomUniformLike(low: 0, high: Double(n)) },
    Case("power \(n)") { x, _, _ in pow(x, Double(n)) },
    Case("integers times \(n)") { _, _, y in y * Double(n) },
    Case("integers below \(n)") { _, _, y in minimum(y, Double(n)) + y },
    Case("integer one-hot of \(n)") { _, _, y in
      oneHot(y, classes: 5, dtype: .int32, on: Double(n), off: .nan)
    },
    Case("transposed conv, padding \(n)") { _, i, _ in
      conv2dTransposed(i, Conv2D(2, 3, kernel: 3).weight.tensor(in: i.trace), padding: .all(n))
    },
    Case("transposed conv, stride \(n)") { _, i, _ in
      conv2dTransposed(
        i, Conv2D(2, 3, kernel: 3).weight.tensor(in: i.trace), strides: [n], outputPadding: [n])
    },
    Case("Lp pool \(n)") { _, i, _ in lpPool2d(i, p: Double(n), window: [n]) },
    Case("parameter of \(n)") { x, _, _ in
      Parameter([n, n], initializer: .heNormal).tensor(in: x.trace)
    },
  ]
}

private let oddCases = [
  Case("integers plus NaN") { _, _, y in y + Double.nan },
  Case("integers plus infinity") { _, _, y in y + Double.infinity },
  Case("integers plus 1e300") { _, _, y in (y - 1e300) * 1e300 },
  Case("integers clipped") { _, _, y in y.clipped(low: -.infinity, high: .infinity) },
  Case("bools plus 7") { x, _, _ in maximum(x.converted(to: .bool), 7) },
  Case("NaN to integers") { x, _, _ in (x * Double.nan).converted(to: .int32) + 1 },
  Case("divided by zero") { _, _, y in y / (y - y) },
  Case("nothing stacked") { _, _, _ in stack([]) },
  Case("nothing concatenated") { _, _, _ in concatenate([]) },
  Case("einsum without arrow") { x, _, _ in einsum("ij,jk", x, x) },
  Case("einsum of nothing") { x, _, _ in einsum("", x) },
  Case("einsum of noise") { x, _, _ in einsum("->->,,é…", x) },
  Case("einsum repeated") { x, _, _ in einsum("ii->i", x) },
  Case("no window") { _, i, _ in maxPool2d(i, window: []) },
  Case("three strides") { _, i, _ in maxPool2d(i, window: [2], strides: [1, 1, 1]) },
  Case("no strides") { _, i, _ in Conv2D(3, 2, kernel: 3, strides: [])(i) },
  Case("no dilations") { _, i, _ in Conv2D(3, 2, kernel: 3, dilations: [])(i) },
  Case("a pool of rank 2") { x, _, _ in maxPool2d(x, window: [2]) },
  Case("a convolution of rank 2") { x, _, _ in Conv2D(3, 2, kernel: 1)(x) },
  Case("loss of other classes") { x, _, y in softmaxCrossEntropy(logits: x, labels: y[0..<2]) },
  Case("loss of float labels") { x, _, _ in softmaxCrossEntropy(logits: x, labels: x) },
  Case("loss of a scalar") { x, _, y in softmaxCrossEntropy(logits: x.sum(), labels: y) },
  Case("accuracy of a scalar") { x, _, y in accuracy(logits: x.sum(), labels: y) },
  Case("product of scalars") { x, _, _ in matmul(x.sum(), x.sum()) },
  Case("logic of floats") { x, _, _ in softmax(x.converted(to: .bool)) },
  Case("square root of integers") { _, _, y in sqrt(y) },
  Case("exponential of bools") { x, _, _ in exp(x.converted(to: .bool)) },
  Case("no layers") { x, _, _ in Sequential([])(x) },
  Case("MLP of nothing") { x, _, _ in MLP([])(x) },
  Case("MLP of one size") { x, _, _ in MLP([3])(x) },
]

@Test(arguments: extremeCases + oddCases) private func refusesOrRuns(_ tried: Case) throws {
  let function: Function
  do {
    function = try compile(
      TensorSpec([4, 3]), TensorSpec([2, 8, 8, 3]), TensorSpec([4], .int32), options: testOptions()
    ) { x, images, labels in tried.body(x, images, labels) }
  } catch let error as CompileError {
    #expect(error.code != .internal && error.code != .machineCode, "\(error)")
    #expect("\(error)".split(separator: "\n").count <= 6)
    return
  } catch let error as RunError {
    // Memory for the state or the arena.
    #expect(error.code == .outOfMemory, "\(error)")
    return
  }
  let inputs = [
    try NDArray([Float](repeating: 0.5, count: 12), shape: [4, 3]),
    try NDArray([Float](repeating: 0.5, count: 384), shape: [2, 8, 8, 3]),
    try NDArray([0 as Int32, 1, 2, 0]),
  ]
  let outcome = refusal { _ = try function.run(inputs) }
  #expect(["runs", "out-of-memory", "range"].contains(outcome), "\(outcome)")
}

/// What `body` throws, in one word.
private func refusal(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "runs"
  } catch let error as CompileError {
    return error.code.description
  } catch let error as RunError {
    return error.code.description
  } catch {
    return "\(error)"
  }
}

@Test func arraysRefuseWhatDoesNotFit() throws {
  let array = try smallInput(4)
  for n in extremes {
    let fits = (0...4).contains(n)
    #expect(refusal { _ = try array.rows(n..<n) } == (fits ? "runs" : "range"), "\(n)")
    #expect(refusal { _ = try array.reshaped([n, n]) } == "input", "\(n)")
    let single = refusal { _ = try NDArray([1 as Float], shape: [n, n]) }
    #expect(single == (n == 1 ? "runs" : "input"), "\(n)")
    let zeros = refusal { _ = try NDArray(zeros: [n, n, n]) }
    #expect((zeros == "runs") == (0...9).contains(n), "\(n)")
  }
  #expect(refusal { _ = try NDArray([[1 as Float], [1, 2]]) } == "input")
  #expect(refusal { _ = try array.item() } == "mismatch")
  #expect(refusal { _ = try array.elements(as: Double.self) } == "mismatch")
  #expect(try NDArray([Float]()).description.isEmpty == false)
}

@Test func trainingRefusesWhatItCannotTrain() throws {
  let (x, labels) = (TensorSpec([4, 3]), TensorSpec([4], .int32))
  func step(
    _ model: some Layer, _ loss: @escaping (Tensor, Tensor) -> Tensor
  ) throws -> TrainingStep {
    try compile(training: model, with: Adam(), x, labels, options: testOptions()) { loss($0, $1) }
  }
  let model = Small()
  // A loss that is no scalar, is no float, or is no function of the model.
  #expect(refusal { _ = try step(model) { x, _ in model(x) } } != "runs")
  #expect(refusal { _ = try step(model) { _, y in y.sum() } } != "runs")
  let idle = try step(model) { x, _ in x.sum() }
  let before = try model.snapshot().values.mapValues(\.floats)
  _ = try idle(try smallInput(4), try smallLabels(4))
  #expect(try model.snapshot().values.mapValues(\.floats) == before)
  // A model without parameters.
  _ = try step(Flatten()) { x, _ in x.sum() }(try smallInput(4), try smallLabels(4))
  // A learning rate that is none spoils the weights and nothing else.
  let real = try step(model) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
  _ = try real(try smallInput(4), try smallLabels(4), learningRate: .nan)
  #expect(try real(try smallInput(4), try smallLabels(4)).item().isNaN)
}
