// A session: arena and threads for one caller at a time.

import CMartletRuntime
import Dispatch
import MartletIR
import MartletLoops
import MartletOps
import Synchronization

/// Runs a ``Program``: holds its arena, its threads and the place of its random draws.
///
/// One caller at a time; cheap to make; not Sendable. Results are fresh arrays.
public final class Session {
  /// The program that this session runs.
  public let program: Program
  /// Seeds random draws (dropout); a result depends on (seed, step) only.
  public var seed: UInt64
  /// The number of the next step; part of every random draw. Counts up with each run.
  public var step: Int64 = 0

  private let context: OpaquePointer?
  private let arena: Memory?
  // A step of a microsecond feels each reference that is counted and each access to a field that is
  // checked: what a run reads and writes lies in plain memory, freed with the session.
  private let io: UnsafeMutableBufferPointer<UnsafeMutableRawPointer?>
  private let results: UnsafeMutableBufferPointer<ResultSlot>
  private let callerInputs: UnsafeMutableBufferPointer<InputSlot>
  private let writtenBlocks: UnsafeMutableBufferPointer<Unmanaged<StateBlock>>
  private let readBlocks: UnsafeMutableBufferPointer<Unmanaged<StateBlock>>
  private let entry: Program.Entry?
  private let isObserved: Bool
  private let isChecked: Bool
  private let scalars: Memory
  private var isPrepared = false
  /// The generations of the state whose addresses stand in `io`, summed up: each only grows.
  private var boundGeneration = -1
  /// Argument positions that the session itself fills.
  private let seedArgument: Int?
  private let stepArgument: Int?
  /// Positions of the arguments that the caller passes, in order.
  private let callerArguments: [Int]
  /// Positions of inputs that are indices with a range.
  private let boundedInputs: [Int]
  private let isRunning = Atomic(false)
  /// Threads outside of Swift's cooperative pool, one at a time, for `run` with `await`.
  private lazy var queue = DispatchQueue(label: "martlet.session")

  /// Times of the kernels, when the program was compiled with ``CompileOptions/profiles``.
  public private(set) var profile: Profile?
  private let check: StepCheck?
  private var interpretedNonFinite: String?
  private let guardian: FiniteGuard?

  /// A session over a program. Throws when there is no memory for the arena or no thread.
  public init(_ program: Program, threads: Int? = nil) throws(RunError) {
    self.program = program
    seed = program.options.seed
    let count = max(1, min(256, threads ?? program.options.threads))
    if program.entry == nil {
      context = nil
      arena = nil
      check = nil
    } else {
      let bytes = program.lowered.schedule.arenaBytes
      let arena = try Memory(byteCount: bytes)
      guard let made = mt_context_create(Int32(count), program.report.scratchBytes) else {
        throw RunError(
          .outOfMemory,
          "no memory for \(count) threads with \(program.report.scratchBytes) bytes of scratch each"
        )
      }
      context = made
      self.arena = arena
      check = program.options.checks ? StepCheck(program.lowered.schedule, arena: arena.base) : nil
      if program.options.observesSteps {
        let user = check.map { Unmanaged.passUnretained($0).toOpaque() }
        guard mt_context_watch(made, check == nil ? nil : StepCheck.observer, user) != 0 else {
          mt_context_destroy(made)
          throw RunError(.outOfMemory, "no memory for the timings of \(count) threads")
        }
        profile = Profile(program.lowered.schedule)
      }
    }
    guardian = program.options.stopsAtNonFinite ? try FiniteGuard(program) : nil
    scalars = try Memory(byteCount: 128)
    entry = program.entry
    isObserved = program.options.observesSteps
    isChecked = program.options.checks
    seedArgument = program.arguments.firstIndex { $0.name == "seed" }
    stepArgument = program.arguments.firstIndex { $0.name == "step" }
    let callerArguments = program.arguments.indices.filter {
      program.arguments[$0].name != "seed" && program.arguments[$0].name != "step"
    }
    self.callerArguments = callerArguments
    boundedInputs = callerArguments.indices.filter {
      program.arguments[callerArguments[$0]].bound != nil
    }
    io = .allocate(capacity: max(1, program.lowered.schedule.boundCount))
    io.initialize(repeating: nil)
    results = .allocate(capacity: program.results.count)
    for (index, result) in program.results.enumerated() {
      results.initializeElement(
        at: index,
        to: ResultSlot(
          memory: nil, type: result.type, bytes: result.type.byteCount, slot: result.slot))
    }
    callerInputs = .allocate(capacity: callerArguments.count)
    for (index, place) in callerArguments.enumerated() {
      callerInputs.initializeElement(at: index, to: InputSlot(program.arguments[place]))
    }
    writtenBlocks = .allocate(capacity: program.writtenBlocks.count)
    _ = writtenBlocks.initialize(from: program.writtenBlocks.map(Unmanaged.passUnretained))
    readBlocks = .allocate(capacity: program.readBlocks.count)
    _ = readBlocks.initialize(from: program.readBlocks.map(Unmanaged.passUnretained))
    if isChecked { poisonArena() }
    for (slot, memory) in program.constants { io[slot] = memory.base }
    if let index = seedArgument { io[program.arguments[index].slot] = scalars.base }
    if let index = stepArgument { io[program.arguments[index].slot] = scalars.base + 64 }
  }

  deinit {
    if let context { mt_context_destroy(context) }
    results.deinitialize()
    for input in callerInputs { input.deallocate() }
    results.deallocate()
    callerInputs.deallocate()
    io.deallocate()
    writtenBlocks.deallocate()
    readBlocks.deallocate()
    guard program.options.logLevel >= 4, let profile, profile.runs > 0 else { return }
    let limits = MachineLimits.measure(program.options.isa, threads: program.options.threads)
    program.options.emit(4, "\(program.options.name):\n" + profile.table(limits: limits))
  }

  /// Runs the program once on the calling thread and the session's own.
  ///
  /// Throws a ``RunError`` when inputs differ from what was compiled, an index input is out of
  /// range, or another session writes the same state.
  public func run(_ inputs: [NDArray]) throws(RunError) -> [NDArray] {
    var results: [NDArray] = []
    results.reserveCapacity(self.results.count)
    try run(inputs, and: nil) { results.append($0) }
    return results
  }

  /// The same with one more input behind the others; `take` gets the results in order. For steps of
  /// a microsecond: no array is made.
  package func run(
    _ inputs: [NDArray], and last: NDArray?, _ take: (NDArray) -> Void
  ) throws(RunError) {
    try begin()
    defer { isRunning.store(false, ordering: .releasing) }
    try step(with: inputs, last, take)
  }

  private func begin() throws(RunError) {
    let turn = isRunning.compareExchange(expected: false, desired: true, ordering: .acquiring)
    guard turn.exchanged else {
      throw RunError(
        .busy, "the session is running already", at: program.options.name,
        hint: "a session takes one caller at a time; make another over the same program")
    }
  }

  /// The inputs that a caller passes, in order.
  package var inputs: [Program.Argument] { callerArguments.map { program.arguments[$0] } }

  /// Runs the program once on memory of the caller, for those who cannot spare the time of an array.
  ///
  /// Inputs and results are in the program's order, each dense, of the program's type, and aligned to
  /// its elements; no result overlaps anything else.
  package func run(
    on inputs: UnsafeBufferPointer<UnsafeMutableRawPointer?>,
    into results: UnsafeBufferPointer<UnsafeMutableRawPointer?>
  ) throws(RunError) {
    guard inputs.count == callerInputs.count, results.count == self.results.count else {
      throw RunError(.input, "\(inputs.count) inputs, \(results.count) results")
    }
    try begin()
    defer { isRunning.store(false, ordering: .releasing) }
    for position in callerInputs.indices { io[callerInputs[position].slot] = inputs[position] }
    for position in boundedInputs {
      guard let base = inputs[position], !callerInputs[position].holdsIndices(base) else {
        continue
      }
      try checkRange(base, at: position)
    }
    for position in results.indices { io[self.results[position].slot] = results[position] }
    try execute()
  }

  /// Runs the program once on a thread of its own, so that none of Swift's cooperative pool waits.
  ///
  /// Calls of one session that overlap run one after another, in order. Leave `seed` and `step`
  /// alone until the call returns. In an asynchronous function this is the `run` that is called.
  public func run(
    _ inputs: [NDArray], isolation: isolated (any Actor)? = #isolation
  ) async throws(RunError) -> [NDArray] {
    let job = Job(session: self, inputs: inputs)
    let queue = queue
    let result = await withCheckedContinuation {
      (continuation: CheckedContinuation<Result<[NDArray], RunError>, Never>) in
      queue.async { continuation.resume(returning: job.run()) }
    }
    return try result.get()
  }

  /// A run on its way to the session's queue.
  ///
  /// `@unchecked Sendable`: the caller waits for the end of the run, and `run` refuses a second one
  /// beside it, so one thread at a time touches the session.
  private struct Job: @unchecked Sendable {
    let session: Session
    let inputs: [NDArray]
    func run() -> Result<[NDArray], RunError> {
      Result { () throws(RunError) in try session.run(inputs) }
    }
  }

  private func step(
    with inputs: [NDArray], _ last: NDArray?, _ take: (NDArray) -> Void
  ) throws(RunError) {
    let count = inputs.count + (last == nil ? 0 : 1)
    guard count == callerInputs.count else {
      throw RunError(
        .input, "the program takes \(callerInputs.count) inputs, got \(count)",
        at: program.options.name,
        hint: "inputs: "
          + callerArguments.map { "\(program.arguments[$0].name) \(program.arguments[$0].type)" }
          .joined(separator: ", "))
    }
    try inputs.withUnsafeBufferPointer { (all) throws(RunError) in
      for position in all.indices { try bind(all[position], position) }
    }
    if let last { try bind(last, inputs.count) }
    for index in results.indices {
      // The memory of the last result serves again when its array is gone.
      io[results[index].slot] = try results[index].place()
    }
    try execute()
    withExtendedLifetime((inputs, last)) {}
    for index in results.indices {
      if let memory = results[index].memory {
        take(NDArray(memory: memory, type: results[index].type))
      }
    }
  }

  /// Binds what the caller passes at one position.
  private func bind(_ input: borrowing NDArray, _ position: Int) throws(RunError) {
    guard callerInputs[position].takes(input.type) else {
      throw mismatch(copy input, program.arguments[callerArguments[position]])
    }
    let base = input.base
    if callerInputs[position].bound >= 0, !callerInputs[position].holdsIndices(base) {
      try checkRange(base, at: position)
    }
    io[callerInputs[position].slot] = base
  }

  /// One run over the addresses in `io`.
  private func execute() throws(RunError) {
    scalars.base.storeBytes(of: seed, as: UInt64.self)
    (scalars.base + 64).storeBytes(of: step, as: Int64.self)
    if !isPrepared {
      for item in program.state { item.variable.initialize() }
      isPrepared = true
    }
    let generation = try lockState()
    defer { unlockState() }
    if generation != boundGeneration {
      for item in program.state { io[item.slot] = item.variable.address }
      boundGeneration = generation
    }
    if let guardian { guardian.keep(Array(io)) }
    if let entry, let base = io.baseAddress {
      if let check { check.begin(Array(io)) }
      mt_context_enter(context)
      entry(context, base, arena?.base)
      mt_context_leave(context)
      if isObserved { takeTimings() }
    } else {
      try interpret()
    }
    if let guardian, let found = guardian.look(Array(io)) {
      guardian.restore(Array(io))
      throw guardian.explain(found, Array(io))
    }
    step &+= 1
    if isChecked {
      try checkGuards()
      try checkRanges()
      try checkFinite()
    }
  }

  private func takeTimings() {
    guard profile != nil, let context else { return }
    // As many as the runtime keeps for each thread.
    let capacity = 16_384 * Int(mt_context_threads(context))
    withUnsafeTemporaryAllocation(of: mt_timing.self, capacity: capacity) { buffer in
      let count = mt_context_take_timings(context, buffer.baseAddress, capacity)
      profile?.add(UnsafeBufferPointer(rebasing: buffer[..<count]))
    }
  }

  /// Fills the arena with NaN: for tests, and with `checks`, where nothing may rely on its contents.
  package func poisonArena() {
    guard let arena else { return }
    arena.base.initializeMemory(as: UInt8.self, repeating: 0xFF, count: arena.byteCount)
  }

  /// With `checks`: nothing may have written between the arena's buffers.
  private func checkGuards() throws(RunError) {
    guard let arena else { return }
    for offset in program.lowered.schedule.guards {
      let bytes = UnsafeRawBufferPointer(start: arena.base + offset, count: 64)
      if let index = bytes.firstIndex(where: { $0 != 0xFF }) {
        throw RunError(
          .check, "a kernel wrote \(index) bytes behind the buffer that ends at arena+\(offset)",
          at: program.options.name, hint: "this is a defect of Martlet; please report it")
      }
    }
  }

  /// With `checks`: no kernel was called for units that it does not have, no index was clamped.
  private func checkRanges() throws(RunError) {
    var failure = mt_range_failure()
    if mt_take_range_failure(&failure) != 0 {
      let kernel = withUnsafeBytes(of: &failure.kernel) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      throw RunError(
        .check,
        "kernel \(kernel) was called for \(failure.begin) ..< \(failure.end) of its \(failure.units) units",
        at: program.options.name, hint: "this is a defect of Martlet; please report it")
    }
    if let found = check?.indexOutside {
      throw RunError(
        .range, found, at: program.options.name,
        hint: "without MARTLET_CHECK=1 a computed index is clamped")
    }
  }

  private func lockState() throws(RunError) -> Int {
    var generation = 0
    var locked = 0
    do throws(RunError) {
      for block in writtenBlocks {
        generation += try block._withUnsafeGuaranteedRef { b in
          Result { () throws(RunError) in try b.beginWriting() }
        }.get()
        locked += 1
      }
    } catch {
      for block in writtenBlocks.prefix(locked) { block.takeUnretainedValue().endWriting() }
      throw error
    }
    var reading = 0
    do throws(RunError) {
      for block in readBlocks {
        generation += try block._withUnsafeGuaranteedRef { b in
          Result { () throws(RunError) in try b.beginReading() }
        }.get()
        reading += 1
      }
    } catch {
      for block in readBlocks.prefix(reading) { block.takeUnretainedValue().endReading() }
      for block in writtenBlocks { block.takeUnretainedValue().endWriting() }
      throw error
    }
    return generation
  }

  private func unlockState() {
    for block in readBlocks { block._withUnsafeGuaranteedRef { $0.endReading() } }
    for block in writtenBlocks { block._withUnsafeGuaranteedRef { $0.endWriting() } }
  }

  private func mismatch(_ input: NDArray, _ argument: Program.Argument) -> RunError {
    var hint = ""
    if input.dtype != argument.type.dtype {
      hint = "no dtype is converted silently: pass an array of \(argument.type.dtype.rawValue)"
    } else if input.shape.rank == argument.type.shape.rank,
      input.shape.dimensions.dropFirst() == argument.type.shape.dimensions.dropFirst()
    {
      hint = "another batch size is another program: see resized(batch:)"
    }
    return RunError(
      .input, "input '\(argument.name)': got \(input.type), expected \(argument.type)",
      at: program.options.name, hint: hint)
  }

  /// Index inputs that come straight from the caller are checked before the step; this finds the
  /// first that lies outside.
  private func checkRange(_ base: UnsafeRawPointer, at position: Int) throws(RunError) {
    let argument = program.arguments[callerArguments[position]]
    guard let bound = argument.bound else { return }
    let bytes = UnsafeRawBufferPointer(start: base, count: argument.type.byteCount)
    // Compared as Int: a bound may be larger than any index of the dtype.
    func scan<T: BinaryInteger>(_: T.Type) -> (Int, T)? {
      let values = bytes.bindMemory(to: T.self)
      for index in values.indices where values[index] < 0 || values[index] >= bound {
        return (index, values[index])
      }
      return nil
    }
    let found: (Int, String)?
    switch argument.type.dtype {
    case .int32: found = scan(Int32.self).map { ($0.0, "\($0.1)") }
    case .int64: found = scan(Int64.self).map { ($0.0, "\($0.1)") }
    case .uint8: found = scan(UInt8.self).map { ($0.0, "\($0.1)") }
    case .int8: found = scan(Int8.self).map { ($0.0, "\($0.1)") }
    case .int16: found = scan(Int16.self).map { ($0.0, "\($0.1)") }
    case .uint16: found = scan(UInt16.self).map { ($0.0, "\($0.1)") }
    case .uint32: found = scan(UInt32.self).map { ($0.0, "\($0.1)") }
    case .uint64: found = scan(UInt64.self).map { ($0.0, "\($0.1)") }
    case .float64, .float32, .float16, .bfloat16, .bool: found = nil
    }
    if let (index, value) = found {
      throw RunError(
        .range,
        "input '\(argument.name)': \(value) at position \(index) is outside of 0 ..< \(bound)",
        at: reader(of: argument), hint: "labels and indices count from 0")
    }
  }

  /// The program, and the layer and line that read an argument as indices.
  private func reader(of argument: Program.Argument) -> String {
    let place = argument.boundPlace ?? .unknown
    let parts = [
      program.options.name, place.scope, place.file.isEmpty ? "" : "\(place.file):\(place.line)",
    ]
    return parts.filter { !$0.isEmpty }.joined(separator: "   ")
  }

  /// With `checks`: results and the state that was written hold finite numbers only.
  private func checkFinite() throws(RunError) {
    var written: [(name: String, type: TensorType, slot: Int)] = program.results.map {
      ("output '\($0.name)'", $0.type, $0.slot)
    }
    for output in program.graph.outputs {
      guard case .assign(let parameter) = output.role else { continue }
      written.append(
        (
          "state '\(output.name)'", program.graph.type(output.value),
          program.lowered.parameterSlots[parameter]
        ))
    }
    for (name, type, slot) in written {
      let bytes = UnsafeRawBufferPointer(start: io[slot], count: type.byteCount)
      guard let found = type.dtype.firstNonFinite(bytes) else { continue }
      throw RunError(
        .check, "\(name) is \(found.value) at position \(found.position)",
        at: program.options.name,
        hint: check?.firstNonFinite ?? interpretedNonFinite
          ?? "an input was not finite, or the result of a step that only reads state")
    }
  }

  /// The interpreter back end: the optimised graph, operation by operation.
  private func interpret() throws(RunError) {
    let graph = program.graph
    let checks = program.options.checks
    var inputs: [HostArray] = []
    for (index, parameter) in graph.parameters.enumerated() {
      let type = graph.type(parameter.value)
      let slot = program.lowered.parameterSlots[index]
      inputs.append(
        HostArray(bytes: UnsafeRawBufferPointer(start: io[slot], count: type.byteCount), type))
    }
    let outputs: [HostArray]
    do {
      interpretedNonFinite = nil
      outputs = try Interpreter().run(
        graph, inputs,
        observe: checks
          ? { operation, scope, results in
            guard self.interpretedNonFinite == nil else { return }
            for result in results where result.dtype.isFloatingPoint {
              guard let position = result.doubles.firstIndex(where: { !$0.isFinite }) else {
                continue
              }
              self.interpretedNonFinite =
                "first in \(scope.isEmpty ? operation : scope + "/" + operation): "
                + "\(result.double(at: position)) at position \(position)"
              return
            }
          } : nil)
    } catch {
      throw RunError(.check, "the interpreter refused a node: \(error)")
    }
    var result = 0
    for (output, value) in zip(graph.outputs, outputs) {
      let slot: Int
      switch output.role {
      case .result:
        slot = program.lowered.resultSlots[result]
        result += 1
      case .assign(let parameter): slot = program.lowered.parameterSlots[parameter]
      }
      value.write(to: UnsafeMutableRawBufferPointer(start: io[slot], count: value.type.byteCount))
    }
  }
}
