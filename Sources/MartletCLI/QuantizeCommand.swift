// martlet quantize: what a model loses and gains as integers.

import ArgumentParser
import Martlet
import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletTraining

/// The types that a model's products can run over.
enum QuantizedType: String, CaseIterable, ExpressibleByArgument { case int8 }

struct QuantizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize",
    abstract: "Measure a saved model as integers: accuracy lost, bytes and time won.",
    discussion: """
      Activations of uint8 and weights of int8, calibrated over images of the training data; accuracy \
      on the test images, and the time of a run on one thread, beside those of the model in float32. \
      `martlet compile --quantize int8` and `martlet predict --quantize int8` use the same program.
      """)

  @Argument(help: ArgumentHelp("A model directory.", valueName: "modeldir"))
  var model: String
  @Option(
    help: ArgumentHelp(
      "The data; if not given, those that the model was trained on.", valueName: "name|dir"))
  var data: String?
  @Option(help: ArgumentHelp("Images to calibrate over.", valueName: "n"))
  var samples = ModelArgument.calibrationSamples
  @Option(help: ArgumentHelp("Batch sizes to measure, as 1,32.", valueName: "list"))
  var batches = "1,32"

  private func sizes() throws -> [Int] {
    try batches.split(separator: ",", omittingEmptySubsequences: false).map {
      guard let size = Int($0), (1...4096).contains(size) else {
        throw ValidationError("--batches \(batches): expected numbers from 1 to 4096")
      }
      return size
    }
  }

  func validate() throws {
    _ = try sizes()
    guard (1...1_000_000).contains(samples) else {
      throw ValidationError("--samples \(samples): expected 1 to 1000000")
    }
  }

  func run() throws {
    let argument = try ModelArgument(model)
    guard case .layers(_, _, let shape, let manifest?) = argument else {
      throw ToolError("\(model): expected a directory of `martlet train`")
    }
    let dataset = try argument.dataset(data)
    var options = try CompileOptions()
    options.threads = 1
    let calibration = try argument.calibration(
      samples: nil, data: data, count: samples, options)
    var integer = options
    integer.quantization = calibration
    Output.line(
      "model     \(argument.exportName), calibrated over \(grouped(calibration.samples)) images of "
        + dataset.name)

    let scaling = PixelScaling(mean: manifest.mean, deviation: manifest.deviation)
    let test = dataset.test
    let batch = 100
    var correct = [0, 0]
    let sessions = try [options, integer].map {
      try Session(argument.frozenProgram(batch: batch, $0))
    }
    let whole = test.count / batch * batch
    for start in stride(from: 0, to: whole, by: batch) {
      let input = try test.batch(start..<(start + batch), scaling, shape)
      for (index, session) in sessions.enumerated() {
        let logits = try session.run([input])[0].floats
        let classes = logits.count / batch
        for row in 0..<batch {
          let scores = logits[(row * classes)..<((row + 1) * classes)]
          guard let best = scores.indices.max(by: { scores[$0] < scores[$1] }) else { continue }
          if best - row * classes == Int(test.labels[start + row]) { correct[index] += 1 }
        }
      }
    }
    let state = sessions.map { $0.program.report.stateBytes }
    Output.line(
      "weights   \(bytes(state[0])) → \(bytes(state[1])): "
        + "\(fixed(Double(state[0]) / Double(max(1, state[1])), 2)) times as small")
    let shares = correct.map { 100 * Double($0) / Double(max(1, whole)) }
    Output.line(
      "accuracy  f32 \(fixed(shares[0], 2)) %, int8 \(fixed(shares[1], 2)) %, drop "
        + "\(fixed(shares[0] - shares[1], 2)) % on \(grouped(whole)) test images")
    for size in try sizes() {
      let pair = try [options, integer].map {
        try Session(argument.frozenProgram(batch: size, $0))
      }
      let input = try test.batch(0..<min(size, test.count), scaling, shape)
      guard input.shape[0] == size else { continue }
      let times = try medians(pair, input)
      Output.line(
        "time      batch \(size): f32 \(fixed(times[0] * 1e3, 1)) µs, int8 "
          + "\(fixed(times[1] * 1e3, 1)) µs, \(fixed(times[0] / times[1], 2)) times as fast, one thread"
      )
    }
  }

  /// Milliseconds of a run of each session, in turns.
  private func medians(_ sessions: [Session], _ input: NDArray) throws -> [Double] {
    var times = sessions.map { _ in [Double]() }
    var repeats = 1
    for session in sessions { for _ in 0..<3 { _ = try session.run([input]) } }
    let start = nowMilliseconds()
    _ = try sessions[0].run([input])
    repeats = max(1, Int(2 / max(1e-3, nowMilliseconds() - start)))
    for _ in 0..<41 {
      for (index, session) in sessions.enumerated() {
        let start = nowMilliseconds()
        for _ in 0..<repeats { _ = try session.run([input]) }
        times[index].append((nowMilliseconds() - start) / Double(repeats))
      }
    }
    return times.map { $0.sorted()[$0.count / 2] }
  }
}

extension ModelArgument {
  /// How many images are enough.
  static let calibrationSamples = 512

  /// The data of the name or, without one, those that the model was trained on.
  func dataset(_ name: String?) throws -> Dataset {
    var known = "mnist5k"
    if case .layers(_, _, _, let manifest?) = self,
      let note = manifest.notes.first(where: { $0.name == "data" })?.value.string
    {
      known = note
    }
    return try Dataset.named(name ?? known)
  }

  /// The ranges of the model's activations, over the samples of a file or over images that are
  /// spread over the training data.
  func calibration(
    samples file: String?, data: String? = nil, count: Int = calibrationSamples,
    _ options: CompileOptions
  ) throws -> Calibration {
    if let file {
      let samples = try Npy.load(file)
      return try Calibration(of: try frozenProgram(batch: 1, options), over: samples)
    }
    guard case .layers(_, _, let shape, let manifest) = self else {
      throw ToolError(
        "nothing to calibrate with\nhint: --calibrate FILE.npy holds samples of the input")
    }
    let train = try dataset(data).train
    guard [train.height, train.width, train.channels] == shape else {
      throw DataError(
        .mismatch, "the model takes other images than the data set holds", at: data ?? "data",
        got: "\(train.height) × \(train.width) × \(train.channels)",
        expected: shape.map(String.init).joined(separator: " × "))
    }
    let scaling = PixelScaling(mean: manifest?.mean ?? 0, deviation: manifest?.deviation ?? 1)
    let total = min(count, train.count)
    let picked = (0..<total).map { $0 * train.count / total }
    let samples = try train.batch(picked, scaling, shape)
    let batch = (1...min(32, total)).last { total % $0 == 0 } ?? 1
    return try Calibration(of: try frozenProgram(batch: batch, options), over: samples)
  }
}

extension Dataset.Split {
  /// Some of the images, scaled as for training.
  func batch(
    _ indices: some Sequence<Int>, _ scaling: PixelScaling, _ shape: [Int]
  ) throws -> NDArray {
    var values: [Float] = []
    var count = 0
    for index in indices {
      count += 1
      values += images[(index * imageSize)..<((index + 1) * imageSize)].map(scaling.value)
    }
    return try NDArray(values, shape: Shape([count] + shape))
  }
}
