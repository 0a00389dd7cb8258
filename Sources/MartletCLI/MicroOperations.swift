// bench --micro: each class of lowering at several sizes, fused and unfused, matrix products beside
// OpenBLAS and convolutions beside oneDNN where the system has them.

import Martlet
import MartletWorkloads

/// One operation of one size, with what commonly stands around it.
struct MicroOperation {
  /// The class of lowering: what the command line names.
  var family: String
  var name: String
  /// The inputs; the last one may be indices.
  var inputs: (inout NormalDraws) throws -> [NDArray]
  var isTraining = false
  /// False where there is nothing to fuse.
  var canFuse = true
  var build: ([Tensor]) -> [Tensor]
  var peer: Peer = .none

  enum Peer {
    case none
    case product(m: Int, n: Int, k: Int, transposed: (Bool, Bool))
    case convolution(
      batch: Int, size: Int, channels: Int, filters: Int, kernel: Int, stride: Int, pad: Int)
  }

  static let families = [
    "elementwise", "rows", "columns", "transpose", "gather", "scatter", "random", "gemm", "conv",
    "window",
  ]
}

extension MicroOperation {
  static func all(_ family: String) -> [MicroOperation] {
    let sizes = [1 << 16, 1 << 22, 1 << 24]
    switch family {
    case "elementwise":
      return sizes.map { n in
        plain(family, "relu(a·b + c), \(n)", [[n], [n], [n]]) { [relu($0[0] * $0[1] + $0[2])] }
      }
    case "rows":
      return sizes.map { n in
        plain(family, "Σ a² of rows, \(n / 1024)×1024", [[n / 1024, 1024]]) {
          [($0[0] * $0[0]).sum(axes: [1])]
        }
      }
    case "columns":
      return sizes.map { n in
        plain(family, "Σ a·b of columns, \(n / 256)×256", [[n / 256, 256], [n / 256, 256]]) {
          [($0[0] * $0[1]).sum(axes: [0])]
        }
      }
    case "transpose":
      return [256, 2048, 4096].map { n in
        plain(family, "aᵀ + b, \(n)×\(n)", [[n, n], [n, n]]) { [$0[0].transposed([1, 0]) + $0[1]] }
      }
    case "gather":
      return indexed(family) { rows, count in ("2·table[i]", { [gather($0[0], $0[1]) * 2] }) }
    case "scatter":
      return indexed(family) { rows, count in
        (
          "table with rows added",
          { x in
            [scatterAdd(x[0] * 0.9, x[1], gather(x[0], x[1]) * 0.1)]
          }
        )
      }
    case "random":
      return sizes.map { n in
        var made = plain(family, "dropout(a), \(n)", [[n]]) { [dropout($0[0], rate: 0.5)] }
        made.isTraining = true
        return made
      }
    case "gemm": return products
    case "conv": return convolutions
    case "window":
      return [(32, 32, 16), (32, 28, 6), (1, 224, 64)].flatMap { batch, size, channels in
        let shape: Shape = [batch, size, size, channels]
        return [
          plain(family, "relu, max 2×2 of \(shape)", [shape]) {
            [maxPool2d(relu($0[0]), window: [2])]
          },
          plain(family, "relu, mean 3×3/1 of \(shape)", [shape]) {
            [averagePool2d(relu($0[0]), window: [3], strides: [1], padding: .all(1))]
          },
        ]
      }
    default: return []
    }
  }

  private static func plain(
    _ family: String, _ name: String, _ shapes: [Shape], _ build: @escaping ([Tensor]) -> [Tensor]
  ) -> MicroOperation {
    MicroOperation(
      family: family, name: name,
      inputs: { draws in
        var arrays: [NDArray] = []
        for shape in shapes { arrays.append(try draws.normal(shape)) }
        return arrays
      }, build: build)
  }

  /// A table of rows of 256 and indices into it.
  private static func indexed(
    _ family: String,
    _ make: (Int, Int) -> (String, ([Tensor]) -> [Tensor])
  ) -> [MicroOperation] {
    [(1 << 10, 1 << 8), (1 << 16, 1 << 14)].map { rows, count in
      let (name, build) = make(rows, count)
      return MicroOperation(
        family: family, name: "\(name), \(count) of \(rows) rows of 256",
        inputs: { [try $0.normal([rows, 256]), try $0.labels(count, below: rows)] }, build: build)
    }
  }

  private static var products: [MicroOperation] {
    func product(_ m: Int, _ n: Int, _ k: Int, _ ta: Bool, _ tb: Bool) -> MicroOperation {
      var made = plain(
        "gemm", "\(ta ? "aᵀ" : "a")·\(tb ? "bᵀ" : "b"), \(m)×\(n)×\(k)",
        [ta ? [k, m] : [m, k], tb ? [n, k] : [k, n]]
      ) {
        [matmul(ta ? $0[0].transposed([1, 0]) : $0[0], tb ? $0[1].transposed([1, 0]) : $0[1])]
      }
      made.canFuse = false
      made.peer = .product(m: m, n: n, k: k, transposed: (ta, tb))
      return made
    }
    var list = [64, 128, 256, 512, 1024, 2048].flatMap { n in
      [(false, false), (true, false), (false, true), (true, true)].map { product(n, n, n, $0, $1) }
    }
    list += [product(128, 512, 784, false, false), product(1, 4096, 4096, false, false)]
    list += [(128, 512, 784), (256, 2048, 1024)].map { m, n, k in
      plain("gemm", "relu(a·b + c), \(m)×\(n)×\(k)", [[m, k], [k, n], [n]]) {
        [relu(matmul($0[0], $0[1]) + $0[2])]
      }
    }
    return list
  }

  private static var convolutions: [MicroOperation] {
    [
      (32, 32, 3, 16, 3, 1), (32, 32, 16, 16, 3, 1), (32, 32, 16, 32, 3, 2), (32, 16, 32, 32, 3, 1),
      (32, 8, 64, 64, 3, 1), (64, 28, 1, 6, 5, 1), (1, 224, 3, 64, 3, 1), (1, 224, 64, 64, 3, 1),
      (1, 56, 256, 256, 3, 1), (1, 14, 512, 512, 3, 1), (1, 56, 64, 256, 1, 1),
    ].map { batch, size, channels, filters, kernel, stride in
      let pad = kernel / 2
      var made = plain(
        "conv", "\(batch)×\(size)²×\(channels) → \(filters), \(kernel)×\(kernel)/\(stride), bias",
        [[batch, size, size, channels], [kernel, kernel, channels, filters], [filters]]
      ) {
        [conv2d($0[0], $0[1], strides: [stride], padding: .all(pad)) + $0[2]]
      }
      made.peer = .convolution(
        batch: batch, size: size, channels: channels, filters: filters, kernel: kernel,
        stride: stride, pad: pad)
      return made
    }
  }
}

/// What was measured of an operation.
struct OperationMeasurement {
  var operation: MicroOperation
  var milliseconds: Double
  var unfusedMilliseconds: Double?
  var peerMilliseconds: Double?
  var limitMilliseconds: Double?
  var flops: Int

  init(
    _ operation: MicroOperation, options: CompileOptions, limits: MachineLimits?, seconds: Double,
    blas: OpenBLAS?, dnn: OneDNN?
  ) throws {
    self.operation = operation
    var draws = NormalDraws()
    let inputs = try operation.inputs(&draws)
    var forms = [options]
    if operation.canFuse {
      var unfused = options
      try unfused.disable(["fuse"])
      forms.append(unfused)
    }
    let functions = try forms.map { form in
      try Function(
        specs: inputs.map { TensorSpec($0.shape, $0.dtype) }, options: form,
        isTraining: operation.isTraining
      ) { _, tensors in operation.build(tensors).enumerated().map { ("result\($0)", $1) } }
    }
    var runs: [() throws -> Void] = functions.map { function in { _ = try function.run(inputs) } }
    let peer = try OperationMeasurement.peer(operation.peer, inputs, blas, dnn)
    if let peer { runs.append(peer) }

    // Short runs are measured several at a time.
    var repeats = 1
    for run in runs { try run() }
    let probe = nowMilliseconds()
    for run in runs { try run() }
    let round = (nowMilliseconds() - probe) / Double(runs.count)
    if round < 0.2 { repeats = Int(0.2 / max(round, 1e-4)) + 1 }
    var times = [[Double]](repeating: [], count: runs.count)
    let begin = nowMilliseconds()
    while times[0].count < 5 || (nowMilliseconds() - begin < seconds * 1e3 && times[0].count < 1000)
    {
      for (index, run) in runs.enumerated() {
        // The others have emptied the caches.
        try run()
        let start = nowMilliseconds()
        for _ in 0..<repeats { try run() }
        times[index].append((nowMilliseconds() - start) / Double(repeats))
      }
    }
    let medians = times.map { $0.sorted()[$0.count / 2] }
    milliseconds = medians[0]
    unfusedMilliseconds = operation.canFuse ? medians[1] : nil
    peerMilliseconds = peer == nil ? nil : medians[medians.count - 1]
    let program = functions[0].program
    flops = program.report.flops
    limitMilliseconds = limits.map { Traffic(program).limit($0) }
  }

  private static func peer(
    _ peer: MicroOperation.Peer, _ inputs: [NDArray], _ blas: OpenBLAS?, _ dnn: OneDNN?
  ) throws -> (() throws -> Void)? {
    switch peer {
    case .none: return nil
    case .product(let m, let n, let k, let transposed):
      guard let blas else { return nil }
      var result = try NDArray(zeros: [m, n])
      return {
        try blas.multiply(
          inputs[0], transposed: transposed.0, inputs[1], transposed: transposed.1, into: &result,
          m, n, k)
      }
    case .convolution(
      let batch, let size, let channels, let filters, let kernel, let stride, let pad):
      return dnn?.convolution(
        batch: batch, size: size, channels: channels, filters: filters, kernel: kernel,
        stride: stride, pad: pad)
    }
  }

  static let header =
    "class        operation                                          ms  unfused ms  unfused/fused"
    + "  GFLOP/s  of limit     peer ms  peer/ours"

  var row: String {
    func cell(_ x: Double?, _ digits: Int, _ width: Int, _ unit: String = "") -> String {
      (x.map { fixed($0, digits) + unit } ?? "–").padded(width, left: true)
    }
    return operation.family.padded(13) + operation.name.padded(42)
      + cell(milliseconds, 4, 12) + cell(unfusedMilliseconds, 4, 12)
      + cell(unfusedMilliseconds.map { $0 / milliseconds }, 2, 15)
      + cell(flops > 0 ? Double(flops) / milliseconds / 1e6 : nil, 1, 9)
      + cell(limitMilliseconds.map { $0 / milliseconds * 100 }, 0, 10, " %")
      + cell(peerMilliseconds, 4, 12) + cell(peerMilliseconds.map { $0 / milliseconds }, 2, 11)
  }

  var json: String {
    func value(_ x: Double?) -> JSONValue { x.map { number($0, 6) } ?? .null }
    return JSONValue.object([
      .init("micro", .string(operation.family)), .init("operation", .string(operation.name)),
      .init("ms", value(milliseconds)), .init("unfused_ms", value(unfusedMilliseconds)),
      .init("limit_ms", value(limitMilliseconds)), .init("flops", .integer(flops)),
      .init("peer_ms", value(peerMilliseconds)),
    ]).line
  }

  /// All classes, or those named.
  static func run(
    _ families: [String], options: CompileOptions, seconds: Double, json: Bool
  ) throws {
    let limits = MachineLimits.measure(options.isa, threads: options.threads)
    let chosen = MicroOperation.families.filter { families.isEmpty || families.contains($0) }
    var (blas, dnn): (OpenBLAS?, OneDNN?) = (nil, nil)
    if chosen.contains("gemm") {
      blas = OpenBLAS(threads: options.threads, isa: options.isa.rawValue)
      if !json {
        Output.line("OpenBLAS: " + (blas.map { "kernels for \($0.core)" } ?? "not installed"))
      }
    }
    if chosen.contains("conv") {
      dnn = OneDNN(threads: options.threads)
      if !json { Output.line("oneDNN: " + (dnn == nil ? "not installed" : "in its own layouts")) }
    }
    if !json { Output.line(header) }
    var ratios: [(operation: MicroOperation, ratio: Double)] = []
    for family in chosen {
      for operation in MicroOperation.all(family) {
        let result = try OperationMeasurement(
          operation, options: options, limits: limits, seconds: seconds, blas: blas, dnn: dnn)
        Output.line(json ? result.json : result.row)
        if let peer = result.peerMilliseconds {
          ratios.append((operation, peer / result.milliseconds))
        }
      }
    }
    guard !json else { return }
    func tell(_ name: String, _ isMember: (MicroOperation) -> Bool) {
      let list = ratios.filter { isMember($0.operation) }.map(\.ratio)
      guard let least = list.min() else { return }
      let sum = list.reduce(0) { $0 + Double(logarithm(Float($1))) }
      let mean = exponential(Float(sum / Double(list.count)))
      Output.line(
        "\(name): the peer's time over ours, geometric mean \(fixed(Double(mean), 2)), "
          + "least \(fixed(least, 2))")
    }
    for family in chosen { tell(family) { $0.family == family } }
    for extents in [64...64, 256...2048] {
      let range = extents.count == 1 ? "64" : "256 to 2048"
      tell("gemm, square, \(range)") { operation in
        guard case .product(let m, let n, let k, _) = operation.peer else { return false }
        return m == n && n == k && extents.contains(m)
      }
    }
  }
}
