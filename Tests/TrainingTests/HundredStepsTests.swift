// A hundred steps of training, bit for bit: whatever the threads, with and without fusion, in tile and
// in scalar form, on each instruction set that this CPU has. And: batch norm folded into filters.

import MartletExecution
import MartletIR
import MartletJIT
import MartletNN
import MartletOps
import MartletTestSupport
import Testing

/// Like LeNet-5, with batch norm and dropout.
private struct Convolutional: Layer {
  let first = Conv2D(1, 6, kernel: 5, padding: .same)
  let norm1 = BatchNorm(6)
  let second = Conv2D(6, 12, kernel: 3)
  let norm2 = BatchNorm(12)
  let dense = Linear(12 * 2 * 2, 24)
  let drop = Dropout(0.3)
  let output = Linear(24, 5)
  func callAsFunction(_ x: Tensor) -> Tensor {
    let a = maxPool2d(relu(norm1(first(x))), window: [2])
    let b = maxPool2d(relu(norm2(second(a))), window: [2])
    return output(drop(relu(dense(b.reshaped([b.shape[0], 48])))))
  }
}

private struct Perceptron: Layer {
  let hidden = Linear(40, 64)
  let norm = LayerNorm(64)
  let output = Linear(64, 5)
  func callAsFunction(_ x: Tensor) -> Tensor { output(dropout(tanh(norm(hidden(x))), rate: 0.2)) }
}

/// Both in one program, so that the system's compiler need be called but once.
private struct Both: Layer {
  let images = Convolutional()
  let rows = Perceptron()
  func callAsFunction(_ x: Tensor) -> Tensor { images(x) }
}

private struct Batches: Sendable {
  let all: [[NDArray]]
  static let made = Result { () throws -> Batches in
    var generator = SplitMix64(seed: 17)
    let types = [
      TensorType(.float32, [24, 12, 12, 1]), TensorType(.float32, [24, 40]),
      TensorType(.int32, [24]),
    ]
    // Ten batches in turn: another order of the same numbers would not be seen either way.
    return Batches(
      all: try (0..<10).map { _ in
        try types.map { try NDArray(.random($0, in: 0...4, &generator)) }
      })
  }
}

private struct Trace: Hashable {
  var losses: [[UInt32]] = []
  var weights: [[UInt32]] = []
}

private func train(
  _ isa: InstructionSet, _ backend: CompileOptions.Backend = .tcc, threads: Int = 1,
  disable: [String] = []
) throws -> Trace {
  let model = Both()
  var options = try testOptions(backend, threads: threads, disable: disable)
  options.isa = isa
  options.seed = 12
  let batches = try Batches.made.get().all
  let step = try compile(
    training: model, with: Adam(learningRate: 2e-3), TensorSpec([24, 12, 12, 1]),
    TensorSpec([24, 40]), TensorSpec([24], .int32), options: options,
    auxiliary: { inputs in
      let images = softmaxCrossEntropy(logits: model.images(inputs[0]), labels: inputs[2])
      let rows = softmaxCrossEntropy(logits: model.rows(inputs[1]), labels: inputs[2])
      return (images + rows, ["images": images, "rows": rows])
    })
  var trace = Trace()
  for index in 0..<100 {
    let result = try step.run(batches[index % batches.count])
    trace.losses.append(
      try [result.loss, try #require(result.auxiliary["images"])].map {
        Float(try $0.item()).bitPattern
      })
  }
  trace.weights = try model.parameters.map { try $0.value().floats.map(\.bitPattern) }
  return trace
}

@Suite struct HundredStepsTests {
  static let sets = InstructionSet.allCases.filter(\.isSupported)

  @Test(arguments: sets) func losses(_ isa: InstructionSet) throws {
    let reference = try train(isa)
    let (first, last) = (reference.losses[0][0], reference.losses[99][0])
    #expect(Float(bitPattern: last) < Float(bitPattern: first))
    #expect(Set(reference.losses).count == 100)
    for threads in [2, 3, 8] {
      #expect(try train(isa, threads: threads) == reference, "\(threads) threads")
    }
    #expect(try train(isa, threads: 2, disable: ["fuse"]) == reference, "without fusion")
    if SystemCompiler.find() != nil {
      #expect(try train(isa, .cc, threads: 2) == reference, "in scalar form")
    }
  }

  // MARK: Folding

  /// A frozen network has batch norm in its filters; its results are those of the network that has
  /// not, within 1e-5 of the largest.
  @Test func foldedBatchNormIsBatchNorm() throws {
    let model = Both()
    let x = TensorSpec([24, 12, 12, 1])
    var generator = SplitMix64(seed: 3)
    for parameter in model.parameters where parameter.path.contains("norm") {
      let range = parameter.path.hasSuffix("Variance") ? 0.05...3.0 : -1.5...1.5
      try parameter.set(try NDArray(.random(parameter.type, in: range, &generator)))
    }
    let options = try testOptions()
    let plain = try compile(x, options: options) { model.images($0) }
    let folded = try compile(frozen: model, x, options: options) { model.images($0) }
    // The square root of the variance is a constant, and so is what it divides.
    func count(_ function: Function, _ name: String) -> Int {
      function.program.graph.nodes.count { $0.op.name == name }
    }
    #expect(count(plain, "rsqrt") + count(plain, "sqrt") == 2)
    #expect(count(folded, "rsqrt") + count(folded, "sqrt") == 0)
    #expect(count(folded, "multiply") == 0, "\(folded.dump(.optimized))")
    for batch in try Batches.made.get().all.prefix(3) {
      let (a, b) = (try plain(batch[0]).doubles, try folded(batch[0]).doubles)
      let largest = a.map { abs($0) }.max() ?? 0
      let far = zip(a, b).map { abs($0 - $1) }.max() ?? .infinity
      #expect(largest > 0.1 && far <= 1e-5 * largest, "\(far) of \(largest)")
    }
  }
}
