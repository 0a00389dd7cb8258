// From fusion groups to the schedule: kernels, buffers, library calls, order, state in place.

import MartletIR
import MartletLoops
import MartletOps

/// A schedule and how its `io` slots are bound.
package struct LoweredProgram: Sendable {
  package var schedule: Schedule
  /// For each graph parameter its slot; for each output that the caller gets, its slot.
  package var parameterSlots: [Int]
  package var resultSlots: [Int]
  package var constants: [(slot: Int, array: HostArray)]
  var fusion: FusionDescription?
  /// Fusion groups as text, for `inspect --stage fused`.
  package var fusionText: String { fusion?.text ?? "" }
}

package struct Lowering {
  let graph: Graph
  let plan: FusionPlan
  var out: LoweredProgram
  var bufferOf: [BuiltKernel.Binding: Int] = [:]
  var kernelIndex: [TileProgram: Int] = [:]
  var stored: Set<Value> = []
  /// What is put in order: the groups, then the dense copies of views. The steps of each.
  var steps: [[Schedule.Step]]
  /// Data dependences between those, and the readers that an update in place must wait for.
  var dependences = GroupGraph()
  /// The group that is being lowered, and copies for it alone, which run right before it.
  var current = 0
  var pendingCopies: [Schedule.Step] = []
  /// Dense copies of views: their buffer, and what they are among the steps.
  var copies: [Value: (buffer: Int, unit: Int)] = [:]
  var firstUser: [Int: Int] = [:]
  /// The step that each of them ends in, once they are in order.
  var stepOfUnit: [Int] = []
  /// For each piece of state that is assigned, the groups that read its old value.
  var stateReaders: [Value: [Int]] = [:]
  /// Values that leave the program as they are.
  var leaving: Set<Value> = []
  let parameterNames: [Value: String]
  var nextSlot = 0
  /// Lowers the body graph of a region with the options of this one.
  var lowersBody: ((Graph) throws(CompileError) -> LoweredProgram)?

  /// Lowers an optimised graph. `fuse` false gives one kernel an operation, `schedule` false plain
  /// topological order, both for comparison.
  package static func lower(
    _ graph: Graph, fuse: Bool = true, schedule: Bool = true
  ) throws(CompileError) -> LoweredProgram {
    try lower(Recomputation(graph, duplicates: fuse), fuse: fuse, schedule: schedule).out
  }

  /// The same, with what is known besides.
  static func lower(
    _ repeated: Recomputation, fuse: Bool, schedule: Bool
  ) throws(CompileError) -> Lowering {
    var lowering = Lowering(repeated.graph, Fusion.plan(repeated, enabled: fuse))
    lowering.lowersBody = { (body) throws(CompileError) in
      try lower(Recomputation(body, duplicates: fuse), fuse: fuse, schedule: schedule).out
    }
    _ = try lowering.run(choosesOrder: schedule)
    return lowering
  }

  /// How many groups the searches of fusion and of updates in place meet, for the test that compile
  /// time is linear.
  package static func visits(_ graph: Graph) throws(CompileError) -> Int {
    var lowering = Lowering(graph, Fusion.plan(graph))
    lowering.lowersBody = { (body) throws(CompileError) in try lower(body) }
    _ = try lowering.run(choosesOrder: true)
    return lowering.plan.visits + lowering.dependences.visits
  }

  private init(_ graph: Graph, _ plan: FusionPlan) {
    self.graph = graph
    self.plan = plan
    out = LoweredProgram(
      schedule: Schedule(name: graph.name), parameterSlots: [], resultSlots: [], constants: [])
    steps = [[Schedule.Step]](repeating: [], count: plan.groups.count)
    parameterNames = Dictionary(
      graph.parameters.map { ($0.value, $0.name) }, uniquingKeysWith: { first, _ in first })
    for _ in plan.groups { dependences.add() }
    for (index, group) in plan.groups.enumerated() {
      for predecessor in group.predecessors { dependences.connect(predecessor, before: index) }
    }
  }

  mutating func run(choosesOrder: Bool) throws(CompileError) -> LoweredProgram {
    for parameter in graph.parameters {
      out.parameterSlots.append(
        bound(.value(parameter.value), graph.type(parameter.value), parameter.name))
    }
    findStored()
    findStateReaders()
    let finals = bindOutputs()
    for index in plan.groups.indices { try lowerGroup(index) }
    readWholes()
    order(finals: finals, choosesOrder: choosesOrder)
    out.schedule.boundCount = out.schedule.buffers.reduce(0) {
      if case .bound(let slot) = $1.storage { return max($0, slot + 1) } else { return $0 }
    }
    out.fusion = FusionDescription(graph: graph, plan: plan, stored: stored, leaving: leaving)
    return out
  }

  // MARK: Buffers

  mutating func bound(
    _ binding: BuiltKernel.Binding, _ type: TensorType, _ label: String
  ) -> Int {
    let slot = nextSlot
    nextSlot += 1
    bufferOf[binding] = addBuffer(type.byteCount, type.dtype, .bound(slot), label)
    return slot
  }

  mutating func addBuffer(
    _ bytes: Int, _ dtype: DType, _ storage: Schedule.Storage, _ label: String
  ) -> Int {
    out.schedule.buffers.append(
      Schedule.Buffer(byteCount: bytes, dtype: dtype, storage: storage, label: label))
    return out.schedule.buffers.count - 1
  }

  mutating func buffer(_ binding: BuiltKernel.Binding, partialCount: Int = 0) -> Int {
    if let index = bufferOf[binding] { return index }
    let index: Int
    switch binding {
    case .value(let value):
      let type = graph.type(value)
      index = addBuffer(type.byteCount, type.dtype, .arena(offset: 0), name(value))
    case .partial(let value):
      let dtype = graph.type(value).dtype
      index = addBuffer(
        partialCount * dtype.byteCount, dtype, .arena(offset: 0), "partial \(name(value))")
    case .constant(let value):
      let type = graph.type(value)
      let slot = nextSlot
      nextSlot += 1
      if let array = plan.literal(value, graph) { out.constants.append((slot, array)) }
      index = addBuffer(type.byteCount, type.dtype, .bound(slot), "constant")
    }
    bufferOf[binding] = index
    return index
  }

  func name(_ value: Value) -> String {
    parameterNames[value] ?? graph.values[value.id].node.map { graph.nodes[$0].op.name } ?? "value"
  }

  /// The buffer of a leaf or stored value; constants that are no literals of a kernel are bound.
  mutating func buffer(of value: Value) -> Int { buffer(plan.binding(of: value, graph)) }

  // MARK: Groups

  mutating func lowerGroup(_ index: Int) throws(CompileError) {
    let group = plan.groups[index]
    current = index
    pendingCopies = []
    var made: [Schedule.Step] = []
    let comment = describe(group)
    switch group.kind {
    case .call:
      let node = graph.nodes[group.members[0]]
      if case .region(let form) = plan.views.lowerings[group.members[0]] {
        made = try lowerRegion(node, form, comment)
        break
      }
      guard case .call(let makeCalls) = plan.views.lowerings[group.members[0]] else {
        throw internalError("group \(index) is no call", node)
      }
      let calls = makeCalls(
        node.operands.map { graph.type($0) }, node.results.map { graph.type($0) })
      for call in calls {
        var reads: [Int] = []
        var writes: [Int] = []
        var arguments: [Schedule.Argument] = []
        for argument in call.arguments {
          switch argument {
          case .table(let table): arguments.append(.table(table))
          case .integer(let n): arguments.append(.integer(n))
          case .operand(let n):
            let b = contiguous(node.operands[n])
            reads.append(b)
            arguments.append(.buffer(b))
          case .result(let n):
            let b = buffer(.value(node.results[n]))
            writes.append(b)
            arguments.append(.buffer(b))
          }
        }
        // Onto itself: the state that a scatter changes in place.
        if call.copiesBase, reads == writes { continue }
        let work: Schedule.Work =
          call.foreign.map { .foreign($0.kernel, buffers: reads + writes, units: $0.units) }
          ?? .call(symbol: call.symbol, arguments, epilogue: nil, takesEpilogue: false)
        made.append(
          Schedule.Step(
            work: work, writes: writes, reads: reads, comment: comment, flops: call.flops,
            bytes: (reads + writes).reduce(0) { $0 + out.schedule.buffers[$1].byteCount },
            grain: call.foreign?.grain ?? 1))
      }
    case .contraction:
      made.append(try lowerContraction(index, group, comment))
    case .kernel, .blocked:
      if group.count > 0, let built = build(index) { made += launch(built, group, comment) }
    }
    steps[index] = pendingCopies + made
    pendingCopies = []
  }

  mutating func build(_ index: Int) -> BuiltKernel? {
    // The builder asks for dense copies of views that no load can read; make them as it goes.
    var requested: [Value] = []
    let built = KernelBuilder.build(
      graph, plan, group: index, stored: stored, names: parameterNames
    ) { value in
      requested.append(value)
      return value
    }
    for value in requested { _ = dense(value) }
    return built
  }

  mutating func launch(
    _ built: BuiltKernel, _ group: FusionGroup, _ comment: String
  ) -> [Schedule.Step] {
    let program = built.program
    let units = (built.rows + program.chunkRows - 1) / program.chunkRows
    var buffers: [Int] = []
    var reads: [Int] = []
    var writes: [Int] = []
    for (position, binding) in built.bindings.enumerated() {
      let perUnit = program.chunkRows > 1 ? units * program.cols : built.rows
      let index: Int
      if case .value(let value) = binding, program.buffers[position].role == .input {
        index = copies[value]?.buffer ?? buffer(of: value)
      } else {
        index = buffer(binding, partialCount: perUnit)
      }
      buffers.append(index)
      if program.buffers[position].role != .output { reads.append(index) }
      if program.buffers[position].role != .input { writes.append(index) }
    }
    let kernel = addKernel(program, name: kernelName(group), comment: comment)
    let work = program.instructions.count * program.cols * program.chunkRows
    var made = [
      Schedule.Step(
        work: .launch([Schedule.Launch(kernel: kernel, buffers: buffers, units: units)]),
        writes: writes, reads: reads, comment: comment,
        bytes: (reads + writes).reduce(0) { $0 + out.schedule.buffers[$1].byteCount },
        grain: max(1, 65536 / max(1, work)))
    ]
    // Partial results are combined by one more kernel or call.
    for binding in built.bindings {
      guard case .partial(let value) = binding, let partial = bufferOf[binding] else { continue }
      let target = buffer(.value(value))
      let dtype = graph.type(value).dtype
      guard let definition = graph.values[value.id].node,
        case .reduction(let function, _) = plan.views.lowerings[definition]
      else { continue }
      if group.kind == .blocked {
        let results = graph.type(value).count
        made.append(
          Schedule.Step(
            work: .call(
              symbol: "mt_combine_\(function.rawValue)_\(dtype)",
              [
                .buffer(target), .buffer(partial), .integer(results),
                .integer(built.rows / max(1, results)),
              ], epilogue: nil, takesEpilogue: false),
            writes: [target], reads: [partial], comment: "combine \(comment)"))
      } else {
        var combine = TileProgram(rows: units, cols: program.cols)
        combine.chunkRows = units
        let input = combine.addBuffer(TileProgram.Buffer(dtype, .input, label: "partial"))
        let output = combine.addBuffer(TileProgram.Buffer(dtype, .output, label: name(value)))
        let x = combine.append(.load(buffer: input, .flat), dtype, .full)
        _ = combine.append(.reduceColumn(function, buffer: output, x), dtype, .column)
        let id = addKernel(combine, name: "combine_columns", comment: "combine \(comment)")
        made.append(
          Schedule.Step(
            work: .launch([Schedule.Launch(kernel: id, buffers: [partial, target], units: 1)]),
            writes: [target], reads: [partial], comment: "combine \(comment)"))
      }
    }
    return made
  }

  mutating func addKernel(_ program: TileProgram, name: String, comment: String) -> Int {
    if let index = kernelIndex[program] { return index }
    let index = out.schedule.kernels.count
    out.schedule.kernels.append(
      Schedule.Kernel(name: name, comment: [comment], program: program))
    kernelIndex[program] = index
    return index
  }

  func internalError(_ message: String, _ node: Node) -> CompileError {
    CompileError(
      .internal, stage: .pass, operation: node.op.name, message, at: node.location,
      hint: "this is a defect of Martlet; please report it")
  }
}
