// Keeps a run from leaving numbers that are none: puts the state back, and finds where they began.

import MartletIR
import MartletOps
import MartletPasses

/// Looks at one session's results and written state. Confined to the thread that runs.
///
/// Nothing is looked at between the kernels of a step. Once a result is not finite, the optimised
/// graph is compiled again with one more scalar for each value, `Σ (x − x)`, which is 0 exactly
/// where x is finite; and run on what the step began with: bits do not depend on fusion, so the
/// numbers are the same. From the result the way then leads back over values that are not finite to
/// the first operation that had none such among its operands.
final class FiniteGuard {
  struct Written {
    var name: String
    var value: Value
    var type: TensorType
    var slot: Int
    /// What it was before the step, for state.
    var before: Memory?
  }
  /// A result, or a new state, that is not finite.
  struct Finding {
    var written: Written
    var position: Int
    var number: Double
  }

  private let program: Program
  private let written: [Written]

  init(_ program: Program) throws(RunError) {
    self.program = program
    let graph = program.graph
    var all: [Written] = []
    var results = 0
    for output in graph.outputs {
      let type = graph.type(output.value)
      switch output.role {
      case .result:
        let slot = program.results[results].slot
        results += 1
        all.append(Written(name: "'\(output.name)'", value: output.value, type: type, slot: slot))
      case .assign(let parameter):
        all.append(
          Written(
            name: "the new state '\(output.name)'", value: output.value, type: type,
            slot: program.lowered.parameterSlots[parameter],
            before: try Memory(byteCount: type.byteCount)))
      }
    }
    written = all
  }

  /// Keeps the state that the step will write.
  func keep(_ io: [UnsafeMutableRawPointer?]) {
    for item in written {
      guard let before = item.before, let address = io[item.slot] else { continue }
      before.base.copyMemory(from: address, byteCount: item.type.byteCount)
    }
  }

  /// Puts back what was kept.
  func restore(_ io: [UnsafeMutableRawPointer?]) {
    for item in written {
      guard let before = item.before, let address = io[item.slot] else { continue }
      address.copyMemory(from: before.base, byteCount: item.type.byteCount)
    }
  }

  /// The first result or new state that is not finite.
  func look(_ io: [UnsafeMutableRawPointer?]) -> Finding? {
    for item in written {
      let bytes = UnsafeRawBufferPointer(start: io[item.slot], count: item.type.byteCount)
      if let found = item.type.dtype.firstNonFinite(bytes) {
        return Finding(written: item, position: found.position, number: found.value)
      }
    }
    return nil
  }

  /// What to tell, once the state is what it was before the step.
  func explain(_ finding: Finding, _ io: [UnsafeMutableRawPointer?]) -> RunError {
    let (graph, name) = (program.graph, program.options.name)
    var message = "\(finding.written.name) is \(text(finding.number))"
    if finding.written.type.count > 1 { message += " at position \(finding.position)" }
    let hint = "the state is as it was before this step"
    guard let inputs = inputs(io), let isBad = try? badValues(inputs),
      let origin = origin(of: finding.written.value, isBad)
    else { return RunError(.nonFinite, message, at: name, hint: hint) }
    if let parameter = graph.parameters.first(where: { $0.value == origin }) {
      let kind = parameter.role == .state ? "the state" : "the input"
      return RunError(
        .nonFinite, message + ": \(kind) '\(parameter.name)' was not finite when the step began",
        at: name, hint: hint)
    }
    guard let node = graph.definition(origin) else {
      return RunError(.nonFinite, message, at: name, hint: hint)
    }
    let types = node.operands.prefix(4).map { graph.type($0).description }.joined(separator: ", ")
    message += ": first in \(node.op.name)(\(types))"
    if let found = try? value(origin, inputs), let array = found.first,
      let bad = array.firstNonFinite
    {
      message += ", which gave \(text(bad.value))"
      // Element by element, the operands say why.
      let operands = found.dropFirst().filter { $0.count == array.count }
      if array.count > 1 { message += " at position \(bad.position)" }
      if operands.count == node.operands.count, !operands.isEmpty {
        let values = operands.map { text($0.double(at: bad.position)) }
        message += " from " + values.joined(separator: ", ")
      }
    }
    let place = node.location
    let line = place.file.isEmpty ? "" : "\(place.file):\(place.line)"
    return RunError(
      .nonFinite, message,
      at: [place.scope.isEmpty ? name : place.scope, line].filter { !$0.isEmpty }
        .joined(separator: "   "), hint: hint)
  }

  /// A NaN's sign says nothing.
  private func text(_ number: Double) -> String { number.isNaN ? "nan" : "\(number)" }

  // MARK: The step once more

  /// What each parameter of the graph holds.
  private func inputs(_ io: [UnsafeMutableRawPointer?]) -> [NDArray]? {
    var arrays: [NDArray] = []
    for (index, parameter) in program.graph.parameters.enumerated() {
      let type = program.graph.type(parameter.value)
      guard let memory = try? Memory(byteCount: type.byteCount) else { return nil }
      if let address = io[program.lowered.parameterSlots[index]] {
        memory.base.copyMemory(from: address, byteCount: type.byteCount)
      }
      arrays.append(NDArray(memory: memory, type: type))
    }
    return arrays
  }

  /// Runs the graph with other outputs, everything it reads given by the caller.
  private func run(
    _ inputs: [NDArray], _ outputs: (inout Graph) throws -> Void
  ) throws -> [NDArray] {
    var graph = program.graph
    graph.outputs = []
    for index in graph.parameters.indices {
      graph.parameters[index].role = .argument
      graph.parameters[index].name = "parameter\(index)"
    }
    try outputs(&graph)
    var options = program.options
    options.stopsAtNonFinite = false
    options.checks = false
    options.profiles = false
    options.logLevel = 0
    options.dumpDirectory = nil
    options.memoryBudget = nil
    // The graph as it ran: no rule may take x − x for 0.
    for pass in Pipeline.optimization { options.disabledPasses.insert(type(of: pass).name) }
    let program = try Compiler.compile(graph, state: [], written: [], options: options)
    return try Session(program).run(inputs)
  }

  /// Whether each value of the graph is not finite somewhere.
  private func badValues(_ inputs: [NDArray]) throws -> [Bool] {
    let graph = program.graph
    // A literal infinity is meant, also a repeated one.
    func isLiteral(_ node: Node?) -> Bool {
      guard let node else { return false }
      return node.op is Constant
        || node.op is Broadcast && graph.definition(node.operands[0])?.op is Constant
    }
    let values = graph.values.indices.filter { index in
      let type = graph.values[index].type
      return type.dtype.isFloatingPoint && type.count > 0
        && !isLiteral(graph.definition(Value(index)))
    }
    let sums = try run(inputs) { graph in
      for index in values {
        var value = Value(index)
        if graph.type(value).dtype != .float64, graph.type(value).dtype != .float32 {
          value = try graph.append(Convert(to: .float32), [value])[0]
        }
        let difference = try graph.append(Subtract(), [value, value])[0]
        let axes = Array(0..<graph.type(difference).shape.rank)
        graph.addOutput(try graph.append(ReduceSum(axes: axes), [difference])[0], name: "\(index)")
      }
    }
    var isBad = [Bool](repeating: false, count: graph.values.count)
    for (index, sum) in zip(values, sums) { isBad[index] = try sum.item() != 0 }
    return isBad
  }

  private func origin(of value: Value, _ isBad: [Bool]) -> Value? {
    guard isBad[value.id] else { return nil }
    var value = value
    // Operands come before their node, so that this ends.
    while let node = program.graph.definition(value),
      let operand = node.operands.first(where: { isBad[$0.id] })
    { value = operand }
    return value
  }

  /// A value, and the floating-point operands of its node.
  private func value(_ value: Value, _ inputs: [NDArray]) throws -> [HostArray] {
    let operands = program.graph.definition(value)?.operands ?? []
    return try run(inputs) { graph in
      for (index, value) in ([value] + operands).enumerated() {
        graph.addOutput(value, name: "\(index)")
      }
    }.map(\.hostArray)
  }
}

extension HostArray {
  fileprivate var firstNonFinite: (position: Int, value: Double)? {
    doubles.firstIndex { !$0.isFinite }.map { ($0, double(at: $0)) }
  }
}
