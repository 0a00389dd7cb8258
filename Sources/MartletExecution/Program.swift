// The compiled program: machine code, plan and bindings. Immutable; sessions run it.

import CMartletRuntime
import MartletCodegen
import MartletIR
import MartletJIT
import MartletLoops
import MartletOps
import MartletPasses

/// What a compilation cost and what it made; printed by the tool and gated by tests.
public struct CompileReport: Hashable, Sendable {
  package init() {}

  /// Milliseconds of each stage.
  public var traceMilliseconds = 0.0
  /// Differentiation (part of the trace's wall time, reported apart).
  public var differentiateMilliseconds = 0.0
  /// All passes, fusion, scheduling and planning.
  public var passesMilliseconds = 0.0
  /// Printing C.
  public var emitMilliseconds = 0.0
  /// Machine code.
  public var machineCodeMilliseconds = 0.0
  /// Nodes as traced, and after the passes.
  public var tracedNodes = 0
  /// Nodes after the passes.
  public var nodes = 0
  /// Kernels and library calls in a step.
  public var kernels = 0
  /// Bytes of emitted C.
  public var sourceBytes = 0
  /// The planned arena.
  public var arenaBytes = 0
  /// The largest sum of live values over the schedule.
  public var arenaLowerBound = 0
  /// Tile scratch and packing workspace of one thread.
  public var scratchBytes = 0
  /// Parameters, other state and frozen values that the program binds.
  public var stateBytes = 0
  /// 2 × multiply-adds of the contractions.
  public var flops = 0
  /// True when the machine code came from the cache.
  public var isCached = false
}

/// A compiled graph: immutable, and safe to share between threads. A ``Session`` runs it.
public final class Program: Sendable {
  package typealias Entry =
    @convention(c) (
      OpaquePointer?, UnsafePointer<UnsafeMutableRawPointer?>, UnsafeMutableRawPointer?
    ) -> Void

  package struct Argument: Sendable {
    package var name: String
    package var type: TensorType
    package var slot: Int
    /// Values must lie in 0 ..< bound (labels and indices that the caller passes).
    package var bound: Int?
    /// The layer and line that read them as indices.
    package var boundPlace: SourceLocation?
  }
  package struct Result: Sendable {
    package var name: String
    package var type: TensorType
    package var slot: Int
  }
  package struct State: Sendable {
    package var variable: StateVariable
    package var slot: Int
  }

  /// The options it was compiled with.
  public let options: CompileOptions
  /// Cost and size.
  public let report: CompileReport
  package let traced: Graph
  package let graph: Graph
  package let lowered: LoweredProgram
  package let source: String
  package let code: MachineCode?
  package let entry: Entry?
  package let arguments: [Argument]
  package let results: [Result]
  package let state: [State]
  package let readBlocks: [StateBlock]
  package let writtenBlocks: [StateBlock]
  package let constants: [(slot: Int, memory: Memory)]
  package let usesRandom: Bool

  package init(
    options: CompileOptions, report: CompileReport, traced: Graph, graph: Graph,
    lowered: LoweredProgram, source: String, code: MachineCode?, entry: Entry?,
    arguments: [Argument], results: [Result], state: [State], written: Set<Int>,
    constants: [(slot: Int, memory: Memory)]
  ) {
    self.options = options
    self.report = report
    self.traced = traced
    self.graph = graph
    self.lowered = lowered
    self.source = source
    self.code = code
    self.entry = entry
    self.arguments = arguments
    self.results = results
    self.state = state
    self.constants = constants
    usesRandom = arguments.contains { $0.name == "seed" }
    var read: [StateBlock] = []
    var write: [StateBlock] = []
    for (index, item) in state.enumerated() {
      guard let block = item.variable.block else { continue }
      if written.contains(index) {
        if !write.contains(where: { $0 === block }) { write.append(block) }
      } else if !read.contains(where: { $0 === block }) {
        read.append(block)
      }
    }
    readBlocks = read.filter { block in !write.contains { $0 === block } }
    writtenBlocks = write
  }

  /// What can be dumped.
  public enum Stage: String, CaseIterable, Sendable {
    /// The graph as traced.
    case trace
    /// The graph after the passes.
    case optimized
    /// Fusion groups.
    case fused
    /// Schedule and arena.
    case plan
    /// The emitted C.
    case c
    /// The optimised graph in Graphviz' language.
    case dot
  }

  /// A stage of the compilation as text.
  public func dump(_ stage: Stage) -> String {
    switch stage {
    case .trace: traced.description
    case .optimized: graph.description
    case .fused: lowered.fusionText
    case .plan: describePlan()
    case .c: source
    case .dot: MartletIR.dot(graph)
    }
  }

  private func describePlan() -> String {
    let schedule = lowered.schedule
    var text =
      "arena \(schedule.arenaBytes) bytes, lower bound \(schedule.arenaLowerBound); "
      + "\(schedule.kernelSteps) steps, \(schedule.kernels.count) distinct kernels\n"
    for (index, step) in schedule.steps.enumerated() {
      text += "step \(index)  \(step.comment)\n"
      for (verb, list) in [("writes", step.writes), ("reads", step.reads)] {
        for buffer in list {
          let b = schedule.buffers[buffer]
          let place: String =
            switch b.storage {
            case .bound(let slot): "io[\(slot)]"
            case .arena(let offset): "arena+\(offset)"
            case .part(let base, let offset): "b\(base) + \(offset)"
            case .step(let base, let stride, let loop): "b\(base) + i\(loop) · \(stride)"
            case .alternating(let even, let odd, let loop): "i\(loop) odd ? b\(odd) : b\(even)"
            case .carried(let first, let next, let loop):
              "i\(loop) = 0 ? b\(first) : b\(next) of the iteration before"
            }
          text += "  \(verb) b\(buffer) \(b.label)  \(b.byteCount) bytes  \(place)\n"
        }
      }
    }
    return text
  }
}
