// Integer inference: products over bytes follow their definition, whatever runs them.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletPasses
import Testing

private func numbers(_ count: Int, _ seed: UInt64, _ range: ClosedRange<Float> = -1...1) -> [Float]
{
  var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
  return (0..<count).map { _ in
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return range.lowerBound + Float(state >> 40) / Float(1 << 24)
      * (range.upperBound - range.lowerBound)
  }
}

private func literal(_ values: [Float], _ shape: Shape, _ like: Tensor) -> Tensor {
  like.trace.constant(HostArray(TensorType(.float32, shape), values.map(Double.init)))
}

@Suite struct QuantizationTests {
  /// Scales, rounding, zero points and sums, once more and plainly.
  @Test func productsFollowTheirDefinition() throws {
    let (rows, inner, columns) = (5, 7, 6)
    let (w, b) = (numbers(inner * columns, 3), numbers(columns, 5))
    let x = numbers(rows * inner, 9, -0.4...1.7)
    let predict = try compile(TensorSpec([rows, inner])) {
      matmul($0, literal(w, [inner, columns], $0)) + literal(b, [columns], $0)
    }
    let samples = try NDArray(x, shape: [rows, inner])
    let small = try predict.quantized(try Calibration(of: predict, over: samples))
    let got = try small(samples).floats

    let (low, high) = (Double(x.min() ?? 0), Double(x.max() ?? 0))
    let step = Double(Float((high - low) / 255))
    let zero = (-low / step).rounded(.toNearestOrEven)
    for row in 0..<rows {
      for column in 0..<columns {
        let line = (0..<inner).map { Double(w[$0 * columns + column]) }
        let factor = (line.map { Swift.abs($0) }.max() ?? 0) / 127
        var sum = 0.0
        for k in 0..<inner {
          let q = (Double(x[row * inner + k]) / step).rounded(.toNearestOrEven) + zero
          sum += (min(255, max(0, q)) - zero) * (line[k] / factor).rounded(.toNearestOrEven)
        }
        let want = sum * step * factor + Double(b[column])
        #expect(Swift.abs(Double(got[row * columns + column]) - want) < 1e-5)
      }
    }
    // And not far from what they stand for.
    for (a, b) in zip(got, try predict(samples).floats) { #expect(Swift.abs(a - b) < 0.03) }
  }

  /// Sums are pooled: nothing is between the layers, and none of the pooled places.
  @Test func poolsAreOverSums() throws {
    let model = LeNet5()
    let images = try NDArray(numbers(2 * 784, 3, 0...1), shape: [2, 28, 28, 1])
    let predict = try compile(frozen: model, TensorSpec([2, 28, 28, 1])) { model($0) }
    let small = try predict.quantized(try Calibration(of: predict, over: images))
    #expect(small.program.lowered.schedule.steps.count == 6)
    let text = small.program.graph.description
    #expect(text.contains("windows=[2,2]") && text.contains("share=4"))
  }

  /// The largest sum becomes what the largest byte is, to the bit: the same layers with the images in
  /// front of the pool as another result, which then are what is pooled.
  @Test(arguments: [(3, 6, 1, 2), (2, 17, 3, 3), (4, 5, 2, 4)])
  func pooledSumsEqualPooledBytes(_ sizes: (Int, Int, Int, Int)) throws {
    let (kernel, columns, channels, window) = sizes
    let filter = numbers(kernel * kernel * channels * columns, 11)
    let bias = numbers(columns, 13, -0.2...0.2)
    let next = numbers(columns * 3, 17)
    func layers(_ x: Tensor) -> (Tensor, Tensor) {
      let y = conv2d(x, literal(filter, [kernel, kernel, channels, columns], x), padding: .same)
      let bounded = minimum(maximum(y + literal(bias, [columns], x), -0.3), 6)
      let pooled = maxPool2d(bounded, window: [window])
      return (bounded, conv2d(pooled, literal(next, [1, 1, columns, 3], x)))
    }
    let spec = TensorSpec([2, 12, 12, channels])
    let images = try NDArray(numbers(288 * channels, 19), shape: [2, 12, 12, channels])
    let alone = try compile(spec) { layers($0).1 }
    let both = try compile([spec]) { x in
      let (bounded, result) = layers(x[0])
      return [bounded, result]
    }
    let (calibration, other) = (
      try Calibration(of: alone, over: images), try Calibration(of: both, over: images)
    )
    #expect(calibration.ranges == other.ranges)
    let small = try alone.quantized(calibration)
    let whole = try both.quantized(other)
    #expect(small.program.graph.description.contains("windows="))
    #expect(whole.program.graph.description.contains("byteMaxWindow"))
    let (want, got) = (try Session(whole.program).run([images])[1], try small(images))
    #expect(got.floats == want.floats)
    #expect(got.floats.contains { $0 != 0 })
  }

  /// The same bits fused or not, by the interpreter, and for one sample of a batch.
  @Test func lenet5HasTheSameBitsHoweverItRuns() throws {
    let model = LeNet5()
    let images = try NDArray(numbers(4 * 784, 7, 0...1), shape: [4, 28, 28, 1])
    let predict = try compile(frozen: model, TensorSpec([4, 28, 28, 1])) { model($0) }
    let calibration = try Calibration(of: predict, over: images)
    #expect(calibration.samples == 4)
    let small = try predict.quantized(calibration)
    let want = try small(images).floats
    let plain = try predict(images).floats
    let largest = plain.map { Swift.abs($0) }.max() ?? 0
    for (a, b) in zip(want, plain) { #expect(Swift.abs(a - b) < 0.05 * largest) }
    #expect(small.program.report.stateBytes * 3 < predict.program.report.stateBytes)

    for change: (inout CompileOptions) -> Void in [
      { $0.disabledPasses = ["fuse"] }, { $0.disabledPasses = ["schedule", "plan"] },
      { $0.backend = .interpreter }, { $0.threads = 3 },
    ] {
      var options = predict.program.options
      options.quantization = calibration
      change(&options)
      let other = try compile(frozen: model, TensorSpec([4, 28, 28, 1]), options: options) {
        model($0)
      }
      #expect(try other(images).floats == want)
    }
    let one = try small.resized(batch: 1)
    let first = try NDArray(Array(images.floats.prefix(784)), shape: [1, 28, 28, 1])
    #expect(try one(first).floats == Array(want.prefix(10)))
  }

  /// Between two convolutions there is nothing but bytes: input to bytes, product, product.
  @Test func chainsStayInBytes() throws {
    let filters = [numbers(9 * 3 * 8, 1), numbers(9 * 8 * 4, 2)]
    let predict = try compile(TensorSpec([1, 8, 8, 3])) { x in
      let first = relu(conv2d(x, literal(filters[0], [3, 3, 3, 8], x), padding: .same))
      return conv2d(first, literal(filters[1], [3, 3, 8, 4], x), padding: .same)
    }
    let image = try NDArray(numbers(192, 4), shape: [1, 8, 8, 3])
    let small = try predict.quantized(try Calibration(of: predict, over: image))
    #expect(small.program.report.kernels == 3)
    let bytes = small.program.lowered.schedule.buffers.filter { $0.dtype == .uint8 }
    #expect(bytes.map(\.byteCount).sorted() == [192, 512])
  }

  @Test func whatCannotBeQuantisedIsRefused() throws {
    let model = MLP([4, 3, 2])
    let spec = TensorSpec([2, 4])
    let frozen = try compile(frozen: model, spec) { model($0) }
    let samples = try NDArray(numbers(8, 1), shape: [2, 4])
    let calibration = try Calibration(of: frozen, over: samples)
    #expect(throws: RunError.self) {
      try Calibration(of: frozen, over: NDArray(numbers(4, 1), shape: [1, 4]))
    }
    #expect(throws: RunError.self) {
      try Calibration(of: frozen, over: NDArray(numbers(6, 1), shape: [2, 3]))
    }
    #expect(throws: RunError.self) {
      try Calibration(of: frozen, over: NDArray([Float](repeating: .nan, count: 8), shape: [2, 4]))
    }
    let live = try compile(spec) { model($0) }
    #expect(throws: CompileError.self) { try Calibration(of: live, over: samples) }
    let deeper = MLP([4, 3, 3, 2])
    let other = try compile(frozen: deeper, spec) { deeper($0) }
    #expect(throws: CompileError.self) { try other.quantized(calibration) }
  }
}
