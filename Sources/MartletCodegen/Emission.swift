// What codegen is asked for and what it answers: one text, and the facts that its user needs.

import MartletIR
import MartletLoops

/// The two printers of the kernel language.
package enum EmissionForm: String, Hashable, Sendable, CaseIterable {
  /// Calls of tile primitives, for a compiler that does not optimise (libtcc).
  case tile
  /// Plain loops with one expression a step, for an optimising compiler (gcc or clang -O3).
  case scalar
}

package struct EmissionOptions: Hashable, Sendable {
  /// The name of the one function that runs the schedule.
  package var entry = "martlet_run"
  /// Elements of a tile before the number of live tiles is known.
  package var tileElements = 512
  /// Prints superinstructions (tile form only); the results have the same bits without.
  package var usesSuperinstructions = true
  /// All functions get internal linkage, for text that is part of other text.
  package var staticKernels = false
  /// What kernels' names begin with, a number behind it: different where programs share a text.
  package var kernelPrefix = "k"
  /// The scalar form includes `martlet_math.h`; without, the one who compiles puts it in front.
  package var includesHeaders = false
  /// Calls `mt_observe` before and after each step, for profiles and checks.
  package var observesSteps = false
  /// Kernels assert that their range lies within their units.
  package var assertsRanges = false
  /// The units of the kernel being printed, where it is to assert them.
  var assertedUnits: Int?

  /// The assertion at the start of a kernel, or nothing.
  func rangeAssertion(_ kernel: String, _ symbols: inout Set<String>) -> String {
    guard let units = assertedUnits else { return "" }
    symbols.insert("mt_check_range")
    return "  mt_check_range(\"\(kernel)\", begin, end, \(units));\n"
  }

  package init() {}
}

/// A schedule as C text.
package struct EmittedProgram: Sendable {
  package var source: String
  package var entry: String
  /// The runtime functions that the text calls, sorted.
  package var symbols: [String]
  /// Scratch that each thread's context must give to kernels.
  package var scratchBytes: Int
  /// Names of the kernels in the text, in order of emission.
  package var kernelNames: [String]
  /// The users' kernels that the text calls, by the names that it has for them.
  package var foreign: [ForeignBinding] = []
}

/// A user's kernel, and its name in a program's text.
package struct ForeignBinding: Hashable, Sendable {
  package var symbol: String
  package var kernel: ForeignKernel
  package init(symbol: String, kernel: ForeignKernel) {
    self.symbol = symbol
    self.kernel = kernel
  }
  /// Its C declaration.
  package var prototype: String {
    "void \(symbol)(void *const *p, long begin, long end, void *scratch);"
  }
}

/// The schedule asks for something that has no C text: a bug of a pass, or a dtype without kernels.
package struct CodegenError: Error, Hashable, Sendable {
  package var kernel: String
  package var message: String

  package init(kernel: String, _ message: String) {
    self.kernel = kernel
    self.message = message
  }
}

/// Which buffers of a kernel may lie in the same memory.
package struct Aliasing: Hashable, Sendable {
  package struct Pair: Hashable, Sendable {
    package var a: Int
    package var b: Int
    package init(_ a: Int, _ b: Int) {
      self.a = min(a, b)
      self.b = max(a, b)
    }
  }
  /// Nil when nothing is known: every output may be in place of any input of its level and size.
  package var pairs: Set<Pair>?
  /// Pairs that only ever are single elements: reading them as scalars is reading them in place.
  package var singles: Set<Pair>

  package static let unknown = Aliasing(pairs: nil)
  package static let none = Aliasing(pairs: [])

  package init(pairs: Set<Pair>?, singles: Set<Pair> = []) {
    self.pairs = pairs
    self.singles = singles
  }
}

/// One printed kernel, before it is put into a program.
package struct EmittedKernel: Sendable {
  package var name: String
  /// The whole definition, with the comment above it.
  package var text: String
  package var symbols: Set<String>
  package var scratchBytes: Int
}

/// Prints one kernel.
package func emitKernel(
  _ kernel: Schedule.Kernel, name: String, form: EmissionForm,
  options: EmissionOptions = EmissionOptions(), aliasing: Aliasing = .unknown
) throws(CodegenError) -> EmittedKernel {
  try check(kernel.program, name: name)
  try checkSharing(kernel.program, aliasing, name: name)
  switch form {
  case .tile:
    return try emitTileKernel(kernel, name: name, options: options, aliasing: aliasing)
  case .scalar:
    return try emitScalarKernel(kernel, name: name, options: options, aliasing: aliasing)
  }
}

/// Refuses programs that a printer would turn into wrong or unreadable C.
private func check(_ program: TileProgram, name: String) throws(CodegenError) {
  func fail(_ message: String) -> CodegenError { CodegenError(kernel: name, message) }
  guard program.rows >= 0, program.cols >= 1, program.chunkRows >= 1 else {
    throw fail("domain of \(program.rows) × \(program.cols), chunks of \(program.chunkRows)")
  }
  for (index, instruction) in program.instructions.enumerated() {
    // Storage dtypes are moved and converted, nothing else.
    if instruction.dtype.isStorage {
      switch instruction.operation {
      case .literal, .integerLiteral, .load, .store, .convert: break
      default: throw fail("no arithmetic on dtype \(instruction.dtype) of value \(index)")
      }
    }
    for operand in instruction.operation.operands where operand < 0 || operand >= index {
      throw fail("value \(index) reads value \(operand)")
    }
    let buffer: Int? =
      switch instruction.operation {
      case .load(let buffer, _), .store(let buffer, _), .reduceColumn(_, let buffer, _): buffer
      default: nil
      }
    if let buffer {
      guard program.buffers.indices.contains(buffer) else {
        throw fail("value \(index) names buffer \(buffer)")
      }
      guard program.buffers[buffer].dtype == instruction.dtype else {
        throw fail(
          "value \(index) is \(instruction.dtype), its buffer \(program.buffers[buffer].dtype)")
      }
    }
  }
}

/// A buffer that shares memory with an output must be read at the output's own index: anything else
/// would read elements that are already overwritten, or overwrite elements that are yet to be read.
private func checkSharing(
  _ program: TileProgram, _ aliasing: Aliasing, name: String
) throws(CodegenError) {
  let levels = program.effectiveLevels()
  let live = program.liveInstructions()
  for (index, instruction) in program.instructions.enumerated() {
    guard case .store(let output, _) = instruction.operation,
      levels[index] == .full || levels[index] == .row
    else { continue }
    for (other, reader) in program.instructions.enumerated() where live[other] {
      guard case .load(let buffer, let access) = reader.operation,
        program.mayAlias(buffer, output, aliasing),
        !aliasing.singles.contains(Aliasing.Pair(buffer, output))
      else { continue }
      guard access == .flat, levels[other] == levels[index] else {
        throw CodegenError(
          kernel: name,
          "output '\(program.buffers[output].label)' shares memory with "
            + "'\(program.buffers[buffer].label)', which is not read in place")
      }
    }
  }
}
