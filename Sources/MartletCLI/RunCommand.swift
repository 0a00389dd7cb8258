// martlet run: an ONNX model once or several times, arrays in and arrays out.

import ArgumentParser
import Martlet
import MartletData
import MartletIR
import MartletONNX

/// `--max-bytes`, shared by the commands that open models of others.
struct LimitOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Most bytes that the model may ask for (default: half of the memory).", valueName: "bytes"))
  var maxBytes: Int?

  func validate() throws {
    if let maxBytes, maxBytes <= 0 {
      throw ValidationError("--max-bytes \(maxBytes): expected more than 0")
    }
  }

  var limits: ONNXLimits {
    var limits = ONNXLimits()
    if let maxBytes { limits.bytes = maxBytes }
    return limits
  }
}

/// `NAME=N` pairs of `--dim`.
func parseDimensions(
  _ texts: [String], _ range: ClosedRange<Int> = 0...Int.max
) throws -> [String: Int] {
  var dimensions: [String: Int] = [:]
  for text in texts {
    guard let split = text.lastIndex(of: "="), split > text.startIndex,
      let extent = Int(text[text.index(after: split)...]), range.contains(extent)
    else {
      let limits =
        range.upperBound == .max ? "" : ", N from \(range.lowerBound) to \(range.upperBound)"
      throw ValidationError("--dim \(text): expected NAME=N\(limits)")
    }
    let name = String(text[..<split])
    guard dimensions.updateValue(extent, forKey: name) == nil else {
      throw ValidationError("--dim \(name) is given twice")
    }
  }
  return dimensions
}

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run an ONNX model.",
    discussion: """
      Inputs are .npy or .wav files (samples between −1 and 1); those that are not given are drawn from --seed (floats between −1 and 1, \
      integers from 0 to 9). Symbolic dimensions come from --dim or the given inputs. With --output-dir \
      each output becomes a .npy file under its name, with every byte outside of A-Za-z0-9._- \
      percent-encoded.
      """)

  @Argument(help: ArgumentHelp("An .onnx file.", valueName: "model.onnx"))
  var model: String
  @Option(help: ArgumentHelp("An input's array, or sound.", valueName: "name=file.npy"))
  var input: [String] = []
  @Option(help: ArgumentHelp("A symbolic dimension.", valueName: "name=n"))
  var dim: [String] = []
  @Option(help: ArgumentHelp("Where outputs are written.", valueName: "dir"))
  var outputDir: String?
  @Option(help: ArgumentHelp("Seeds inputs that are not given, and draws.", valueName: "n"))
  var seed: UInt64 = 0
  @Option(help: ArgumentHelp("Threads.", valueName: "n"))
  var threads: Int?
  @Option(help: ArgumentHelp("How often the model runs.", valueName: "n"))
  var `repeat` = 1
  @Flag(help: "Print times: load, compile, first run, median.")
  var time = false
  @OptionGroup var limits: LimitOptions

  func validate() throws {
    if `repeat` < 1 { throw ValidationError("--repeat \(`repeat`): expected 1 or more") }
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads \(threads): expected 1 to 1024")
    }
    _ = try parseDimensions(dim)
    _ = try files()
    if outputDir == "" { throw ValidationError("--output-dir is empty: expected a directory") }
  }

  /// The files of inputs, in the order given.
  private func files() throws -> [(name: String, path: String)] {
    var names: Set<String> = []
    return try input.map { text in
      // Names of tensors may hold `=`, so may paths: the first one with something on both sides.
      guard let split = text.dropFirst().firstIndex(of: "="),
        text.index(after: split) < text.endIndex
      else { throw ValidationError("--input \(text): expected NAME=FILE.npy") }
      let name = String(text[..<split])
      guard names.insert(name).inserted else {
        throw ValidationError("--input \(name) is given twice")
      }
      return (name, String(text[text.index(after: split)...]))
    }
  }

  func run() throws {
    var options = try CompileOptions()
    if let threads { options.threads = threads }
    options.seed = seed
    // Before the work, not after it.
    if let outputDir { try FileSystem.makeDirectory(outputDir) }
    let start = nowMilliseconds()
    let model = try ONNXModel(contentsOf: model, limits: limits.limits)
    let loaded = nowMilliseconds()
    var given: [String: NDArray] = [:]
    for (name, path) in try files() {
      given[name] =
        path.lowercased().hasSuffix(".wav")
        ? try sound(path, for: name, of: model) : try Npy.load(path)
    }
    let values = try model.filled(
      given, dimensions: parseDimensions(dim), seed: seed)
    let program = try model.compile(known: values, options: options)
    program.session?.seed = seed
    let compiled = nowMilliseconds()
    var outputs = try program.run(values: values)
    let first = nowMilliseconds()
    var times: [Double] = []
    for _ in 1..<max(1, `repeat`) {
      let begin = nowMilliseconds()
      outputs = try program.run(values: values)
      times.append(nowMilliseconds() - begin)
    }
    for name in program.outputNames {
      guard let value = outputs[name] else { continue }
      try show(name, value)
    }
    guard time else { return }
    Output.line(
      "load \(fixed(loaded - start, 2)) ms, compile \(fixed(compiled - loaded, 2)) ms, "
        + "first run \(fixed(first - compiled, 2)) ms"
        + (times.isEmpty ? "" : ", median \(fixed(times.sorted()[times.count / 2], 3)) ms"))
  }

  /// Samples of a file in the shape of an input: where that has extents of 1 or the number of
  /// channels, and everything else is time.
  private func sound(_ path: String, for name: String, of model: ONNXModel) throws -> NDArray {
    let wave = try WaveFile(contentsOf: path)
    let (frames, channels) = (wave.samples.shape[0], wave.samples.shape[1])
    guard let port = model.inputs.first(where: { $0.name == name }),
      case .tensor(_, let declared?) = port.kind
    else { return wave.samples }
    var shape: [Int] = []
    var isTime: [Int] = []
    for (axis, dimension) in declared.enumerated() {
      if case .fixed(let n) = dimension, n == 1 || (n == channels && n < frames) {
        shape.append(n)
      } else {
        isTime.append(axis)
        shape.append(frames)
      }
    }
    // A leading symbolic axis in front of time is the batch.
    if isTime.count == 2, isTime[0] == 0 { shape[0] = 1 }
    guard shape.reduce(1, { $0.multipliedReportingOverflow(by: $1).0 }) == wave.samples.count else {
      throw ToolError(
        "\(path) holds \(frames) frames of \(channels) channels, the model takes \(port)")
    }
    // Channels in front of time are rows.
    let channelAxis = shape.firstIndex { $0 == channels && channels > 1 }
    let timeAxis = shape.lastIndex(of: frames)
    if let channelAxis, let timeAxis, channelAxis < timeAxis {
      let x = wave.samples.floats
      let rows = (0..<channels).flatMap { c in (0..<frames).map { x[$0 * channels + c] } }
      return try NDArray(rows, shape: Shape(shape))
    }
    return try NDArray(wave.samples.floats, shape: Shape(shape))
  }

  private func show(_ name: String, _ value: ONNXValue) throws {
    switch value {
    case .constant(let tensor):
      Output.line("\(printable(name))  \(tensor.elementType.name.lowercased())\(tensor.shape)")
      if let strings = tensor.strings {
        for text in strings.prefix(20) { Output.line("  \(printable(text))") }
      } else if let outputDir, let array = try tensor.ndArray() {
        try Npy.save(array, to: FileSystem.join(outputDir, percentEncoded(name) + ".npy"))
      }
    case .sequence(let values):
      Output.line("\(printable(name))  sequence of \(values.count)")
      for (index, value) in values.enumerated() { try show("\(name)_\(index)", value) }
    case .optional(let value):
      guard let value else {
        Output.line("\(printable(name))  nothing")
        return
      }
      try show(name, value)
    case .tensor: break
    }
  }
}

/// A name as a file's: every byte outside of `A-Za-z0-9._-` percent-encoded.
func percentEncoded(_ name: String) -> String {
  var text = ""
  for byte in name.utf8 {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
      UInt8(ascii: "-"):
      text.unicodeScalars.append(Unicode.Scalar(byte))
    default:
      let digits = String(byte, radix: 16, uppercase: true)
      text += "%" + (digits.count < 2 ? "0" : "") + digits
    }
  }
  // A file system takes 255 bytes; the two directory names are nobody's file.
  if text == "." || text == ".." { return text.replacing(".", with: "%2E") }
  return text.utf8.count > 200 ? String(text.prefix(200)) : text
}
