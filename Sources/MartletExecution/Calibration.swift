// What integer inference knows of a program's activations: their ranges over samples.

import MartletIR
import MartletOps
import MartletPasses

/// The ranges of a frozen program's activations, seen while it ran over samples: what its integer
/// form scales them by.
///
///     let predict = try compile(frozen: model, images) { model($0) }
///     let calibration = try Calibration(of: predict, over: samples)      // [n, 28, 28, 1]
///     let small = try predict.quantized(calibration)
///     small.program.report.stateBytes                                    // about a quarter
///
/// It goes with the program's graph, and with that of every other batch size. As
/// ``CompileOptions/quantization`` it makes any compilation of that graph an integer one.
public struct Calibration: Hashable, Sendable {
  /// The number of samples that were seen.
  public let samples: Int
  /// One for each activation that a matrix product or a convolution reads, in the graph's order.
  package let ranges: [ClosedRange<Float>]

  /// Runs a program over samples, its only input: `[n, …]`, in whole batches of the program's size.
  ///
  /// Throws a ``CompileError`` where the program has nothing to quantise: no matrix product or
  /// convolution of float32 by constant weights (of a model that is not frozen the weights are no
  /// constants); a ``RunError`` for samples of another shape, fewer than one batch, or activations
  /// that are not finite.
  public init(of function: Function, over samples: NDArray) throws {
    try self.init(of: function.program, over: samples)
  }

  package init(of program: Program, over samples: NDArray) throws {
    let inputs = program.arguments.filter { $0.name != "seed" && $0.name != "step" }
    guard inputs.count == 1, let batch = inputs[0].type.shape.dimensions.first, batch > 0 else {
      throw RunError(
        .input, "the program has \(inputs.count) inputs: give the samples of each run",
        at: program.options.name)
    }
    let want = inputs[0].type
    guard samples.dtype == want.dtype,
      samples.shape.dimensions.dropFirst() == want.shape.dimensions.dropFirst()
    else {
      throw RunError(
        .input,
        "the samples are \(TensorType(samples.dtype, samples.shape)), not of \(want)",
        at: inputs[0].name)
    }
    let count = samples.shape.dimensions.first ?? 0
    guard count >= batch else {
      throw RunError(
        .input, "\(count) samples are fewer than one batch of \(batch)", at: inputs[0].name)
    }
    let size = batch * want.shape.dimensions.dropFirst().reduce(1, *) * want.dtype.byteCount
    let runs = (0..<(count / batch)).map {
      [NDArray(memory: samples.memory, offset: samples.offset + $0 * size, type: want)]
    }
    try self.init(of: program, over: runs, batch: batch)
  }

  /// Runs a program over the inputs of several runs.
  package init(of program: Program, over runs: [[NDArray]], batch: Int = 1) throws {
    let quantization = Quantization(program.graph)
    guard quantization.count > 0 else {
      throw CompileError(
        .option, "there is nothing to quantise: no product by constant weights of float32",
        hint: "compile(frozen:) makes a model's weights constants")
    }
    guard !runs.isEmpty else { throw RunError(.input, "no samples", at: program.options.name) }
    var options = program.options
    options.quantization = nil
    options.firstPasses = []
    let observer = try Compiler.compile(
      try quantization.observing(), state: [], written: [], options: options)
    let session = try Session(observer)
    var low = [Float](repeating: .infinity, count: quantization.activations.count)
    var high = [Float](repeating: -.infinity, count: low.count)
    for inputs in runs {
      let results = try session.run(inputs)
      for index in low.indices {
        guard let least = results[2 * index].floats.first,
          let largest = results[2 * index + 1].floats.first
        else { continue }
        guard least.isFinite, largest.isFinite else {
          throw RunError(
            .nonFinite, "an activation of the calibration samples is not finite",
            at: program.options.name)
        }
        low[index] = min(low[index], least)
        high[index] = max(high[index], largest)
      }
    }
    samples = runs.count * batch
    ranges = zip(low, high).map { $0...$1 }
  }
}

extension Function {
  /// The same function with its products by constant weights over bytes: activations of `uint8`
  /// with one scale and zero point, weights of `int8` with one scale for each output channel, sums
  /// exact in `int32`, everything between the products in float32.
  ///
  /// Throws a ``CompileError`` for the calibration of another program.
  public func quantized(_ calibration: Calibration) throws -> Function {
    var options = program.options
    options.quantization = calibration
    return try Function(self, options: options)
  }
}
