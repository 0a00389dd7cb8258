// The way through the house: trace → passes → fuse, schedule, plan → C → machine code → program.

import CMartletRuntime
import MartletCodegen
import MartletIR
import MartletJIT
import MartletLoops
import MartletOps
import MartletPasses
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

package func nowMilliseconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
}

package enum Compiler {
  /// Compiles a finished trace. `results` are the caller's outputs, by name.
  package static func compile(
    _ trace: Trace, results: [(name: String, tensor: Tensor)], options: CompileOptions,
    report started: CompileReport
  ) throws -> Program {
    var report = started
    try trace.finish()
    for (name, tensor) in results {
      guard let value = tensor.value, tensor.trace === trace else {
        throw CompileError(.foreignTensor, "the result '\(name)' belongs to another trace")
      }
      trace.graph.addOutput(value, name: name)
    }
    // The trace may be compiled only once: its graph moves into the program.
    var written: Set<Int> = []
    for (index, cell) in trace.cells.enumerated() {
      guard let assigned = trace.assignments[index], let value = assigned.value else { continue }
      trace.graph.addOutput(value, name: cell.cell.path, role: .assign(cell.parameter))
      written.insert(index)
    }
    let variables = try trace.cells.map { cell -> StateVariable in
      guard let variable = cell.cell as? StateVariable else {
        throw CompileError(.state, "\(cell.cell.path) is no state variable")
      }
      return variable
    }
    try StateBlock.allocate(variables, seed: options.seed)
    let traced = trace.graph
    report.tracedNodes = traced.nodes.count
    let state = zip(trace.cells, variables).map { (parameter: $0.parameter, variable: $1) }
    return try compile(
      traced, state: state, written: written, bounds: trace.indexBounds, options: options,
      report: report)
  }

  /// Compiles a graph whose state parameters are bound to variables.
  package static func compile(
    _ traced: Graph, state: [(parameter: Int, variable: StateVariable)], written: Set<Int>,
    bounds: [Value: IndexBound] = [:], options: CompileOptions,
    report started: CompileReport = CompileReport()
  ) throws -> Program {
    var report = started
    var dump = try Dump(options)
    let start = nowMilliseconds()
    var graph = traced
    do {
      try verify(graph)
    } catch {
      throw CompileError(.internal, "the traced graph is malformed: \(error)")
    }
    dump.write("trace", "mir", graph.description)
    var context = PassContext()
    context.disabled = options.disabledPasses
    context.verifies = options.checks
    let log = PassLog(options)
    log.stage("verify")
    context.observe = { log.note($0, $1) }
    if options.logLevel >= 3 { context.observeRule = { log.note(rule: $0, replacing: $1) } }
    try Widening.run(on: &graph)
    try PassManager(options.firstPasses + Pipeline.optimization).run(on: &graph, context)
    for (name, text) in log.texts { dump.write(name, "mir", text) }
    if let calibration = options.quantization {
      graph = try Quantization(graph).quantized(calibration.ranges)
      try PassManager(Pipeline.optimization).run(on: &graph, context)
      dump.write("quantized", "mir", graph.description)
    }
    report.nodes = graph.nodes.count

    var lowered = try Rematerialization.lower(
      graph, fuse: !options.disabledPasses.contains("fuse"),
      schedule: !options.disabledPasses.contains("schedule"),
      reuse: !options.disabledPasses.contains("plan"), budget: options.memoryBudget)
    log.stage("fuse, schedule", "\(lowered.schedule.steps.count) steps")
    dump.write("fused", "txt", lowered.fusionText)
    if !options.disabledPasses.contains(Winograd.name) {
      Winograd.run(on: &lowered.schedule, inTraining: options.winogradInTraining)
    }
    MemoryPlanning.run(
      on: &lowered.schedule, reuse: !options.disabledPasses.contains("plan"),
      guarded: options.checks)
    log.stage("plan", "\(lowered.schedule.arenaBytes) bytes")
    report.arenaBytes = lowered.schedule.arenaBytes
    report.arenaLowerBound = lowered.schedule.arenaLowerBound
    report.kernels = lowered.schedule.kernelSteps
    report.flops = lowered.schedule.steps.reduce(0) { $0 + $1.flops }
    let passed = nowMilliseconds()
    report.passesMilliseconds = passed - start

    var emission = EmissionOptions()
    emission.observesSteps = options.observesSteps
    emission.assertsRanges = options.checks
    let emitted: EmittedProgram
    do {
      emitted = try emit(
        lowered.schedule, form: options.backend == .cc ? .scalar : .tile, options: emission)
    } catch {
      throw CompileError(.internal, stage: .codegen, "\(error.kernel): \(error.message)")
    }
    let printed = nowMilliseconds()
    report.emitMilliseconds = printed - passed
    report.sourceBytes = emitted.source.utf8.count
    report.scratchBytes = emitted.scratchBytes
    dump.write("kernels", "c", emitted.source)

    var code: MachineCode?
    var entry: Program.Entry?
    for (index, binding) in emitted.foreign.enumerated() {
      if let text = binding.kernel.text { dump.write("custom\(index)", "c", text) }
    }
    if options.backend != .interpreter {
      let jit = JIT(backend: options.backend == .cc ? .cc : .tcc, isa: options.isa)
      // Kept until the program is compiled, which calls them.
      let foreign = try compileForeign(emitted.foreign, jit, graph)
      defer { withExtendedLifetime(foreign) {} }
      do throws(JITError) {
        var source = EmittedSource(
          emitted.source, form: options.backend == .cc ? .scalar : .tile, symbols: emitted.symbols)
        source.foreign = emitted.foreign
        let made = try jit.compileReportingReuse(source)
        code = made.code
        report.isCached = made.reused
        let function = try made.code.function(named: emitted.entry)
        entry = unsafeBitCast(function, to: Program.Entry.self)
      } catch {
        let code: CompileError.Code =
          error.code == .executableMemoryRefused ? .executableMemory : .machineCode
        throw CompileError(code, error)
      }
    }
    report.machineCodeMilliseconds = nowMilliseconds() - printed

    var arguments: [Program.Argument] = []
    for (index, parameter) in graph.parameters.enumerated() where parameter.role == .argument {
      arguments.append(
        Program.Argument(
          name: parameter.name, type: graph.type(parameter.value),
          slot: lowered.parameterSlots[index],
          bound: bounds[traced.parameters[index].value]?.count,
          boundPlace: bounds[traced.parameters[index].value]?.place))
    }
    var results: [Program.Result] = []
    for output in graph.outputs {
      guard case .result = output.role else { continue }
      results.append(
        Program.Result(
          name: output.name, type: graph.type(output.value),
          slot: lowered.resultSlots[results.count]))
    }
    var constants: [(slot: Int, memory: Memory)] = []
    for (slot, array) in lowered.constants {
      report.stateBytes += array.type.byteCount
      if case .shared(let floats) = array.storage {
        let base = UnsafeMutableRawPointer(mutating: floats.pointer)
        constants.append(
          (slot, Memory(borrowing: base, byteCount: array.type.byteCount, owner: floats.owner)))
        continue
      }
      let memory = try Memory(byteCount: array.type.byteCount)
      array.write(
        to: UnsafeMutableRawBufferPointer(start: memory.base, count: array.type.byteCount))
      constants.append((slot, memory))
    }
    let bound = state.map {
      Program.State(variable: $0.variable, slot: lowered.parameterSlots[$0.parameter])
    }
    report.stateBytes += state.reduce(0) { $0 + $1.variable.type.byteCount }
    options.emit(
      1,
      "\(options.name): \(report.tracedNodes) → \(report.nodes) nodes, \(report.kernels) kernels, "
        + "arena \(report.arenaBytes) bytes"
        + (options.memoryBudget.map { " of a budget of \($0)" } ?? "")
        + "; trace \(milliseconds(report.traceMilliseconds)), passes "
        + "\(milliseconds(report.passesMilliseconds)), C \(milliseconds(report.emitMilliseconds)), "
        + "machine code \(milliseconds(report.machineCodeMilliseconds))"
        + (report.isCached ? " (from the cache)" : ""))
    return Program(
      options: options, report: report, traced: traced, graph: graph, lowered: lowered,
      source: emitted.source, code: code, entry: entry, arguments: arguments, results: results,
      state: bound, written: written, constants: constants)
  }

  /// Users' kernels first, each alone: a mistake in one is the user's, not the emitter's.
  private static func compileForeign(
    _ bindings: [ForeignBinding], _ jit: JIT, _ graph: Graph
  ) throws(CompileError) -> [MachineCode] {
    var codes: [MachineCode] = []
    for binding in bindings {
      guard let text = EmittedSource(binding.kernel) else { continue }
      do throws(JITError) {
        codes.append(try jit.compile(text))
      } catch {
        if error.code == .executableMemoryRefused {
          throw CompileError(.executableMemory, error)
        }
        if error.code == .outOfMemory || error.code == .compilerMissing {
          throw CompileError(.machineCode, error)
        }
        let node = graph.nodes.first { ($0.op as? Custom)?.definition.name == binding.kernel.name }
        throw CompileError(binding.kernel, error, at: node?.location ?? .unknown)
      }
    }
    return codes
  }

  fileprivate static func milliseconds(_ x: Double) -> String {
    "\(Double(Int(x * 100)) / 100) ms"
  }
}

extension CompileError {
  /// The C compiler's refusal, with the lines of the emitted text that it names.
  package init(_ code: Code, _ error: JITError) {
    self.init(
      code, stage: .machineCode, error.message,
      hint: error.hint
        ?? "the interpreter back end needs no machine code: MARTLET_BACKEND=interpreter")
    sourceLines = error.lines.map { line in
      let place = line.function.map { " in \($0)" } ?? ""
      return "line \(line.number)\(place): \(line.text.drop { $0 == " " || $0 == "\t" })"
    }
  }
}

/// Collects what each pass made of the graph, for logs and dumps.
private final class PassLog: @unchecked Sendable {
  // Confined to the compiling thread.
  private let options: CompileOptions
  private(set) var texts: [(String, String)] = []
  private var last: Double
  private var rules: [(text: String, count: Int)] = []
  init(_ options: CompileOptions) {
    self.options = options
    last = nowMilliseconds()
  }

  /// Says how long a stage took: the time since the one before.
  func stage(_ name: String, _ detail: String = "") {
    let now = nowMilliseconds()
    options.emit(
      2, "  \(name): \(detail)\(detail.isEmpty ? "" : ", ")\(Compiler.milliseconds(now - last))")
    last = now
  }

  /// A rule fired; equal ones of a pass are counted together.
  func note(rule: String, replacing op: String) {
    let text = "\(rule): \(op)"
    if let index = rules.firstIndex(where: { $0.text == text }) {
      rules[index].count += 1
    } else {
      rules.append((text, 1))
    }
  }

  func note(_ pass: String, _ graph: Graph) {
    stage(pass, "\(graph.nodes.count) nodes")
    for rule in rules {
      options.emit(3, "    \(rule.text)" + (rule.count > 1 ? " × \(rule.count)" : ""))
    }
    rules.removeAll()
    guard options.dumpDirectory != nil else { return }
    let text = graph.description
    if texts.last?.1 != text { texts.append((pass, text)) }
  }
}

/// Writes the numbered files of `MARTLET_DUMP`.
private struct Dump {
  let directory: String?
  var number = 0

  init(_ options: CompileOptions) throws(CompileError) {
    directory = options.dumpDirectory
    guard let directory else { return }
    if mkdir(directory, 0o777) != 0, errno != EEXIST {
      throw Dump.refused("make", directory, errno)
    }
    guard FileSystem.isDirectory(directory) else { throw Dump.refused("make", directory, ENOTDIR) }
    guard access(directory, W_OK) == 0 else { throw Dump.refused("write to", directory, errno) }
  }

  private static func refused(_ what: String, _ path: String, _ code: Int32) -> CompileError {
    CompileError(
      .option,
      "MARTLET_DUMP: cannot \(what) the directory '\(path)': \(String(cString: strerror(code)))")
  }

  /// The text is made only where it is written: printing a graph takes longer than tracing it.
  mutating func write(_ name: String, _ suffix: String, _ text: @autoclosure () -> String) {
    guard let directory else { return }
    let path = "\(directory)/\(number < 10 ? "0" : "")\(number)-\(name).\(suffix)"
    number += 1
    guard let file = fopen(path, "w") else { return }
    fputs(text(), file)
    fclose(file)
  }
}
