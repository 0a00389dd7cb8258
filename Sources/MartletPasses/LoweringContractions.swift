// Contractions: tables, epilogues and operands; dense copies of views that a call cannot read.

import MartletIR
import MartletLoops
import MartletOps

extension Lowering {
  mutating func lowerContraction(
    _ index: Int, _ group: FusionGroup, _ comment: String
  ) throws(CompileError) -> Schedule.Step {
    let node = graph.nodes[group.members[0]]
    guard case .contraction(let contraction) = plan.views.lowerings[group.members[0]] else {
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
    case .integerDot, .integerConv2d:
      let a = dense(node.operands[0])
      let b = dense(node.operands[1])
      symbol = "mt_integer_conv2d"
      let x = graph.type(node.operands[0]).shape
      let table = contraction.integerTable(x)
      arguments = [.table(table), .buffer(a), .buffer(b)]
      reads = [a, b]
      // n, output rows and columns, channels out; channels in, the window.
      flops = 2 * table[0] * table[4] * table[5] * table[6] * table[3] * table[7] * table[8]
    }
    let epilogue = group.count > 0 ? build(index) : nil
    let raw: Int
    var writes: [Int]
    var launch: Schedule.Launch?
    if let epilogue {
      raw =
        stored.contains(node.result)
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
          b = copies[value]?.buffer ?? buffer(of: value)
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
  mutating func rawBuffer(_ value: Value, _ epilogue: BuiltKernel) -> Int {
    let type = graph.type(value)
    for (position, binding) in epilogue.bindings.enumerated() {
      guard epilogue.program.buffers[position].role == .output, case .value(let output) = binding,
        graph.type(output).dtype == type.dtype, graph.type(output).count == type.count
      else { continue }
      let place = buffer(binding)
      // Not in state: the epilogue may read its old value.
      if case .bound(let slot) = out.schedule.buffers[place].storage,
        slot < graph.parameters.count
      {
        continue
      }
      return place
    }
    return buffer(.value(value))
  }

  mutating func side(_ operand: Value, _ groups: [[Int]]) -> (buffer: Int, strides: [Int]) {
    if let found = plan.views.strides(of: operand, graph, groups: groups), found.offset >= 0 {
      return (
        found.offset == 0
          ? buffer(of: found.source)
          : part(of: found.source, offset: found.offset, graph.type(operand)), found.strides
      )
    }
    let shape = graph.type(operand).shape
    // A dense copy of the operand itself may still interleave the groups; copy it in their order.
    let order = groups.flatMap { $0 }
    let own = shape.strides
    let inOrder = groups.allSatisfy { group in
      IndexMap(dims: group.map { shape[$0] }, strides: group.map { own[$0] }).collapsed.dims.count
        <= 1
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

  /// A buffer in which a value's elements lie one behind the other, perhaps a part of another one.
  mutating func contiguous(_ value: Value) -> Int {
    let source = plan.views[value, graph]
    let map = source.map.collapsed
    guard !source.isIdentity, map.dims.count == 1, map.strides == [1], map.offset >= 0 else {
      return dense(value)
    }
    return part(of: source.value, offset: map.offset, graph.type(value))
  }

  /// What lies behind an element of a value's buffer.
  mutating func part(of source: Value, offset: Int, _ type: TensorType) -> Int {
    let base = buffer(of: source)
    return addBuffer(
      type.byteCount, type.dtype, .part(of: base, offset: offset * type.dtype.byteCount),
      name(source))
  }

  /// Whoever reads a part keeps the whole alive.
  mutating func readWholes() {
    for unit in steps.indices {
      for index in steps[unit].indices {
        var next = steps[unit][index].reads
        while let buffer = next.popLast() {
          guard case .part(let base, _) = out.schedule.buffers[buffer].storage else { continue }
          steps[unit][index].reads.append(base)
          next.append(base)
        }
      }
    }
  }

  /// A buffer that holds the value's elements in row-major order; views are copied once.
  mutating func dense(_ value: Value) -> Int {
    let source = plan.views[value, graph]
    if source.isIdentity { return buffer(of: source.value) }
    if let copy = copies[value] {
      dependences.connect(copy.unit, before: current)
      return copy.buffer
    }
    let type = graph.type(value)
    let index = addBuffer(
      type.byteCount, type.dtype, .arena(offset: 0), "copy of \(name(source.value))")
    let unit = dependences.add()
    steps.append([copyStep(buffer(of: source.value), source.map, to: index, type.dtype)])
    if let definition = graph.values[source.value.id].node,
      let producer = plan.groupOfNode[definition]
    {
      dependences.connect(producer, before: unit)
    }
    dependences.connect(unit, before: current)
    firstUser[unit] = current
    copies[value] = (index, unit)
    return index
  }

  mutating func copyStep(
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
}

extension Contraction {
  /// The table of `mt_integer_conv2d`: a matrix is an image of one column.
  fileprivate func integerTable(_ x: Shape) -> [Int] {
    switch self {
    case .integerConv2d(let g, let columns, let zero, let share, let windows):
      let table = g.runtimeTable(batch: x[0], inputChannels: x[3], outputChannels: columns)
      return table.dropLast() + [zero, share] + windows
    case .integerDot(let columns):
      let rows = x.dimensions.dropLast().reduce(1, *)
      return [
        1, rows, 1, x.dimensions.last ?? 1, rows, 1, columns, 1, 1, 1, 1, 0, 0, 1, 1, 0, 1, 1, 1,
      ]
    default: return []
    }
  }
}
