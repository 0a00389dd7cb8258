// Loops and branches: the schedule of the body between two marks, over buffers that move with the iteration.
//
//     begin loop 0 (64 times)
//       dot, tanh      reads  io[0] + i · 128      the step of x
//                             i ? y + (i − 1) · 128 : h0
//                      writes y + i · 128          h is stacked: its stack is where it is carried
//     end
//
// The body is lowered as a program of its own, with its own fusion and order. Its arena buffers
// become buffers of the arena around, which live within an iteration; what lives from one
// iteration to the next is written by the mark in front and read by the mark behind.

import MartletIR
import MartletLoops
import MartletOps

extension Lowering {
  mutating func lowerRegion(
    _ node: Node, _ form: RegionForm, _ comment: String
  ) throws(CompileError) -> [Schedule.Step] {
    switch form {
    case .scan(let length, let carries, let scanned, let isReversed):
      return try lowerScan(
        node, comment, Schedule.Loop(count: length, isReversed: isReversed), carries, scanned)
    case .whileLoop(let maximum, let carries):
      return try lowerWhile(node, comment, maximum, carries)
    case .conditional:
      return try lowerConditional(node, comment)
    }
  }

  private mutating func lowerConditional(
    _ node: Node, _ comment: String
  ) throws(CompileError) -> [Schedule.Step] {
    var inputs: [Int] = []
    for operand in node.operands { inputs.append(contiguous(operand)) }
    let results = node.results.map { buffer(.value($0)) }
    var steps = [
      Schedule.Step(
        work: .branch(condition: inputs[0]), writes: results, reads: inputs, comment: comment)
    ]
    for (index, body) in node.regions.enumerated() {
      guard let lowered = try lowersBody?(body) else { continue }
      if index > 0 {
        steps.append(Schedule.Step(work: .otherwise, writes: [], reads: [], comment: ""))
      }
      // A result may have several places in one body, never in both at once.
      steps += splice(lowered, parameters: Array(inputs.dropFirst()), results: results, times: 1)
    }
    steps.append(
      Schedule.Step(work: .endBranch, writes: [], reads: inputs + results, comment: ""))
    return steps
  }

  private mutating func lowerWhile(
    _ node: Node, _ comment: String, _ maximum: Int, _ carries: Int
  ) throws(CompileError) -> [Schedule.Step] {
    guard let lowersBody, node.regions.count == 2 else {
      throw internalError("a loop without bodies", node)
    }
    let loop = out.schedule.loops.count
    out.schedule.loops.append(Schedule.Loop(count: maximum, isReversed: false))
    var inputs: [Int] = []
    for operand in node.operands { inputs.append(contiguous(operand)) }
    var kept: [Int] = []
    var parameters = inputs
    var places: [Int] = []
    for index in 0..<carries {
      let type = graph.type(node.results[index])
      let place = alternating(type, name(node.results[index]), loop, &kept)
      places.append(place)
      parameters[index] = addBuffer(
        type.byteCount, type.dtype, .carried(first: inputs[index], next: place, loop: loop),
        name(node.results[index]))
    }
    let holds = addBuffer(1, .bool, .arena(offset: 0), "condition")
    var steps = splice(
      try lowersBody(node.regions[0]), parameters: parameters, results: [holds], times: 1)
    steps.append(
      Schedule.Step(
        work: .leave(loop: loop, unless: holds), writes: [], reads: [holds], comment: ""))
    steps += splice(
      try lowersBody(node.regions[1]), parameters: parameters, results: places, times: 1)
    let front = hoistInvariants(&steps, Array(inputs[carries...]), iterations: maximum)
    steps.insert(
      Schedule.Step(
        work: .begin(loop: loop), writes: kept, reads: inputs,
        comment: "\(comment): at most \(maximum) iterations"), at: 0)
    kept += front.writes
    steps.append(
      Schedule.Step(work: .end(loop: loop), writes: [], reads: inputs + kept, comment: ""))
    steps.insert(contentsOf: front.steps, at: 0)
    for index in 0..<carries where stored.contains(node.results[index]) {
      steps.append(lastCarry(parameters[index], node.results[index], inputs + kept))
    }
    return steps
  }

  /// Two buffers that iterations write in turns.
  private mutating func alternating(
    _ type: TensorType, _ label: String, _ loop: Int, _ kept: inout [Int]
  ) -> Int {
    let even = addBuffer(type.byteCount, type.dtype, .arena(offset: 0), label)
    let odd = addBuffer(type.byteCount, type.dtype, .arena(offset: 0), label)
    kept += [even, odd]
    return addBuffer(type.byteCount, type.dtype, .alternating(even, odd, loop: loop), label)
  }

  /// Behind a loop: what it carried last, as a value of the graph.
  private mutating func lastCarry(
    _ carried: Int, _ value: Value, _ alive: [Int]
  ) -> Schedule.Step {
    let type = graph.type(value)
    var copy = copyStep(carried, .identity([type.count]), to: buffer(.value(value)), type.dtype)
    copy.reads += alive
    copy.comment = "last \(name(value)) of the loop"
    return copy
  }

  private mutating func lowerScan(
    _ node: Node, _ comment: String, _ info: Schedule.Loop, _ carries: Int, _ scanned: Int
  ) throws(CompileError) -> [Schedule.Step] {
    guard let lowersBody, var body = node.regions.first else {
      throw internalError("a loop without a body", node)
    }
    let loop = out.schedule.loops.count
    out.schedule.loops.append(info)
    var inputs: [Int] = []
    for operand in node.operands { inputs.append(contiguous(operand)) }
    // What lives from iteration to iteration.
    var kept: [Int] = []
    var places: [Value: Int] = [:]
    var results: [Value] = []
    for (index, output) in body.outputs.enumerated().dropFirst(carries) {
      let stack = buffer(.value(node.results[index]))
      kept.append(stack)
      let part = stepBuffer(of: stack, body.type(output.value), loop)
      // A value that is stacked twice is copied behind the loop.
      guard places[output.value] == nil else { continue }
      places[output.value] = part
      results.append(output.value)
    }
    var parameters: [Int] = []
    for index in 0..<carries {
      let next = body.outputs[index].value
      let type = body.type(next)
      let place: Int
      if let stacked = places[next] {
        place = stacked
      } else {
        place = alternating(type, name(node.results[index]), loop, &kept)
        places[next] = place
        results.append(next)
      }
      parameters.append(
        addBuffer(
          type.byteCount, type.dtype, .carried(first: inputs[index], next: place, loop: loop),
          body.parameters[index].name))
    }
    let carriedIn = parameters
    for (index, parameter) in body.parameters.enumerated().dropFirst(carries) {
      parameters.append(
        index < carries + scanned
          ? stepBuffer(of: inputs[index], body.type(parameter.value), loop) : inputs[index])
    }
    let outputs = body.outputs
    body.outputs = []
    for value in results { body.addOutput(value) }
    body.name = graph.name
    let lowered = try lowersBody(body)
    var steps = splice(
      lowered, parameters: parameters, results: results.compactMap { places[$0] },
      times: info.count)
    let front = hoistInvariants(
      &steps, Array(inputs[(carries + scanned)...]), iterations: info.count)
    kept += front.writes
    steps.insert(
      Schedule.Step(
        work: .begin(loop: loop), writes: kept.filter { !front.writes.contains($0) }, reads: inputs,
        comment: "\(comment): \(info.count) iterations\(info.isReversed ? ", backwards" : "")"),
      at: 0)
    steps.append(
      Schedule.Step(work: .end(loop: loop), writes: [], reads: inputs + kept, comment: ""))

    // Behind the loop: last carries, and stacks that equal an earlier one.
    steps.insert(contentsOf: front.steps, at: 0)
    var seen: [Value: Int] = [:]
    for (index, output) in outputs.enumerated().dropFirst(carries) {
      let stack = buffer(.value(node.results[index]))
      if let first = seen[output.value] {
        let type = graph.type(node.results[index])
        steps.append(copyStep(first, .identity([type.count]), to: stack, type.dtype))
      } else {
        seen[output.value] = stack
      }
    }
    for index in 0..<carries where stored.contains(node.results[index]) {
      steps.append(lastCarry(carriedIn[index], node.results[index], inputs + kept))
    }
    return steps
  }

  private mutating func stepBuffer(of stack: Int, _ type: TensorType, _ loop: Int) -> Int {
    addBuffer(
      type.byteCount, type.dtype, .step(of: stack, stride: type.byteCount, loop: loop),
      out.schedule.buffers[stack].label)
  }

  /// The steps of a body's program as steps of this one: buffers for its parameters and results are
  /// given, its other buffers, kernels, constants and loops become this program's.
  private mutating func splice(
    _ body: LoweredProgram, parameters: [Int], results: [Int], times: Int
  ) -> [Schedule.Step] {
    var slots: [Int: Int] = [:]
    for (slot, buffer) in zip(body.parameterSlots, parameters) { slots[slot] = buffer }
    for (slot, buffer) in zip(body.resultSlots, results) { slots[slot] = buffer }
    var constants: [Int: HostArray] = [:]
    for (slot, array) in body.constants { constants[slot] = array }
    let loops = out.schedule.loops.count
    out.schedule.loops += body.schedule.loops
    var map: [Int] = []
    for item in body.schedule.buffers {
      let storage: Schedule.Storage
      switch item.storage {
      case .bound(let slot):
        if let known = slots[slot] {
          map.append(known)
          continue
        }
        storage = .bound(nextSlot)
        if let array = constants[slot] { out.constants.append((nextSlot, array)) }
        nextSlot += 1
      case .arena: storage = .arena(offset: 0)
      case .part(let base, let offset): storage = .part(of: map[base], offset: offset)
      case .step(let base, let stride, let loop):
        storage = .step(of: map[base], stride: stride, loop: loop + loops)
      case .alternating(let even, let odd, let loop):
        storage = .alternating(map[even], map[odd], loop: loop + loops)
      case .carried(let first, let next, let loop):
        storage = .carried(first: map[first], next: map[next], loop: loop + loops)
      }
      map.append(addBuffer(item.byteCount, item.dtype, storage, item.label))
      if case .bound(let slot) = item.storage { slots[slot] = map[map.count - 1] }
    }
    let kernels = body.schedule.kernels.map { kernel in
      addKernel(kernel.program, name: kernel.name, comment: kernel.comment.first ?? "")
    }
    func mapped(_ launch: Schedule.Launch) -> Schedule.Launch {
      Schedule.Launch(
        kernel: kernels[launch.kernel], buffers: launch.buffers.map { map[$0] }, units: launch.units
      )
    }
    return body.schedule.steps.map { step in
      var step = step
      switch step.work {
      case .launch(let launches): step.work = .launch(launches.map(mapped))
      case .call(let symbol, let arguments, let epilogue, let takesEpilogue):
        let arguments = arguments.map { argument in
          if case .buffer(let buffer) = argument { return Schedule.Argument.buffer(map[buffer]) }
          return argument
        }
        step.work = .call(
          symbol: symbol, arguments, epilogue: epilogue.map(mapped), takesEpilogue: takesEpilogue)
      case .foreign(let kernel, let buffers, let units):
        step.work = .foreign(kernel, buffers: buffers.map { map[$0] }, units: units)
      case .begin(let loop): step.work = .begin(loop: loop + loops)
      case .end(let loop): step.work = .end(loop: loop + loops)
      case .leave(let loop, let condition):
        step.work = .leave(loop: loop + loops, unless: map[condition])
      case .branch(let condition): step.work = .branch(condition: map[condition])
      case .otherwise, .endBranch: break
      }
      step.writes = step.writes.map { map[$0] }
      step.reads = step.reads.map { map[$0] }
      step.flops *= times
      step.bytes *= times
      return step
    }
  }
}
