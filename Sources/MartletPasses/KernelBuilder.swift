// Turns one fusion group into a tile program: loads, instructions, stores.

import MartletIR
import MartletLoops
import MartletOps

/// A tile program and what its buffers stand for.
package struct BuiltKernel {
  package enum Binding: Hashable {
    /// The elements of a value (a leaf, another group's result, or this group's result).
    case value(Value)
    /// Partial results of a reduction whose final value this is: [units, cols] or [rows].
    case partial(Value)
    /// A literal array or an index along an axis, kept in the constant block.
    case constant(Value)
  }
  package var program: TileProgram
  package var bindings: [Binding]
  /// Rows of the domain (the program's own `rows` is 0 where nothing depends on it).
  package var rows: Int
}

extension FusionPlan {
  /// What a kernel binds to read a value.
  func binding(of value: Value, _ graph: Graph) -> BuiltKernel.Binding {
    guard let node = graph.values[value.id].node else { return .value(value) }
    switch views.lowerings[node] {
    case .constant, .iota: return .constant(value)
    default: return .value(value)
    }
  }

  /// The elements of a literal or of an index along an axis.
  func literal(_ value: Value, _ graph: Graph) -> HostArray? {
    guard let node = graph.values[value.id].node else { return nil }
    if case .constant(let array) = views.lowerings[node] { return array }
    return try? (graph.nodes[node].op as? any Op)?.evaluate([], [])[0]
  }
}

package struct KernelBuilder {
  let graph: Graph
  let plan: FusionPlan
  let group: Int
  /// Values that other groups or the caller read.
  let stored: Set<Value>
  let names: [Value: String]
  /// Gives a dense copy of a view that no access can read; set by the lowering.
  let denseCopy: (Value) -> Value

  private var program: TileProgram
  private var bindings: [BuiltKernel.Binding] = []
  private var emitted: [Value: Int] = [:]
  private var loads: [LoadKey: Int] = [:]
  private var clones: [Int: Int] = [:]
  private var known: [TileProgram.Instruction: Int] = [:]
  private var bufferOf: [BuiltKernel.Binding: Int] = [:]
  private let rows: Int
  private let cols: Int

  private struct LoadKey: Hashable {
    var binding: BuiltKernel.Binding
    var access: TileProgram.Access
    var level: TileProgram.Level
  }

  package static func build(
    _ graph: Graph, _ plan: FusionPlan, group: Int, stored: Set<Value>,
    names: [Value: String], denseCopy: @escaping (Value) -> Value
  ) -> BuiltKernel? {
    var builder = KernelBuilder(graph, plan, group, stored, names, denseCopy)
    return builder.run()
  }

  private init(
    _ graph: Graph, _ plan: FusionPlan, _ group: Int, _ stored: Set<Value>,
    _ names: [Value: String], _ denseCopy: @escaping (Value) -> Value
  ) {
    self.graph = graph
    self.plan = plan
    self.group = group
    self.stored = stored
    self.names = names
    self.denseCopy = denseCopy
    let info = plan.groups[group]
    let cols = info.cols ?? KernelBuilder.chooseCols(graph, plan, group)
    self.cols = max(1, cols)
    rows =
      info.kind == .blocked
      ? (info.count + self.cols - 1) / self.cols : info.count / self.cols
    program = TileProgram(rows: rows, cols: self.cols)
  }

  /// A flat chain takes rows when it reads one value a column (a bias) or one a row: those loads are
  /// then pointers instead of gathers.
  private static func chooseCols(_ graph: Graph, _ plan: FusionPlan, _ group: Int) -> Int {
    let info = plan.groups[group]
    var votes: [Int: Int] = [:]
    for member in info.members {
      for operand in graph.nodes[member].operands {
        let source = plan.views[operand, graph]
        if let node = graph.values[source.value.id].node, plan.groupOfNode[node] == group {
          continue
        }
        let c = source.map.collapsed
        guard c.dims.count == 2, c.offset == 0, c.dims[0] * c.dims[1] == info.count,
          c.strides == [0, 1] || c.strides == [1, 0], (2...4096).contains(c.dims[1])
        else { continue }
        votes[c.dims[1], default: 0] += 1
      }
    }
    return votes.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? 1
  }

  private mutating func run() -> BuiltKernel? {
    let info = plan.groups[group]
    var members = info.members[...]
    if info.kind == .contraction, let root = members.popFirst() {
      let value = graph.nodes[root].result
      if members.isEmpty { return nil }
      let buffer = bind(.value(value), .input)
      emitted[value] = program.append(
        .load(buffer: buffer, .flat), graph.type(value).dtype, .full)
    }
    if info.kind == .blocked { program.lastCols = info.count - (rows - 1) * cols }
    for member in members { emit(member) }
    for member in members {
      let value = graph.nodes[member].result
      guard stored.contains(value), !plan.terminal.contains(value), let id = emitted[value]
      else { continue }
      let level: TileProgram.Level = isRowLevel(value) ? .row : .full
      _ = program.append(
        .store(buffer: bind(.value(value), .output), id), graph.type(value).dtype, level)
    }
    noteLargeBuffers()
    let rowCount = rows
    // Nothing printed depends on the number of rows unless units are chunks or the end is cut:
    // then kernels over different numbers of rows are one kernel.
    if program.chunkRows == 1, program.lastCols == program.cols { program.rows = 0 }
    return BuiltKernel(program: program, bindings: bindings, rows: rowCount)
  }

  /// From this size on an output is written past the caches; one that the step reads again, from
  /// four times this size on. Half of a usual last-level cache.
  package static let streamedBytes = 16 << 20
  /// From this size on the inputs are taken to come from memory.
  package static let fetchedBytes = 1 << 20

  /// Results have the same bits either way. An update's kernel serves parameters of all sizes.
  private mutating func noteLargeBuffers() {
    let info = plan.groups[group]
    guard info.kind == .kernel else { return }
    var read = 0
    for (index, binding) in bindings.enumerated() {
      guard case .value(let value) = binding else { continue }
      let bytes = graph.type(value).byteCount
      if program.buffers[index].role != .output {
        read += bytes
      } else if !info.isUpdate, bytes >= KernelBuilder.streamedBytes {
        program.buffers[index].isStreamed =
          bytes >= 4 * KernelBuilder.streamedBytes
          || !graph.nodes.contains { $0.operands.contains(value) }
      }
    }
    let isSlow = program.instructions.contains {
      switch $0.operation {
      case .unary(.exp, _), .unary(.log, _), .unary(.tanh, _), .unary(.logistic, _),
        .unary(.erf, _), .unary(.sqrt, _), .random:
        $0.level == .full
      default: false
      }
    }
    // Without such arithmetic the flag would only tell equal kernels apart.
    program.fetchesAhead = isSlow && (info.isUpdate || read >= KernelBuilder.fetchedBytes)
  }

  private func isRowLevel(_ value: Value) -> Bool {
    cols > 1 && graph.type(value).count != plan.groups[group].count
  }

  // MARK: Nodes

  private mutating func emit(_ index: Int) {
    let node = graph.nodes[index]
    let type = graph.type(node.result)
    switch plan.views.lowerings[index] {
    case .elementwise(let expression):
      let count = type.count
      let operands = node.operands.map { read($0, count: count) }
      emitted[node.result] = lower(expression, operands, type.dtype)
    case .view(let makeMap):
      // A view that needs a buffer: read its operand through its map.
      let operand = plan.views[node.operands[0], graph]
      let map = makeMap(graph.type(node.operands[0]), type)
      let composed = operand.isIdentity ? map : operand.map.composed(after: map)
      if let composed {
        emitted[node.result] = load(operand.value, composed, count: type.count)
      } else {
        emitted[node.result] = load(denseCopy(node.operands[0]), map, count: type.count)
      }
    case .identity:
      emitted[node.result] = read(node.operands[0], count: type.count)
    case .pad(let makeMap):
      let fill = read(node.operands[1], count: 1)
      var map = makeMap(graph.type(node.operands[0]), type)
      let axes = map.sourceDims.indices.map { [$0] }
      var source = plan.views[node.operands[0], graph].value
      if let found = plan.views.strides(of: node.operands[0], graph, groups: axes),
        found.offset == 0
      {
        map.strides = found.strides
      } else {
        source = denseCopy(node.operands[0])
      }
      let buffer = bind(plan.binding(of: source, graph), .input)
      emitted[node.result] = program.append(
        .load(buffer: buffer, .pad(map, fill: fill)), type.dtype, .full)
    case .random(let distribution, let stream):
      let seed = read(node.operands[0], count: 1)
      let step = read(node.operands[1], count: 1)
      emitted[node.result] = program.append(
        .random(distribution, seed: seed, step: step, stream: stream), type.dtype, .full)
    case .reduction(let function, let axes):
      emitReduction(node, function, axes, argument: false)
    case .argReduction(let function, let axis):
      emitReduction(node, function, [axis], argument: true)
    case .contraction, .constant, .iota, .call, .inlined, .region, nil:
      break
    }
  }

  private mutating func emitReduction(
    _ node: Node, _ function: ReduceFunction, _ axes: [Int], argument: Bool
  ) {
    let operand = graph.type(node.operands[0])
    let rank = operand.shape.rank
    let ascending = axes.sorted()
    let dtype = graph.type(node.result).dtype
    let isTrailing = ascending == Array((rank - axes.count)..<rank)
    let isLeading = ascending == Array(0..<axes.count)
    if isTrailing {
      let x = read(node.operands[0], count: operand.count)
      if cols == 1, !argument {
        emitted[node.result] = x
        return
      }
      let row = program.append(
        argument ? .argRow(function, x) : .reduceRow(function, x), dtype, .row)
      emitted[node.result] = row
      if plan.terminal.contains(node.result) {
        let buffer = bind(.partial(node.result), .output)
        _ = program.append(.store(buffer: buffer, row), dtype, .row)
      }
      return
    }
    if isLeading, !argument {
      let x = read(node.operands[0], count: operand.count)
      // Chunks depend on the shape alone: bits must not depend on threads.
      program.chunkRows = KernelBuilder.chunkRows(rows: rows, cols: cols)
      let isWhole = program.units <= 1
      let buffer = bind(isWhole ? .value(node.result) : .partial(node.result), .output)
      _ = program.append(.reduceColumn(function, buffer: buffer, x), dtype, .column)
      return
    }
    // Middle axes: kept axes first, reduced last.
    let kept = (0..<rank).filter { !axes.contains($0) }
    let order = kept + ascending
    let strides = operand.shape.strides
    let permuted = IndexMap(
      dims: order.map { operand.shape[$0] }, strides: order.map { strides[$0] })
    let source = plan.views[node.operands[0], graph]
    let x: Int
    if source.isIdentity {
      x = load(source.value, permuted, count: operand.count)
    } else if let composed = source.map.composed(after: permuted) {
      x = load(source.value, composed, count: operand.count)
    } else {
      x = load(denseCopy(node.operands[0]), permuted, count: operand.count)
    }
    if cols == 1, !argument {
      emitted[node.result] = x
    } else {
      emitted[node.result] = program.append(
        argument ? .argRow(function, x) : .reduceRow(function, x), dtype, .row)
    }
  }

  /// Rows that one unit of a column reduction takes: enough for 16 K elements, at most 64 units.
  package static func chunkRows(rows: Int, cols: Int) -> Int {
    max(64, (16384 + cols - 1) / max(1, cols), (rows + 63) / 64)
  }

  // MARK: Operands

  private mutating func read(_ operand: Value, count: Int) -> Int {
    let source = plan.views[operand, graph]
    if let id = emitted[source.value], let node = graph.values[source.value.id].node,
      plan.groupOfNode[node] == group
    {
      return id
    }
    return load(source.value, source.map, count: count)
  }

  private mutating func load(_ value: Value, _ map: IndexMap, count: Int) -> Int {
    let type = graph.type(value)
    if let node = graph.values[value.id].node, plan.cloned.contains(node) {
      if let id = clone(node, map, count: count) { return id }
    }
    let buffer = bind(plan.binding(of: value, graph), .input)
    let (access, level) = access(map, elements: type.count, count: count)
    let key = LoadKey(binding: bindings[buffer], access: access, level: level)
    if let id = loads[key] { return id }
    let id = program.append(.load(buffer: buffer, access), type.dtype, level)
    loads[key] = id
    return id
  }

  private func access(
    _ map: IndexMap, elements: Int, count: Int
  ) -> (TileProgram.Access, TileProgram.Level) {
    if map.isScalar && map.offset == 0 { return (.scalar, .scalar) }
    let isRow = cols > 1 && count != plan.groups[group].count
    if map.isIdentity { return (.flat, isRow ? .row : .full) }
    if isRow { return (.view(map.collapsed), .row) }
    let c = map.collapsed
    if cols > 1, c.offset == 0, c.dims == [rows, cols] {
      if c.strides == [0, 1] { return (.column, .column) }
      if c.strides == [1, 0] { return (.flat, .row) }
    }
    return (.view(c), .full)
  }

  /// Recomputes a literal, an iota or a cheap scalar here; nil when it must be read from memory.
  private mutating func clone(_ index: Int, _ map: IndexMap, count: Int) -> Int? {
    let node = graph.nodes[index]
    let type = graph.type(node.result)
    switch plan.views.lowerings[index] {
    case .constant(let array):
      guard let splat = array.splatValue else { return nil }
      return literal(splat)
    case .iota(let axis):
      let dims = type.shape.dimensions
      let inner = dims[(axis + 1)...].reduce(1, *)
      let isRow = cols > 1 && count != plan.groups[group].count
      let level: TileProgram.Level = isRow ? .row : .full
      if map.isIdentity {
        return program.append(.iota(inner: inner, size: dims[axis]), type.dtype, level)
      }
      // Only one axis varies, by ones: the index along it is the value.
      let c = map.collapsed
      let varying = c.strides.indices.filter { c.strides[$0] != 0 }
      guard inner == 1, dims.count == 1, varying.count == 1, c.strides[varying[0]] == 1,
        c.offset == 0
      else { return nil }
      let after = c.dims[(varying[0] + 1)...].reduce(1, *)
      return program.append(.iota(inner: after, size: c.dims[varying[0]]), type.dtype, level)
    case .elementwise(let expression):
      if let id = clones[index] { return id }
      let operands = node.operands.map { read($0, count: 1) }
      let id = lower(expression, operands, type.dtype)
      clones[index] = id
      return id
    default: return nil
    }
  }

  private mutating func literal(_ scalar: HostArray) -> Int {
    if scalar.dtype.isFloatingPoint {
      return program.append(.literal(scalar.double(at: 0)), scalar.dtype, .scalar)
    }
    return program.append(.integerLiteral(scalar.integers[0]), scalar.dtype, .scalar)
  }

  private mutating func bind(
    _ binding: BuiltKernel.Binding, _ role: TileProgram.Buffer.Role
  ) -> Int {
    if let index = bufferOf[binding] {
      if program.buffers[index].role != role { program.buffers[index].role = .inout_ }
      return index
    }
    let type: TensorType
    switch binding {
    case .value(let value), .partial(let value), .constant(let value): type = graph.type(value)
    }
    let index = program.addBuffer(
      TileProgram.Buffer(type.dtype, role, label: label(binding)))
    bindings.append(binding)
    bufferOf[binding] = index
    return index
  }

  private func label(_ binding: BuiltKernel.Binding) -> String {
    switch binding {
    case .constant: return "constant"
    case .partial(let value): return "partial_\(label(.value(value)))"
    case .value(let value):
      if let node = graph.values[value.id].node { return graph.nodes[node].op.name }
      return names[value] ?? "value"
    }
  }

  // MARK: Expressions

  /// An instruction without effects; an equal one that is there already serves both.
  private mutating func pure(
    _ operation: TileProgram.Operation, _ dtype: DType, _ level: TileProgram.Level
  ) -> Int {
    let instruction = TileProgram.Instruction(operation, dtype, level)
    if let known = known[instruction] { return known }
    let id = program.append(operation, dtype, level)
    known[instruction] = id
    return id
  }

  private mutating func lower(_ e: ScalarExpr, _ operands: [Int], _ dtype: DType) -> Int {
    func level(_ ids: [Int]) -> TileProgram.Level {
      ids.map { program.instructions[$0].level }.reduce(.scalar) { $0.joined($1) }
    }
    func type(_ id: Int) -> DType { program.instructions[id].dtype }
    switch e {
    case .operand(let n): return operands[n]
    case .literal(let x):
      return dtype.isFloatingPoint
        ? program.append(.literal(x), dtype, .scalar)
        : program.append(.integerLiteral(HostArray.saturated(x, to: dtype)), dtype, .scalar)
    case .unary(let f, let x):
      let a = lower(x, operands, dtype)
      return pure(.unary(f, a), type(a), level([a]))
    case .binary(let f, let x, let y):
      let a = lower(x, operands, dtype)
      let b = lower(y, operands, dtype)
      return pure(.binary(f, a, b), type(a), level([a, b]))
    case .compare(let f, let x, let y):
      let a = lower(x, operands, dtype)
      let b = lower(y, operands, dtype)
      return pure(.compare(f, a, b), .bool, level([a, b]))
    case .select(let c, let x, let y):
      let condition = lower(c, operands, dtype)
      let a = lower(x, operands, dtype)
      let b = lower(y, operands, dtype)
      return pure(.select(condition, a, b), type(a), level([condition, a, b]))
    case .convert(let x, let to):
      let a = lower(x, operands, dtype)
      return type(a) == to ? a : pure(.convert(a), to, level([a]))
    }
  }
}
