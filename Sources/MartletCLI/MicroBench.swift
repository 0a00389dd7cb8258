// bench --micro: chains in tile form, in scalar form through an optimising compiler, and unfused.

import Martlet
import MartletJIT
import MartletWorkloads

/// One chain of one size, three ways, measured in turns.
struct MicroMeasurement {
  var chain: String
  var elements: Int
  /// Medians of one call.
  var tileMilliseconds: Double
  var scalarMilliseconds: Double?
  var unfusedMilliseconds: Double
  /// Inputs read and results written once, at the bandwidth of a copy.
  var limitMilliseconds: Double?

  /// Compiles the chain in each form and runs them A B C A B C …
  init(
    _ chain: MicroChain, elements: Int, options: CompileOptions, limits: MachineLimits?,
    seconds: Double
  ) throws {
    self.chain = chain.name
    self.elements = elements
    let shapes = chain.shapes(elements)
    var draws = NormalDraws()
    var inputs: [NDArray] = []
    for shape in shapes {
      // A scalar is a step number or a learning rate: positive.
      inputs.append(shape.rank == 0 ? try NDArray([Float(3)], shape: []) : try draws.normal(shape))
    }
    if chain.name == "adam" { inputs[3] = try MicroMeasurement.squared(inputs[3]) }

    var forms: [CompileOptions] = [options, options]
    forms[0].backend = .tcc
    forms[1].backend = .tcc
    try forms[1].disable(["fuse"])
    if SystemCompiler.find() != nil {
      var scalar = options
      scalar.backend = .cc
      forms.append(scalar)
    }
    // Each form's dumps beside the others'.
    for (index, form) in ["tile", "unfused", "scalar"].prefix(forms.count).enumerated() {
      forms[index].name = "\(chain.name)_\(form)"
      forms[index].dumpDirectory = options.dumpDirectory.map { "\($0)-\(forms[index].name)" }
    }
    let functions = try forms.map { form in
      try Function(
        specs: shapes.map { TensorSpec($0) }, options: form, isTraining: chain.isTraining
      ) { _, tensors in chain.build(tensors).enumerated().map { ("result\($0)", $1) } }
    }
    var times = [[Double]](repeating: [], count: functions.count)
    var bytes = inputs.reduce(0) { $0 + $1.type.byteCount }
    for function in functions {
      let results = try function.run(inputs)
      if function === functions[0] { bytes += results.reduce(0) { $0 + $1.type.byteCount } }
    }
    // Small sizes: several calls are one measurement.
    let repeats = max(1, (1 << 20) / elements)
    let begin = nowMilliseconds()
    while times[0].count < 5 || (nowMilliseconds() - begin < seconds * 1e3 && times[0].count < 400)
    {
      for (index, function) in functions.enumerated() {
        let start = nowMilliseconds()
        for _ in 0..<repeats { _ = try function.run(inputs) }
        times[index].append((nowMilliseconds() - start) / Double(repeats))
      }
    }
    let medians = times.map { $0.sorted()[$0.count / 2] }
    tileMilliseconds = medians[0]
    unfusedMilliseconds = medians[1]
    scalarMilliseconds = medians.count > 2 ? medians[2] : nil
    limitMilliseconds = limits.map { Double(bytes) / $0.copy / 1e6 }
  }

  /// Second moments are not negative.
  private static func squared(_ array: NDArray) throws -> NDArray {
    try compile(TensorSpec(array.shape)) { $0 * $0 }(array)
  }

  static let header =
    "chain             elements     tile ms   scalar ms  unfused ms    limit ms  tile/scalar  "
    + "unfused/tile  of limit"

  var row: String {
    chain.padded(16) + "\(elements)".padded(10, left: true)
      + fixed(tileMilliseconds, 4).padded(12, left: true)
      + (scalarMilliseconds.map { fixed($0, 4) } ?? "–").padded(12, left: true)
      + fixed(unfusedMilliseconds, 4).padded(12, left: true)
      + (limitMilliseconds.map { fixed($0, 4) } ?? "–").padded(12, left: true)
      + (scalarMilliseconds.map { fixed(tileMilliseconds / $0, 2) } ?? "–").padded(13, left: true)
      + fixed(unfusedMilliseconds / tileMilliseconds, 2).padded(14, left: true)
      + (limitMilliseconds.map { fixed($0 / tileMilliseconds * 100, 0) + " %" } ?? "–")
      .padded(10, left: true)
  }

  var json: String {
    func number(_ x: Double?) -> JSONValue { x.map { .number($0) } ?? .null }
    let value = JSONValue.object([
      .init("micro", .string("chain")), .init("chain", .string(chain)),
      .init("elements", .integer(elements)), .init("tile_ms", number(tileMilliseconds)),
      .init("scalar_ms", number(scalarMilliseconds)),
      .init("unfused_ms", number(unfusedMilliseconds)),
      .init("limit_ms", number(limitMilliseconds)),
    ])
    guard let text = try? value.encoded(file: "standard output") else { return "{}" }
    return String(decoding: text, as: UTF8.self)
  }

  /// All chains, or those named, at all sizes.
  static func run(
    _ names: [String], options: CompileOptions, seconds: Double, json: Bool
  ) throws {
    let limits = MachineLimits.measure(options.isa, threads: options.threads)
    if !json { Output.line(header) }
    var logarithms: [Int: (scalar: [Double], unfused: [Double])] = [:]
    for chain in MicroChain.all where names.isEmpty || names.contains(chain.name) {
      for elements in MicroChain.sizes {
        let result = try MicroMeasurement(
          chain, elements: elements, options: options, limits: limits, seconds: seconds)
        Output.line(json ? result.json : result.row)
        func ratio(_ a: Double, _ b: Double) -> Double { Double(logarithm(Float(a / b))) }
        if let scalar = result.scalarMilliseconds {
          logarithms[elements, default: ([], [])].scalar.append(
            ratio(result.tileMilliseconds, scalar))
        }
        logarithms[elements, default: ([], [])].unfused.append(
          ratio(result.unfusedMilliseconds, result.tileMilliseconds))
      }
    }
    guard !json else { return }
    func mean(_ logarithms: [Double]) -> String {
      let sum = logarithms.reduce(0, +) / Double(max(1, logarithms.count))
      return fixed(Double(exponential(Float(sum))), 3)
    }
    for (elements, all) in logarithms.sorted(by: { $0.key < $1.key }) {
      if !all.scalar.isEmpty {
        Output.line("tile/scalar at \(elements), geometric mean: \(mean(all.scalar))")
      }
      Output.line("unfused/tile at \(elements), geometric mean: \(mean(all.unfused))")
    }
  }
}
