// Winograd's convolution in programs: beside the direct one and the interpreter, and when it is taken.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTestSupport
import Testing

/// Two stages of 3×3 convolutions whose images leave a residue in tiles of four.
private struct SmallVGG: Layer {
  let first = MartletNN.Conv2D(3, 16, kernel: 3, padding: .all(1))
  let second = MartletNN.Conv2D(16, 32, kernel: 3, padding: .all(1))
  let third = MartletNN.Conv2D(32, 20, kernel: 3)
  let output = Linear(20 * 5 * 4, 7)
  func callAsFunction(_ x: Tensor) -> Tensor {
    var y = relu(second(relu(first(x))))
    y = maxPool2d(y, window: [2])
    y = relu(third(y))
    return output(Flatten()(y))
  }
}

private let images = TensorSpec([2, 14, 13, 3])

private func pictures() throws -> NDArray {
  let count = images.type.shape.count
  return try NDArray((0..<count).map { Float($0 * 7919 % 513) / 256 - 1 }, shape: images.type.shape)
}

private func options(
  _ backend: CompileOptions.Backend = .tcc, winograd: Bool = true, threads: Int = 1
) throws -> CompileOptions {
  var options = try testOptions(threads: threads)
  options.backend = backend
  if !winograd { try options.disable(["winograd"]) }
  return options
}

/// The largest difference over the largest magnitude.
private func distance(_ a: NDArray, _ b: NDArray) -> Double {
  let (x, y) = (a.doubles, b.doubles)
  let difference = zip(x, y).reduce(0) { max($0, abs($1.0 - $1.1)) }
  return difference / y.reduce(0) { max($0, abs($1)) }
}

@Test func winogradBesideTheDirectWay() throws {
  let model = SmallVGG()
  let x = try pictures()
  func frozen(_ options: CompileOptions) throws -> Function {
    try compile(frozen: model, images, options: options) { model($0) }
  }
  let winograd = try frozen(try options())
  let direct = try frozen(try options(winograd: false))
  #expect(winograd.program.source.contains("mt_conv2d_winograd_f32"))
  #expect(!direct.program.source.contains("mt_conv2d_winograd_f32"))
  let result = try winograd(x)
  // 1e-4 is the stated bound for one convolution; three and a product stay far below it.
  #expect(distance(result, try direct(x)) < 1e-5)
  #expect(distance(result, try frozen(try options(.interpreter))(x)) < 1e-5)
  #expect(try direct(x).floats != result.floats)
  // Bits: threads, the scalar form, the batch, and whether weights are constants.
  #expect(try frozen(try options(threads: 3))(x).floats == result.floats)
  #expect(try frozen(try options(.cc))(x).floats == result.floats)
  let live = try compile(images, options: try options()) { model($0) }
  #expect(try live(x).floats == result.floats)
  let one = try winograd.resized(batch: 1)(try x.rows(0..<1))
  #expect(one.floats == Array(result.floats.prefix(7)))
}

@Test func trainingTakesWinogradOnRequestOnly() throws {
  let model = SmallVGG()
  func step(_ options: CompileOptions) throws -> Program {
    try compile(
      training: model, with: SGD(learningRate: 0.1), images, TensorSpec([2], .int32),
      options: options
    ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }.program
  }
  #expect(!(try step(try options()).source.contains("winograd")))
  var requested = try options()
  requested.winogradInTraining = true
  #expect(try step(requested).source.contains("winograd"))
  try requested.disable(["winograd"])
  #expect(!(try step(requested).source.contains("winograd")))
}
