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
  /// Fusion groups as text, for `inspect --stage fused`.
  package var fusionText: String
}

package struct Lowering {
  let graph: Graph
  let plan: FusionPlan
  private var out: LoweredProgram
  private var bufferOf: [BuiltKernel.Binding: Int] = [:]
  private var kernelIndex: [TileProgram: Int] = [:]
  private var stored: Set<Value> = []
  /// Steps of each group, in order, and those copies that a group needs before it.
  private var steps: [[Schedule.Step]]
  private var pendingCopies: [Schedule.Step] = []
  private var copies: [Value: Int] = [:]
  private var copyValues: [Value: Value] = [:]

  /// Lowers an optimised graph. `fuse` false gives one kernel an operation, for comparison.
  package static func lower(_ graph: Graph, fuse: Bool = true) throws(CompileError) -> LoweredProgram {
    for value in graph.values where !value.type.dtype.hasKernels {
      throw CompileError(
        .unsupportedDType, stage: .pass, "no kernels for \(value.type.dtype) yet (\(value.type))",
        hint: "convert to float32 first")
    }
    var lowering = Lowering(graph, Fusion.plan(graph, enabled: fuse))
    return try lowering.run()
  }

  private init(_ graph: Graph, _ plan: FusionPlan) {
    self.graph = graph
    self.plan = plan
    out = LoweredProgram(
      schedule: Schedule(name: graph.name), parameterSlots: [], resultSlots: [], constants: [],
      fusionText: "")
    steps = [[Schedule.Step]](repeating: [], count: plan.groups.count)
  }

  private mutating func run() throws(CompileError) -> LoweredProgram {
    for parameter in graph.parameters {
      out.parameterSlots.append(bound(.value(parameter.value), graph.type(parameter.value), parameter.name))
    }
    findStored()
    let finals = bindOutputs()
    for index in plan.groups.indices { try lowerGroup(index) }
    order(finals: finals)
    out.schedule.boundCount = out.schedule.buffers.reduce(0) {
      if case .bound(let slot) = $1.storage { return max($0, slot + 1) } else { return $0 }
    }
    out.fusionText = describeFusion()
    return out
  }

  // MARK: Buffers

  private var nextSlot = 0

  private mutating func bound(
    _ binding: BuiltKernel.Binding, _ type: TensorType, _ label: String
  ) -> Int {
    let slot = nextSlot
    nextSlot += 1
    bufferOf[binding] = addBuffer(type.byteCount, type.dtype, .bound(slot), label)
    return slot
  }

  private mutating func addBuffer(
    _ bytes: Int, _ dtype: DType, _ storage: Schedule.Storage, _ label: String
  ) -> Int {
    out.schedule.buffers.append(
      Schedule.Buffer(byteCount: bytes, dtype: dtype, storage: storage, label: label))
    return out.schedule.buffers.count - 1
  }

  private mutating func buffer(_ binding: BuiltKernel.Binding, partialCount: Int = 0) -> Int {
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
    case .constant(let array):
      let slot = nextSlot
      nextSlot += 1
      out.constants.append((slot, array))
      index = addBuffer(array.type.byteCount, array.dtype, .bound(slot), "constant")
    }
    bufferOf[binding] = index
    return index
  }

  private func name(_ value: Value) -> String {
    graph.parameters.first { $0.value == value }?.name ?? graph.definition(value)?.op.name ?? "value"
  }

  /// The buffer of a leaf or stored value; constants that are no literals of a kernel are bound.
  private mutating func buffer(of value: Value) -> Int {
    if let definition = graph.definition(value), let op = definition.op as? any Op {
      switch op.lowering {
      case .constant(let array): return buffer(.constant(array))
      case .iota:
        if let array = try? op.evaluate([], [])[0] { return buffer(.constant(array)) }
      default: break
      }
    }
    return buffer(.value(value))
  }

  // MARK: What must be stored

  private mutating func findStored() {
    for (index, node) in graph.nodes.enumerated() {
      // Views and recomputed scalars read nothing themselves; their users do.
      guard plan.groupOfNode[index] != nil else { continue }
      for operand in node.operands {
        let source = plan.views[operand, graph]
        guard let definition = graph.values[source.value.id].node,
          let producer = plan.groupOfNode[definition]
        else { continue }
        if plan.groupOfNode[index] != producer { stored.insert(source.value) }
      }
    }
    for output in graph.outputs { stored.insert(plan.views[output.value, graph].value) }
    for value in plan.views.materialized { stored.insert(value) }
  }

  /// Binds results to their slots and assigned state to its place where that is safe; what is left
  /// is copied when everything else has run.
  private mutating func bindOutputs() -> [(from: Value, map: IndexMap, to: Int)] {
    var finals: [(from: Value, map: IndexMap, to: Int)] = []
    var taken: Set<Value> = Set(graph.parameters.map(\.value))
    for output in graph.outputs {
      let source = plan.views[output.value, graph]
      let type = graph.type(output.value)
      let definition = graph.values[source.value.id].node
      let group = definition.flatMap { plan.groupOfNode[$0] }
      switch output.role {
      case .result:
        let slot = nextSlot
        nextSlot += 1
        let index = addBuffer(
          type.byteCount, type.dtype, .bound(slot), output.name.isEmpty ? "result" : output.name)
        out.resultSlots.append(slot)
        if group != nil, source.isIdentity, taken.insert(source.value).inserted {
          bufferOf[.value(source.value)] = index
        } else {
          finals.append((output.value, source.map, index))
        }
      case .assign(let parameter):
        let target = graph.parameters[parameter].value
        guard let place = bufferOf[.value(target)] else { continue }
        if source.value == target, source.isIdentity { continue }
        if let group, source.isIdentity, !taken.contains(source.value),
          canUpdateInPlace(target, source.value, group)
        {
          taken.insert(source.value)
          bufferOf[.value(source.value)] = place
          inPlace.append((target, group))
        } else {
          finals.append((output.value, source.map, place))
        }
      }
    }
    return finals
  }

  /// State updated by a group: every other reader of the old value must run before it.
  private var inPlace: [(target: Value, group: Int)] = []

  private func canUpdateInPlace(_ target: Value, _ value: Value, _ group: Int) -> Bool {
    let info = plan.groups[group]
    guard info.kind == .kernel, !plan.terminal.contains(value) else { return false }
    // The kernel may read the old value only at the same place.
    for member in info.members {
      for operand in graph.nodes[member].operands {
        let source = plan.views[operand, graph]
        if source.value == target, !source.isIdentity || graph.type(value) != graph.type(target) {
          return false
        }
        if source.value == target, graph.type(graph.nodes[member].result).count != graph.type(value).count {
          return false
        }
      }
    }
    // No reader of the old value may depend on the group.
    for reader in readers(of: target) where reader != group {
      if depends(reader, on: group) { return false }
    }
    for output in graph.outputs where plan.views[output.value, graph].value == target {
      return false
    }
    return true
  }

  private func readers(of value: Value) -> Set<Int> {
    var groups: Set<Int> = []
    for (index, node) in graph.nodes.enumerated() {
      guard let group = plan.groupOfNode[index] else { continue }
      if node.operands.contains(where: { reads($0, value) }) { groups.insert(group) }
    }
    return groups
  }

  /// True when an operand reads a value, also through scalars that are recomputed in place.
  private func reads(_ operand: Value, _ value: Value) -> Bool {
    let source = plan.views[operand, graph].value
    if source == value { return true }
    guard let definition = graph.values[source.id].node, plan.cloned.contains(definition) else {
      return false
    }
    return graph.nodes[definition].operands.contains { reads($0, value) }
  }

  private func depends(_ group: Int, on other: Int) -> Bool {
    var stack = [group]
    var seen: Set<Int> = [group]
    while let next = stack.popLast() {
      for predecessor in predecessors(next) where seen.insert(predecessor).inserted {
        if predecessor == other { return true }
        stack.append(predecessor)
      }
    }
    return false
  }

  /// Data dependences, and the readers that an update in place must wait for.
  private func predecessors(_ group: Int) -> Set<Int> {
    var result = plan.groups[group].predecessors
    for update in inPlace where update.group == group {
      result.formUnion(readers(of: update.target).subtracting([group]))
    }
    return result
  }

  // MARK: Groups

  private mutating func lowerGroup(_ index: Int) throws(CompileError) {
    let group = plan.groups[index]
    pendingCopies = []
    var made: [Schedule.Step] = []
    let comment = describe(group)
    switch group.kind {
    case .call:
      let node = graph.nodes[group.members[0]]
      guard let op = node.op as? any Op, case .call(let makeCalls) = op.lowering else {
        throw internalError("group \(index) is no call", node)
      }
      let calls = makeCalls(node.operands.map { graph.type($0) }, node.results.map { graph.type($0) })
      for call in calls {
        var reads: [Int] = []
        var writes: [Int] = []
        var arguments: [Schedule.Argument] = []
        for argument in call.arguments {
          switch argument {
          case .table(let table): arguments.append(.table(table))
          case .integer(let n): arguments.append(.integer(n))
          case .operand(let n):
            let b = dense(node.operands[n])
            reads.append(b)
            arguments.append(.buffer(b))
          case .result(let n):
            let b = buffer(.value(node.results[n]))
            writes.append(b)
            arguments.append(.buffer(b))
          }
        }
        made.append(
          Schedule.Step(
            work: .call(symbol: call.symbol, arguments, epilogue: nil, takesEpilogue: false),
            writes: writes, reads: reads, comment: comment,
            bytes: (reads + writes).reduce(0) { $0 + out.schedule.buffers[$1].byteCount }))
      }
    case .contraction:
      made.append(try lowerContraction(index, group, comment))
    case .kernel, .blocked:
      if group.count > 0, let built = build(index) { made += launch(built, group, comment) }
    }
    steps[index] = pendingCopies + made
    pendingCopies = []
  }

  private mutating func build(_ index: Int) -> BuiltKernel? {
    // The builder asks for dense copies of views that no load can read; make them as it goes.
    var requested: [Value] = []
    let built = KernelBuilder.build(graph, plan, group: index, stored: stored) { value in
      requested.append(value)
      return value
    }
    for value in requested { _ = dense(value) }
    return built
  }

  private mutating func launch(
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
        index = copies[value] ?? buffer(of: value)
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
      guard let definition = graph.definition(value), let op = definition.op as? any Op,
        case .reduction(let function, _) = op.lowering
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

  private mutating func addKernel(_ program: TileProgram, name: String, comment: String) -> Int {
    if let index = kernelIndex[program] { return index }
    let index = out.schedule.kernels.count
    out.schedule.kernels.append(
      Schedule.Kernel(name: name, comment: [comment], program: program))
    kernelIndex[program] = index
    return index
  }

  private mutating func lowerContraction(
    _ index: Int, _ group: FusionGroup, _ comment: String
  ) throws(CompileError) -> Schedule.Step {
    let node = graph.nodes[group.members[0]]
    guard let op = node.op as? any Op, case .contraction(let contraction) = op.lowering else {
      throw internalError("group \(index) is no contraction", node)
    }
    let result = graph.type(node.result)
    var arguments: [Schedule.Argument]
    var reads: [Int]
    let symbol: String
    let flops: Int
    switch contraction {
    case .dot(let axes):
      let (x, y) = (graph.type(node.operands[0]).shape, graph.type(node.operands[1]).shape)
      let leftFree = axes.leftFree(x.rank)
      let rightFree = axes.rightFree(y.rank)
      let left = side(node.operands[0], [axes.leftBatch, leftFree, axes.leftContract])
      let right = side(node.operands[1], [axes.rightBatch, axes.rightContract, rightFree])
      let batch = axes.leftBatch.reduce(1) { $0 * x[$1] }
      let m = leftFree.reduce(1) { $0 * x[$1] }
      let n = rightFree.reduce(1) { $0 * y[$1] }
      let k = axes.leftContract.reduce(1) { $0 * x[$1] }
      symbol = "mt_gemm_\(result.dtype)"
      arguments = [
        .table([batch, m, n, k] + left.strides + right.strides), .buffer(left.buffer),
        .buffer(right.buffer),
      ]
      reads = [left.buffer, right.buffer]
      flops = 2 * batch * m * n * k
    case .conv2d(let g), .conv2dInputGradient(let g), .conv2dFilterGradient(let g):
      let a = dense(node.operands[0])
      let b = dense(node.operands[1])
      let (input, filter): (Shape, Shape)
      switch contraction {
      case .conv2dInputGradient:
        symbol = "mt_conv2d_input_gradient_\(result.dtype)"
        (input, filter) = (result.shape, graph.type(node.operands[1]).shape)
      case .conv2dFilterGradient:
        symbol = "mt_conv2d_filter_gradient_\(result.dtype)"
        (input, filter) = (graph.type(node.operands[0]).shape, result.shape)
      default:
        symbol = "mt_conv2d_\(result.dtype)"
        (input, filter) = (graph.type(node.operands[0]).shape, graph.type(node.operands[1]).shape)
      }
      let table = [
        input[0], g.inputHeight, g.inputWidth, input[3], g.outputHeight, g.outputWidth, filter[3],
        g.kernelHeight, g.kernelWidth, g.strides[0], g.strides[1], g.padding[0], g.padding[2],
        g.dilations[0], g.dilations[1], g.groups,
      ]
      arguments = [.table(table), .buffer(a), .buffer(b)]
      reads = [a, b]
      flops = 2 * input[0] * g.outputHeight * g.outputWidth * filter.count
    }
    let epilogue = group.count > 0 ? build(index) : nil
    let raw: Int
    var writes: [Int]
    var launch: Schedule.Launch?
    if let epilogue {
      raw = stored.contains(node.result)
        ? buffer(.value(node.result)) : rawBuffer(node.result, epilogue)
      writes = [raw]
      var buffers: [Int] = []
      for (position, binding) in epilogue.bindings.enumerated() {
        if case .value(node.result) = binding {
          buffers.append(raw)
          continue
        }
        let b: Int
        if case .value(let value) = binding, epilogue.program.buffers[position].role == .input {
          b = copies[value] ?? buffer(of: value)
        } else {
          b = buffer(binding)
        }
        buffers.append(b)
        if epilogue.program.buffers[position].role == .input {
          reads.append(b)
        } else {
          writes.append(b)
        }
      }
      let kernel = addKernel(
        epilogue.program, name: kernelName(group), comment: "epilogue of \(comment)")
      launch = Schedule.Launch(kernel: kernel, buffers: buffers, units: epilogue.rows)
    } else {
      raw = buffer(.value(node.result))
      writes = [raw]
    }
    arguments.append(.buffer(raw))
    return Schedule.Step(
      work: .call(symbol: symbol, arguments, epilogue: launch, takesEpilogue: true),
      writes: writes, reads: reads, comment: comment, flops: flops,
      bytes: (reads + writes).reduce(0) { $0 + out.schedule.buffers[$1].byteCount })
  }

  /// The contraction's own result when only its epilogue reads it: the first output of the epilogue
  /// with as many bytes takes it (each row is rewritten in place), else the arena.
  private mutating func rawBuffer(_ value: Value, _ epilogue: BuiltKernel) -> Int {
    let type = graph.type(value)
    for (position, binding) in epilogue.bindings.enumerated() {
      guard epilogue.program.buffers[position].role == .output, case .value(let output) = binding,
        graph.type(output).dtype == type.dtype, graph.type(output).count == type.count
      else { continue }
      let place = buffer(binding)
      // Not in state: the epilogue may read its old value.
      if graph.parameters.contains(where: { bufferOf[.value($0.value)] == place }) { continue }
      return place
    }
    return buffer(.value(value))
  }

  private mutating func side(_ operand: Value, _ groups: [[Int]]) -> (buffer: Int, strides: [Int]) {
    if let found = plan.views.strides(of: operand, graph, groups: groups), found.offset == 0 {
      return (buffer(of: found.source), found.strides)
    }
    let shape = graph.type(operand).shape
    // A dense copy of the operand itself may still interleave the groups; copy it in their order.
    let order = groups.flatMap { $0 }
    let own = shape.strides
    let inOrder = groups.allSatisfy { group in
      IndexMap(dims: group.map { shape[$0] }, strides: group.map { own[$0] }).collapsed.dims.count <= 1
    }
    if inOrder {
      return (
        dense(operand),
        groups.map { group in
          IndexMap(dims: group.map { shape[$0] }, strides: group.map { own[$0] }).collapsed.strides
            .first ?? 0
        }
      )
    }
    let map = IndexMap(dims: order.map { shape[$0] }, strides: order.map { own[$0] })
    let from = dense(operand)
    let type = graph.type(operand)
    let target = addBuffer(type.byteCount, type.dtype, .arena(offset: 0), "packed \(name(operand))")
    pendingCopies.append(copyStep(from, map, to: target, type.dtype))
    let sizes = groups.map { $0.reduce(1) { $0 * shape[$1] } }
    return (target, [sizes[1] * sizes[2], sizes[2], 1])
  }

  /// A buffer that holds the value's elements in row-major order; views are copied once.
  private mutating func dense(_ value: Value) -> Int {
    let source = plan.views[value, graph]
    if source.isIdentity { return buffer(of: source.value) }
    if let index = copies[value] { return index }
    let type = graph.type(value)
    let index = addBuffer(type.byteCount, type.dtype, .arena(offset: 0), "copy of \(name(source.value))")
    pendingCopies.append(copyStep(buffer(of: source.value), source.map, to: index, type.dtype))
    copies[value] = index
    return index
  }

  private mutating func copyStep(
    _ from: Int, _ map: IndexMap, to: Int, _ dtype: DType
  ) -> Schedule.Step {
    let collapsed = map.collapsed
    var program = TileProgram(rows: 0, cols: 1)
    let input = program.addBuffer(TileProgram.Buffer(dtype, .input, label: "source"))
    let output = program.addBuffer(TileProgram.Buffer(dtype, .output, label: "copy"))
    let access: TileProgram.Access
    let level: TileProgram.Level
    if map.isIdentity {
      (access, level) = (.flat, .full)
    } else if collapsed.isScalar && collapsed.offset == 0 {
      (access, level) = (.scalar, .scalar)
    } else {
      (access, level) = (.view(collapsed), .full)
    }
    let x = program.append(.load(buffer: input, access), dtype, level)
    _ = program.append(.store(buffer: output, x), dtype, .full)
    let kernel = addKernel(program, name: "copy", comment: "copy of a view")
    return Schedule.Step(
      work: .launch([Schedule.Launch(kernel: kernel, buffers: [from, to], units: map.count)]),
      writes: [to], reads: [from], comment: "copy", bytes: 2 * map.count * dtype.byteCount,
      grain: 16384)
  }

  // MARK: Order

  /// Groups in an order that respects data and updates in place; updates last, where launches of one
  /// kernel become one step; then the copies of results.
  private mutating func order(finals: [(from: Value, map: IndexMap, to: Int)]) {
    let count = plan.groups.count
    var waiting = [Int](repeating: 0, count: count)
    var followers = [[Int]](repeating: [], count: count)
    for group in 0..<count {
      let before = predecessors(group)
      waiting[group] = before.count
      for predecessor in before { followers[predecessor].append(group) }
    }
    // A copy made for the first group that needs it serves later ones: keep groups in their order
    // where dependences allow, by always taking the ready group with the smallest index.
    var ready = Heap((0..<count).filter { waiting[$0] == 0 }.map { priority($0) })
    var sequence: [Int] = []
    while let next = ready.pop() {
      let group = next & 0xFFFF_FFFF
      sequence.append(group)
      for follower in followers[group] {
        waiting[follower] -= 1
        if waiting[follower] == 0 { ready.push(priority(follower)) }
      }
    }
    for group in sequence { append(steps[group]) }
    // Sources that are state must be read before any of them is overwritten.
    var second: [Schedule.Step] = []
    let stateValues = Set(graph.parameters.filter { $0.role == .state }.map(\.value))
    for final in finals {
      let source = plan.views[final.from, graph]
      let dtype = graph.type(final.from).dtype
      if final.map.count == 0 { continue }
      if stateValues.contains(source.value), finals.count > 1 {
        let bytes = graph.type(final.from).byteCount
        let temporary = addBuffer(bytes, dtype, .arena(offset: 0), "state copy")
        append([copyStep(buffer(of: source.value), final.map, to: temporary, dtype)])
        let identity = IndexMap.identity([final.map.count])
        second.append(copyStep(temporary, identity, to: final.to, dtype))
      } else {
        second.append(copyStep(buffer(of: source.value), final.map, to: final.to, dtype))
      }
    }
    append(second)
  }

  private func priority(_ group: Int) -> Int {
    (plan.groups[group].isUpdate ? 1 << 60 : 0) | (plan.groups[group].minNode << 32) | group
  }

  /// Appends steps; a launch of the kernel of the step before, over other buffers, joins it.
  private mutating func append(_ list: [Schedule.Step]) {
    for step in list {
      if case .launch(let launches) = step.work, let last = out.schedule.steps.last,
        case .launch(let before) = last.work, launches[0].kernel == before[0].kernel,
        Set(last.writes).isDisjoint(with: step.reads + step.writes),
        Set(last.reads).isDisjoint(with: step.writes)
      {
        var merged = last
        merged.work = .launch(before + launches)
        merged.writes += step.writes
        merged.reads += step.reads
        merged.bytes += step.bytes
        out.schedule.steps[out.schedule.steps.count - 1] = merged
      } else {
        out.schedule.steps.append(step)
      }
    }
  }

  // MARK: Text

  private func describe(_ group: FusionGroup) -> String {
    let ops = group.members.map { graph.nodes[$0].op.name }
    let node = graph.nodes[group.members[0]]
    var text = ops.prefix(12).joined(separator: " → ") + (ops.count > 12 ? " → …" : "")
    if let last = group.members.last { text += "   \(graph.type(graph.nodes[last].result))" }
    if !node.location.scope.isEmpty { text = "\(node.location.scope): \(text)" }
    return text
  }

  private func kernelName(_ group: FusionGroup) -> String {
    var names: [String] = []
    for member in group.members {
      let name = graph.nodes[member].op.name
      if names.last != name, names.count < 5 { names.append(name) }
    }
    return names.joined(separator: "_")
  }

  private func describeFusion() -> String {
    var text = ""
    for (index, group) in plan.groups.enumerated() {
      let domain = group.cols.map { "\(group.count / max(1, $0)) × \($0)" } ?? "\(group.count)"
      text += "group \(index)  \(group.kind)\(group.isUpdate ? " update" : "")  over \(domain)"
      text += group.note.isEmpty ? "\n" : "  // \(group.note)\n"
      for member in group.members {
        let node = graph.nodes[member]
        text += "  \(node.op.name) → \(graph.type(node.result))   \(node.location.scope)\n"
      }
    }
    return text
  }

  private func internalError(_ message: String, _ node: Node) -> CompileError {
    CompileError(
      .internal, stage: .pass, operation: node.op.name, message, at: node.location,
      hint: "this is a defect of Martlet; please report it")
  }
}

/// A binary heap of integers, smallest first.
struct Heap {
  private var items: [Int] = []
  init(_ items: [Int]) { for item in items { push(item) } }
  mutating func push(_ item: Int) {
    items.append(item)
    var child = items.count - 1
    while child > 0, items[(child - 1) / 2] > items[child] {
      items.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }
  mutating func pop() -> Int? {
    guard let top = items.first else { return nil }
    let last = items.removeLast()
    guard !items.isEmpty else { return top }
    items[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < items.count {
        if items[child] < items[least] { least = child }
      }
      if least == parent { return top }
      items.swapAt(parent, least)
      parent = least
    }
  }
}
