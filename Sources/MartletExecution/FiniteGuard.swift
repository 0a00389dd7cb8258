// Keeps a run from leaving numbers that are none: puts the state back, and finds where they began.

import MartletIR
import MartletOps

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
    let name = program.options.name
    var message = "\(finding.written.name) is \(FiniteSearch.text(finding.number))"
    if finding.written.type.count > 1 { message += " at position \(finding.position)" }
    let hint = "the state is as it was before this step"
    guard let inputs = inputs(io),
      let origin = FiniteSearch(program.graph, inputs, program.options).explain(
        finding.written.value)
    else { return RunError(.nonFinite, message, at: name, hint: hint) }
    let place = origin.location
    let line = place.file.isEmpty ? "" : "\(place.file):\(place.line)"
    return RunError(
      .nonFinite, message + ": " + origin.message,
      at: [place.scope.isEmpty ? name : place.scope, line].filter { !$0.isEmpty }
        .joined(separator: "   "), hint: hint)
  }

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
}
