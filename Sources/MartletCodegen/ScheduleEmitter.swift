// The schedule as one C function over its kernels.

import MartletIR
import MartletLoops

/// Prints a schedule: its kernels, each once, and the function that runs its steps in order.
///
///     void martlet_run(struct mt_context *cx, void *const *io, char *arena) {
///       /* MLP/hidden: dot, bias, relu */
///       static const long s0[] = {1, 64, 128, 784, 0, 784, 1, 0, 128, 1};
///       void *p0[] = {arena + 0, io[3]};
///       mt_gemm_f32(cx, s0, io[0], io[2], (void *)(arena + 0), k00_bias_relu, p0);
///     }
///
/// `prototypes` gives the C declarations of the runtime functions that the text calls, for text that
/// is to stand alone; a back end that puts them in front itself leaves it out.
package func emit(
  _ schedule: Schedule, form: EmissionForm, options: EmissionOptions = EmissionOptions(),
  prototypes: ([String]) -> String = { _ in "" }
) throws(CodegenError) -> EmittedProgram {
  var emitter = ScheduleEmitter(schedule, form: form, options: options)
  return try emitter.emit(prototypes: prototypes)
}

private struct ScheduleEmitter {
  let schedule: Schedule
  let form: EmissionForm
  let options: EmissionOptions
  private var symbols: Set<String> = []
  /// For each kernel of the schedule, the one that is printed for it.
  private var printed: [Int]
  private var names: [Int: String] = [:]
  private var foreign: [ForeignBinding] = []

  init(_ schedule: Schedule, form: EmissionForm, options: EmissionOptions) {
    self.schedule = schedule
    self.form = form
    self.options = options
    var first: [TileProgram: Int] = [:]
    printed = []
    for (index, kernel) in schedule.kernels.enumerated() {
      // A kernel that asserts its range belongs to one number of rows.
      let key = options.assertsRanges ? kernel.program : kernel.program.identity
      printed.append(first[key] ?? index)
      if first[key] == nil { first[key] = index }
    }
  }

  mutating func emit(prototypes: ([String]) -> String) throws(CodegenError) -> EmittedProgram {
    let launches = schedule.steps.flatMap(\.launches)
    for launch in launches { try check(launch) }

    var sharing: [Int: Aliasing] = [:]
    var units: [Int: Int] = [:]
    for launch in launches {
      let kernel = printed[launch.kernel]
      try add(launch, to: &sharing[kernel, default: .none])
      units[kernel] = max(units[kernel] ?? 0, launch.units)
    }
    var kernelTexts: [String] = []
    var kernelNames: [String] = []
    var scratchBytes = 0
    for index in sharing.keys.sorted() {
      let name = kernelName(index, position: kernelNames.count)
      var options = options
      if options.assertsRanges { options.assertedUnits = units[index] }
      let kernel = try emitKernel(
        schedule.kernels[index], name: name, form: form, options: options,
        aliasing: sharing[index] ?? .unknown)
      names[index] = name
      kernelNames.append(name)
      kernelTexts.append(kernel.text)
      symbols.formUnion(kernel.symbols)
      scratchBytes = max(scratchBytes, kernel.scratchBytes)
    }
    let run = try runFunction()
    let sorted = symbols.sorted()

    var source = CText.comment([schedule.name])
    if form == .scalar, options.includesHeaders { source += "#include \"martlet_math.h\"\n" }
    let declarations = prototypes(sorted)
    source += "struct mt_context;\n" + declarations
    if !declarations.isEmpty, declarations.last != "\n" { source += "\n" }
    source += "\n" + kernelTexts.joined(separator: "\n") + "\n" + run
    return EmittedProgram(
      source: source, entry: options.entry, symbols: sorted, scratchBytes: scratchBytes,
      kernelNames: kernelNames, foreign: foreign)
  }

  private func kernelName(_ index: Int, position: Int) -> String {
    let base = CText.sanitise(schedule.kernels[index].name, for: .identifier)
    let number = position < 10 ? "0\(position)" : "\(position)"
    let prefix = options.kernelPrefix
    return base.isEmpty ? "\(prefix)\(number)" : "\(prefix)\(number)_\(base)"
  }

  private func check(_ launch: Schedule.Launch) throws(CodegenError) {
    guard schedule.kernels.indices.contains(launch.kernel) else {
      throw CodegenError(kernel: schedule.name, "launch of kernel \(launch.kernel)")
    }
    let kernel = schedule.kernels[launch.kernel]
    guard launch.buffers.count == kernel.program.buffers.count,
      launch.buffers.allSatisfy(schedule.buffers.indices.contains)
    else {
      throw CodegenError(
        kernel: kernel.name,
        "\(launch.buffers.count) buffers for \(kernel.program.buffers.count) places")
    }
  }

  // MARK: - Memory

  /// Adds the places of a launch, one of them written, whose bytes overlap. Bound buffers are
  /// disjoint unless they are the same one: the caller's promise.
  private func add(
    _ launch: Schedule.Launch, to aliasing: inout Aliasing
  ) throws(CodegenError) {
    let places = schedule.kernels[launch.kernel].program.buffers
    for a in launch.buffers.indices {
      for b in launch.buffers.indices where b > a {
        guard places[a].role != .input || places[b].role != .input else { continue }
        let x = schedule.buffers[launch.buffers[a]]
        let y = schedule.buffers[launch.buffers[b]]
        let overlaps =
          switch (x.storage, y.storage) {
          case (.bound(let m), .bound(let n)): m == n
          case (.arena(let m), .arena(let n)): m < n + y.byteCount && n < m + x.byteCount
          case (.bound, _), (.arena, _), (_, .bound), (_, .arena): false
          // What an iteration writes is no part of what it reads, unless it is the very same.
          default: x.storage == y.storage
          }
        guard overlaps else { continue }
        guard x.storage == y.storage else {
          throw CodegenError(
            kernel: schedule.kernels[launch.kernel].name,
            "'\(x.label)' and '\(y.label)' overlap, but do not begin at one place")
        }
        let pair = Aliasing.Pair(a, b)
        let isSingle =
          x.byteCount == places[a].dtype.byteCount && y.byteCount == places[b].dtype.byteCount
        let isNew = aliasing.pairs?.contains(pair) == false
        aliasing.pairs?.insert(pair)
        if !isSingle {
          aliasing.singles.remove(pair)
        } else if isNew {
          aliasing.singles.insert(pair)
        }
      }
    }
  }

  private func pointer(_ buffer: Int) throws(CodegenError) -> String {
    guard schedule.buffers.indices.contains(buffer) else {
      throw CodegenError(kernel: schedule.name, "no buffer \(buffer)")
    }
    switch schedule.buffers[buffer].storage {
    case .bound(let number): return "io[\(number)]"
    case .arena(let offset): return offset == 0 ? "arena" : "arena + \(offset)"
    default: return try bytePointer(buffer)
    }
  }

  /// A `char *` to a buffer of a loop, `earlier` iterations of `loop` before the running one.
  private func bytePointer(
    _ buffer: Int, earlier: Bool = false, in shifted: Int = -1, depth: Int = 0
  ) throws(CodegenError) -> String {
    guard schedule.buffers.indices.contains(buffer), depth < 4 * maximumRegionDepth else {
      throw CodegenError(kernel: schedule.name, "no buffer \(buffer)")
    }
    func pointer(_ other: Int) throws(CodegenError) -> String {
      try bytePointer(other, earlier: earlier, in: shifted, depth: depth + 1)
    }
    func index(_ loop: Int) -> String { earlier && loop == shifted ? "(i\(loop) - 1)" : "i\(loop)" }
    switch schedule.buffers[buffer].storage {
    case .bound(let number): return "(char *)io[\(number)]"
    case .arena(let offset): return offset == 0 ? "arena" : "(arena + \(offset))"
    case .part(let base, let offset): return "(\(try pointer(base)) + \(offset))"
    case .step(let base, let stride, let loop):
      guard schedule.loops.indices.contains(loop) else {
        throw CodegenError(kernel: schedule.name, "no loop \(loop)")
      }
      let info = schedule.loops[loop]
      let place = info.isReversed ? "(\(info.count - 1) - \(index(loop)))" : index(loop)
      return "(\(try pointer(base)) + \(place) * \(stride)L)"
    case .alternating(let even, let odd, let loop):
      return "(\(index(loop)) & 1 ? \(try pointer(odd)) : \(try pointer(even)))"
    case .carried(let first, let next, let loop):
      guard !(earlier && loop == shifted) else {
        throw CodegenError(kernel: schedule.name, "buffer \(buffer) is carried over two iterations")
      }
      let before = try bytePointer(next, earlier: true, in: loop, depth: depth + 1)
      return "(i\(loop) ? \(before) : \(try pointer(first)))"
    }
  }

  private func pointers(_ launch: Schedule.Launch) throws(CodegenError) -> String {
    var texts: [String] = []
    for buffer in launch.buffers { texts.append(try pointer(buffer)) }
    return "{" + (texts.isEmpty ? "0" : texts.joined(separator: ", ")) + "}"
  }

  // MARK: - Steps

  private mutating func runFunction() throws(CodegenError) -> String {
    var body = ""
    if options.observesSteps { symbols.insert("mt_observe") }
    for (number, step) in schedule.steps.enumerated() {
      let comment = CText.sanitise(step.comment, for: .comment)
      if !comment.isEmpty { body += "  /* \(comment) */\n" }
      switch step.work {
      case .begin(let loop):
        guard schedule.loops.indices.contains(loop) else {
          throw CodegenError(kernel: schedule.name, "no loop \(loop)")
        }
        body += "  long i\(loop);\n"
        body += "  for (i\(loop) = 0; i\(loop) < \(schedule.loops[loop].count); ++i\(loop)) {\n"
        if options.observesSteps { body += "  mt_observe(cx, \(number), 0);\n" }
        continue
      case .end:
        body += "  }\n"
        if options.observesSteps { body += "  mt_observe(cx, \(number), 0);\n" }
        continue
      case .leave(let loop, let condition):
        guard schedule.loops.indices.contains(loop) else {
          throw CodegenError(kernel: schedule.name, "no loop \(loop)")
        }
        let test = "!*(const unsigned char *)(\(try pointer(condition)))"
        let note = options.observesSteps ? "{ mt_observe(cx, \(number), 0); break; }" : "break;"
        body += "  if (\(test)) \(note)\n"
        continue
      case .branch(let condition):
        body += "  if (*(const unsigned char *)(\(try pointer(condition)))) {\n"
        continue
      case .otherwise:
        body += "  } else {\n"
        continue
      case .endBranch:
        body += "  }\n"
        continue
      case .launch, .call, .foreign: break
      }
      if options.observesSteps { body += "  mt_observe(cx, \(number), 0);\n" }
      defer { if options.observesSteps { body += "  mt_observe(cx, \(number), 1);\n" } }
      switch step.work {
      case .launch(let launches):
        body += try launchText(launches, grain: step.grain, number: number)
      case .call(let symbol, let arguments, let epilogue, let takesEpilogue):
        body += try callText(
          symbol, arguments, epilogue, takesEpilogue: takesEpilogue, number: number)
      case .foreign(let kernel, let buffers, let units):
        body += try foreignText(kernel, buffers, units, grain: step.grain, number: number)
      default: break
      }
    }
    var text = options.staticKernels ? "static " : ""
    text += "void \(options.entry)(struct mt_context *cx, void *const *io, char *arena) {\n"
    // Pure constants need neither; an empty program needs nothing.
    text += "  (void)cx, (void)io, (void)arena;\n"
    text += body + "}\n"
    if form == .scalar, !options.staticKernels {
      text = "void \(options.entry)(struct mt_context *cx, void *const *io, char *arena);\n" + text
    }
    return text
  }

  private mutating func launchText(
    _ launches: [Schedule.Launch], grain: Int, number: Int
  ) throws(CodegenError) -> String {
    guard let first = launches.first else { return "" }
    let kernel = names[printed[first.kernel]] ?? ""
    if launches.count == 1 {
      symbols.insert("mt_parallel")
      return """
          void *p\(number)[] = \(try pointers(first));
          mt_parallel(cx, \(kernel), p\(number), \(first.units), \(grain));

        """
    }
    for launch in launches where printed[launch.kernel] != printed[first.kernel] {
      throw CodegenError(kernel: kernel, "segments of different kernels in one step")
    }
    symbols.insert("mt_parallel_segments")
    var text = ""
    var rows: [String] = []
    for (segment, launch) in launches.enumerated() {
      text += "  void *p\(number)_\(segment)[] = \(try pointers(launch));\n"
      rows.append("p\(number)_\(segment)")
    }
    text += "  void *const *const p\(number)[] = {\(rows.joined(separator: ", "))};\n"
    text += "  static const long units\(number)[] = \(CText.table(launches.map(\.units)));\n"
    text += "  mt_parallel_segments(cx, \(kernel), \(launches.count), p\(number), "
    text += "units\(number), \(grain));\n"
    return text
  }

  private mutating func foreignText(
    _ kernel: ForeignKernel, _ buffers: [Int], _ units: Int, grain: Int, number: Int
  ) throws(CodegenError) -> String {
    let binding: ForeignBinding
    if let known = foreign.first(where: { $0.kernel == kernel }) {
      binding = known
    } else {
      binding = ForeignBinding(symbol: kernel.symbol(foreign.count), kernel: kernel)
      foreign.append(binding)
    }
    symbols.insert("mt_parallel")
    var pointers: [String] = []
    for buffer in buffers { pointers.append(try pointer(buffer)) }
    return """
        void *p\(number)[] = {\(pointers.isEmpty ? "0" : pointers.joined(separator: ", "))};
        mt_parallel(cx, \(binding.symbol), p\(number), \(units), \(grain));

      """
  }

  private mutating func callText(
    _ symbol: String, _ arguments: [Schedule.Argument], _ epilogue: Schedule.Launch?,
    takesEpilogue: Bool, number: Int
  ) throws(CodegenError) -> String {
    let name = CText.sanitise(symbol, for: .identifier)
    guard name == symbol, name.hasPrefix("mt_") else {
      throw CodegenError(kernel: schedule.name, "call of '\(symbol)'")
    }
    symbols.insert(symbol)
    var text = ""
    // The combiners of partial results are tile primitives: they need no context.
    var parts = symbol.hasPrefix("mt_combine_") ? [] : ["cx"]
    for (place, argument) in arguments.enumerated() {
      switch argument {
      case .table(let values):
        text += "  static const long s\(number)_\(place)[] = \(CText.table(values));\n"
        parts.append("s\(number)_\(place)")
      case .buffer(let buffer):
        let pointer = try pointer(buffer)
        parts.append(
          pointer == "arena"
            ? "(void *)arena"
            : pointer.hasPrefix("io[") ? pointer : "(void *)(\(pointer))")
      case .integer(let value): parts.append("\(value)")
      }
    }
    if let epilogue {
      guard takesEpilogue else {
        throw CodegenError(kernel: schedule.name, "\(symbol) takes no epilogue")
      }
      text += "  void *p\(number)[] = \(try pointers(epilogue));\n"
      parts += [names[printed[epilogue.kernel]] ?? "0", "p\(number)"]
    } else if takesEpilogue {
      parts += ["0", "0"]
    }
    return text + "  \(symbol)(\(parts.joined(separator: ", ")));\n"
  }
}

extension Schedule.Step {
  /// Every kernel application of the step, epilogues included.
  var launches: [Schedule.Launch] {
    switch work {
    case .launch(let launches): launches
    case .call(_, _, let epilogue, _): epilogue.map { [$0] } ?? []
    case .foreign: []
    default: []
    }
  }
}

extension TileProgram {
  /// What makes two kernels the same text: the number of rows only matters where it is printed.
  var identity: TileProgram {
    var key = self
    let hasColumnReductions = instructions.contains {
      if case .reduceColumn = $0.operation { true } else { false }
    }
    if chunkRows == 1, lastCols == cols, !hasColumnReductions { key.rows = 0 }
    return key
  }
}
