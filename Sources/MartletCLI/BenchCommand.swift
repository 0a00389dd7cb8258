// martlet bench: each workload in a process of its own, so that one's memory is not another's.

import ArgumentParser
import Martlet
import MartletWorkloads
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension CompileOptions.Backend: ExpressibleByArgument {}

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure compiled steps: time, operations, memory, and the machine's limit.",
    discussion: """
      Without a name it runs all workloads, one process each. The limit is what the operations \
      would take at the multiply-add peak, and the bytes at the bandwidth of a copy, both \
      measured at start. The first step counts from the model's closure to the loss: tracing, \
      passes, C, machine code, page faults. Inputs and first weights are drawn before it, and \
      another process touches memory and gives it back, so that a virtual machine's host has found \
      it; --cold leaves that out.
      """)

  @Argument(help: ArgumentHelp("Workloads; all if none is named.", valueName: "workload"))
  var workloads: [String] = []
  @Flag(help: "List the workloads.")
  var list = false
  @Option(help: ArgumentHelp("Threads.", valueName: "n"))
  var threads = 1
  @Option(help: ArgumentHelp("How long to repeat the step.", valueName: "s"))
  var seconds = 6.0
  @Flag(help: "One kernel for each operation.")
  var unfused = false
  @Option(help: ArgumentHelp("Passes to leave out, with commas between.", valueName: "pass,…"))
  var disable: String?
  @Option(help: "tcc, cc or interpreter.")
  var backend: CompileOptions.Backend?
  @Flag(
    help: """
      Operations by class, fused and unfused, beside OpenBLAS and oneDNN where they are installed; \
      then chains in tile form, in scalar form through $CC, and unfused.
      """)
  var micro = false
  @Option(
    help: ArgumentHelp(
      "Write the kernels of ten steps, thread by thread, for ui.perfetto.dev; one workload.",
      valueName: "file"))
  var trace: String?
  @Flag(help: "What compilation costs as graphs grow, and as loops get longer.")
  var compile = false
  @Flag(help: "One JSON object a line instead of the table.")
  var json = false
  @Flag(help: "Do not have memory touched before the first step.")
  var cold = false
  @Flag(help: .hidden)
  var bare = false
  @Option(help: .hidden)
  var touch: Int?
  @Flag(help: ArgumentHelp("Answers on standard input: see BenchServer.", visibility: .hidden))
  var serve = false
  @Flag(help: "Compile only: kernels, bytes and nodes of each workload.")
  var counts = false

  func validate() throws {
    let parts = MicroOperation.families + MicroChain.all.map(\.name)
    for name in workloads where micro ? !parts.contains(name) : Workload.named(name) == nil {
      throw ValidationError(
        "unknown workload '\(name)'; see martlet bench \(micro ? "--micro " : "")--list")
    }
    if let disable {
      do {
        var options = try CompileOptions()
        try options.disable(disable.split(separator: ",").map(String.init), source: "--disable")
      } catch {
        throw ValidationError("\(error.message); \(error.hint)")
      }
    }
    if serve, workloads.count != 1 {
      throw ValidationError("--serve takes one workload")
    }
    if compile, !workloads.isEmpty || micro || counts {
      throw ValidationError("--compile has graphs of its own")
    }
    if trace != nil, workloads.count != 1 || micro || counts {
      throw ValidationError("--trace takes one workload")
    }
    if let touch, !(1...65_536).contains(touch) {
      throw ValidationError("--touch \(touch): expected 1 to 65536")
    }
    guard (1...64).contains(threads) else {
      throw ValidationError("--threads \(threads): expected 1 to 64")
    }
    guard seconds >= 0, seconds <= 3600 else {
      throw ValidationError("--seconds \(seconds): expected 0 to 3600")
    }
  }

  func run() throws {
    let start = nowMilliseconds()
    if let touch { return FreshMemory.touch(megabytes: touch) }
    if list {
      func show(_ key: String, _ name: String, _ summary: String) {
        Output.line(
          json
            ? JSONValue.object([.init(key, .string(name)), .init("summary", .string(summary))]).line
            : name.padded(micro ? 16 : 12) + summary)
      }
      if micro {
        for family in MicroOperation.families {
          let names = MicroOperation.all(family).map(\.name)
          show("micro", family, "\(names.first ?? "") and \(names.count - 1) more")
        }
        for chain in MicroChain.all { show("micro", chain.name, chain.summary) }
      } else {
        for workload in Workload.all { show("workload", workload.name, workload.summary) }
      }
      return
    }
    var options = try CompileOptions()
    options.threads = threads
    if let backend { options.backend = backend }
    if unfused { try options.disable(["fuse"]) }
    if let disable {
      try options.disable(disable.split(separator: ",").map(String.init), source: "--disable")
    }
    options.profiles = trace != nil
    if compile { return try CompileMeasurement.run(options, json: json) }
    if micro {
      let families = workloads.filter(MicroOperation.families.contains)
      let chains = workloads.filter { !families.contains($0) }
      if workloads.isEmpty || !families.isEmpty {
        try OperationMeasurement.run(families, options: options, seconds: seconds / 10, json: json)
      }
      if workloads.isEmpty || !chains.isEmpty {
        try MicroMeasurement.run(chains, options: options, seconds: seconds / 10, json: json)
      }
      return
    }
    let names = workloads.isEmpty ? Workload.all.map(\.name) : workloads
    if counts {
      for workload in names.compactMap(Workload.named) {
        let counts = try Counts(workload, options)
        Output.line(json ? counts.json : counts.line)
      }
      return
    }
    if !json, !bare, !serve { Output.line(Measurement.header) }
    guard names.count == 1, let workload = Workload.named(names[0]) else {
      for name in names { try spawn(name) }
      return
    }
    let probeStart = nowMilliseconds()
    let limits = MachineLimits.measure(options.isa, threads: options.threads)
    let probed = nowMilliseconds() - probeStart
    if serve {
      return try BenchServer(workload, options: options, start: start + probed, limits: limits)
        .serve()
    }
    let running = try RunningWorkload(workload, options: options, start: start + probed) { _ in
      if !cold { try FreshMemory.prepare() }
    }
    if let trace {
      try ChromeTrace(running, steps: 10).write(to: trace)
    }
    let result = Measurement(running, times: try running.times(seconds: seconds), limits: limits)
    Output.line(json ? result.json : result.row)
  }

  /// Runs this tool again for one workload.
  private func spawn(_ name: String) throws {
    var words = [
      "martlet", "bench", name, "--bare", "--threads", "\(threads)", "--seconds", "\(seconds)",
    ]
    if unfused { words.append("--unfused") }
    if cold { words.append("--cold") }
    if json { words.append("--json") }
    if let disable { words += ["--disable", disable] }
    if let backend { words += ["--backend", backend.rawValue] }
    try BenchCommand.run(words)
  }

  /// Runs this tool, and waits for its end.
  static func run(_ words: [String]) throws {
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    arguments.append(nil)
    defer { for argument in arguments { free(argument) } }
    var child = pid_t()
    let code = posix_spawn(&child, try BenchCommand.executable(), nil, nil, arguments, environ)
    guard code == 0 else {
      throw ToolError(
        "cannot start \(words.joined(separator: " ")): \(String(cString: strerror(code)))")
    }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    guard status == 0 else { throw ExitCode(status & 0x7f == 0 ? (status >> 8) & 0xff : 1) }
  }

  static func executable() throws -> String {
    #if os(Linux)
      return "/proc/self/exe"
    #else
      guard let path = realpath(CommandLine.arguments[0], nil) else {
        throw ToolError("cannot find the tool's own file \(CommandLine.arguments[0])")
      }
      defer { free(path) }
      return String(cString: path)
    #endif
  }
}
