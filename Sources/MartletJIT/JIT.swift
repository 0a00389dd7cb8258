// From emitted C to machine code: the door of this module.

import MartletCodegen
import MartletLoops

/// What turns C text into machine code.
package enum Backend: String, CaseIterable, Hashable, Sendable {
  /// libtcc, in memory: milliseconds, and no file or tool on the user's machine.
  case tcc
  /// The system's C compiler at `-O3`: seconds; for comparing, and for tests of the scalar form.
  case cc
}

/// One C text as an emitter prints it: definitions only, neither `#include` nor prototypes.
package struct EmittedSource: Hashable, Sendable {
  /// The two printed forms of a tile program.
  package enum Form: String, Hashable, Sendable {
    /// Calls tile primitives; for libtcc.
    case tile
    /// One loop and one expression a step over the functions of `martlet_math.h`; for a compiler
    /// that optimises.
    case scalar
    /// A user's own: calls the C maths functions and nothing of the runtime.
    case foreign
  }

  package var text: String
  package var form: Form
  /// The runtime functions that `text` calls, in any order; each must be in the runtime's table.
  package var symbols: [String]
  /// Users' kernels that `text` calls. They stand here whole: equal names are not enough.
  package var foreign: [ForeignBinding] = []

  /// A user's kernel; nil for a function that exists already.
  package init?(_ kernel: ForeignKernel) {
    guard let text = kernel.text else { return nil }
    self.init(text, form: .foreign, symbols: [])
  }

  package init(_ text: String, form: Form = .tile, symbols: [String]) {
    self.text = text
    self.form = form
    self.symbols = symbols
  }
}

/// The name that compilers are told for emitted text, so that their messages can be found in it.
let sourceName = "martlet.c"

/// Compiles emitted text for one instruction set, with one back end.
///
/// Equal texts give one and the same ``MachineCode``. Safe from any thread.
package struct JIT: Sendable {
  package let backend: Backend
  package let isa: InstructionSet
  private let cache: CodeCache

  package init(backend: Backend = .tcc, isa: InstructionSet, cache: CodeCache = .shared) {
    self.backend = backend
    self.isa = isa
    self.cache = cache
  }

  /// The compiled text, from the cache when an equal one was compiled before.
  package func compile(_ source: EmittedSource) throws(JITError) -> MachineCode {
    try compileReportingReuse(source).code
  }

  /// As ``compile(_:)``, and whether the code came from the cache.
  package func compileReportingReuse(
    _ source: EmittedSource
  ) throws(JITError) -> (code: MachineCode, reused: Bool) {
    let key = CodeCache.Key(source: source, backend: backend, isa: isa)
    if let code = cache.code(for: key) { return (code, true) }
    // Not under the cache's lock: a second caller with other text must not wait for a system
    // compiler. Two callers with one new text may both compile it; the first result is kept.
    var callees: [MachineCode] = []
    var addresses: [(binding: ForeignBinding, address: UnsafeMutableRawPointer)] = []
    for binding in source.foreign {
      if let text = EmittedSource(binding.kernel) {
        let callee = try compile(text)
        callees.append(callee)
        let function = try callee.function(named: ForeignKernel.entry)
        addresses.append((binding, UnsafeMutableRawPointer(mutating: function)))
      } else if case .function(let bits) = binding.kernel.code,
        let address = UnsafeMutableRawPointer(bitPattern: bits)
      {
        addresses.append((binding, address))
      }
    }
    let symbols = try RuntimeSymbols(source.symbols, for: isa, foreign: addresses)
    let code =
      switch backend {
      case .tcc: try TCCBackend.compile(source, symbols, callees)
      case .cc: try SystemCompiler.compile(source, symbols, isa, callees)
      }
    return (cache.insert(code, for: key), false)
  }
}
