// Measuring one workload: first step, steady state, counts, and the machine's limit.

import Martlet
import MartletJIT
import MartletExecution
import MartletLoops
import MartletWorkloads
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

func logarithm(_ x: Float) -> Float { logf(x) }
func exponential(_ x: Float) -> Float { expf(x) }

/// A workload that has made its first step.
struct RunningWorkload {
  let workload: Workload
  let options: CompileOptions
  let built: BuiltWorkload
  let setupSeconds: Double
  let firstStepSeconds: Double
  let inputs: [NDArray]

  /// Set-up counts from `start`; the first step from the model's closure to the loss. In between
  /// `isReady` gets the seconds of the set-up, and may wait.
  init(
    _ workload: Workload, options: CompileOptions, start: Double,
    isReady: (Double) throws -> Void = { _ in }
  ) throws {
    self.workload = workload
    self.options = options
    let prepared = try workload.prepare()
    inputs = prepared.inputs
    setupSeconds = (nowMilliseconds() - start) / 1e3
    try isReady(setupSeconds)
    let first = nowMilliseconds()
    built = try prepared.build(options)
    _ = try built.step(inputs)
    firstStepSeconds = (nowMilliseconds() - first) / 1e3
  }

  /// Milliseconds of each step, for `seconds` or `limit` steps, five at least; the first three are
  /// not counted.
  func times(seconds: Double, limit: Int = 20_000) throws -> [Double] {
    for _ in 0..<3 { _ = try built.step(inputs) }
    var times: [Double] = []
    let begin = nowMilliseconds()
    var now = begin
    while (now - begin < seconds * 1e3 && times.count < limit) || times.count < 5 {
      _ = try built.step(inputs)
      let end = nowMilliseconds()
      times.append(end - now)
      now = end
    }
    return times
  }

  /// Bytes of inputs, results, parameters, optimizer state and arena.
  var neededBytes: Int {
    let program = built.program
    return inputs.reduce(0) { $0 + $1.type.byteCount }
      + program.results.reduce(0) { $0 + $1.type.byteCount } + program.report.stateBytes
      + program.report.arenaBytes
  }
}

/// What was measured of one workload.
struct Measurement {
  var workload: String
  var options: CompileOptions
  var report: CompileReport
  var setupSeconds: Double
  var firstStepSeconds: Double
  var stepMilliseconds: Double
  var quartileMilliseconds: Double
  var steps: Int
  var parameters: Int
  var bytes: Int
  var limitMilliseconds: Double?
  var residentMegabytes: Double

  var compileMilliseconds: Double { max(0, firstStepSeconds * 1e3 - stepMilliseconds) }
  var gflops: Double { Double(report.flops) / max(1e-9, stepMilliseconds) / 1e6 }

  init(_ running: RunningWorkload, times: [Double], limits: MachineLimits?) {
    let sorted = times.sorted()
    workload = running.workload.name
    options = running.options
    report = running.built.program.report
    setupSeconds = running.setupSeconds
    firstStepSeconds = running.firstStepSeconds
    steps = sorted.count
    stepMilliseconds = sorted[sorted.count / 2]
    quartileMilliseconds = sorted[sorted.count * 3 / 4] - sorted[sorted.count / 4]
    parameters = running.built.parameters
    let traffic = Traffic(running.built.program)
    bytes = traffic.bytes
    limitMilliseconds = limits.map { traffic.limit($0) }
    residentMegabytes = Measurement.residentMegabytes()
  }

  /// The largest resident size of this process so far.
  private static func residentMegabytes() -> Double {
    var usage = rusage()
    #if os(macOS)
      getrusage(RUSAGE_SELF, &usage)
      return Double(usage.ru_maxrss) / 1e6
    #else
      getrusage(Int32(truncatingIfNeeded: RUSAGE_SELF.rawValue), &usage)
      return Double(usage.ru_maxrss) * 1024 / 1e6
    #endif
  }

  /// One line of JSON.
  var json: String { object.line }

  var object: JSONValue {
    .object([
      .init("workload", .string(workload)),
      .init("threads", .integer(options.threads)),
      .init("backend", .string(options.backend.rawValue)),
      .init("fused", .bool(!options.disabledPasses.contains("fuse"))),
      .init("isa", .string(options.isa.rawValue)),
      .init("setup_s", number(setupSeconds, 4)),
      .init("compile_ms", number(compileMilliseconds, 3)),
      .init("first_step_s", number(firstStepSeconds, 6)),
      .init("step_ms", number(stepMilliseconds, 5)),
      .init("step_iqr_ms", number(quartileMilliseconds, 5)),
      .init("steps", .integer(steps)),
      .init("params", .integer(parameters)),
      .init("flops", .integer(report.flops)),
      .init("bytes", .integer(bytes)),
      .init("gflops", number(gflops, 2)),
      .init("limit_ms", limitMilliseconds.map { number($0, 5) } ?? .null),
      .init("kernels", .integer(report.kernels)),
      .init("arena_bytes", .integer(report.arenaBytes)),
      .init("arena_lower_bound_bytes", .integer(report.arenaLowerBound)),
      .init("scratch_bytes", .integer(report.scratchBytes)),
      .init("state_bytes", .integer(report.stateBytes)),
      .init("maxrss_mb", number(residentMegabytes, 1)),
      .init("c_bytes", .integer(report.sourceBytes)),
      .init(
        "stages",
        .object([
          .init("trace_ms", number(report.traceMilliseconds, 3)),
          .init("differentiate_ms", number(report.differentiateMilliseconds, 3)),
          .init("passes_ms", number(report.passesMilliseconds, 3)),
          .init("emit_ms", number(report.emitMilliseconds, 3)),
          .init("tcc_ms", number(report.machineCodeMilliseconds, 3)),
        ])),
    ])
  }

  static let header =
    "workload    threads     step ms    ± IQR      GFLOP/s  limit ms  of limit  compile ms  kernels"
    + "      arena   RSS MB"

  /// One line of the table.
  var row: String {
    let share = limitMilliseconds.map { fixed($0 / stepMilliseconds * 100, 0) + " %" } ?? "–"
    return workload.padded(12) + "\(options.threads)".padded(7, left: true)
      + fixed(stepMilliseconds, 4).padded(12, left: true)
      + fixed(quartileMilliseconds, 4).padded(9, left: true)
      + (report.flops > 0 ? fixed(gflops, 1) : "–").padded(13, left: true)
      + (limitMilliseconds.map { fixed($0, 4) } ?? "–").padded(10, left: true)
      + share.padded(10, left: true) + fixed(compileMilliseconds, 2).padded(12, left: true)
      + "\(report.kernels)".padded(9, left: true)
      + MartletCLI.bytes(report.arenaBytes).padded(11, left: true)
      + fixed(residentMegabytes, 0).padded(9, left: true)
  }
}

/// What a step must do at least: operations, and bytes of inputs, outputs, parameters and state.
struct Traffic {
  /// Operations and bytes of each step of the schedule.
  private var work: [(flops: Int, bytes: Int)] = []

  /// Every byte read or written once, as the step must.
  var bytes: Int { work.reduce(0) { $0 + $1.bytes } }

  init(_ program: Program) {
    let schedule = program.lowered.schedule
    func slot(_ buffer: Int) -> Int? {
      guard case .bound(let slot) = schedule.buffers[buffer].storage else { return nil }
      return slot
    }
    // The last step that writes a slot pays for the write, the first that reads it for the read.
    // What a step wrote itself comes from a cache, if the machine is a good one.
    var lastWriter: [Int: Int] = [:]
    for (index, step) in schedule.steps.enumerated() {
      for buffer in step.writes { if let slot = slot(buffer) { lastWriter[slot] = index } }
    }
    var seen: Set<Int> = []
    for (index, step) in schedule.steps.enumerated() {
      var bytes = 0
      for buffer in step.reads {
        if let slot = slot(buffer), seen.insert(slot).inserted {
          bytes += schedule.buffers[buffer].byteCount
        }
      }
      for buffer in Set(step.writes) {
        guard let slot = slot(buffer) else { continue }
        seen.insert(slot)
        if lastWriter[slot] == index { bytes += schedule.buffers[buffer].byteCount }
      }
      work.append((step.flops, bytes))
    }
  }

  /// Milliseconds at the machine's limits: a step computes while it reads and writes.
  func limit(_ limits: MachineLimits) -> Double {
    work.reduce(0) {
      $0 + max(Double($1.flops) / limits.gflops / 1e6, Double($1.bytes) / limits.copy / 1e6)
    }
  }
}

extension JSONValue {
  /// As one line of text.
  var line: String {
    guard let text = try? encoded(file: "standard output") else { return "{}" }
    return String(decoding: text, as: UTF8.self)
  }
}

/// A number rounded to some digits behind the point.
func number(_ x: Double, _ digits: Int) -> JSONValue {
  var scale = 1.0
  for _ in 0..<digits { scale *= 10 }
  return .number((x * scale).rounded() / scale)
}
