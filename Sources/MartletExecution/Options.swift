// How to compile, and what the environment says of it.

import MartletIR
import MartletJIT
import MartletPasses
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How a graph is compiled and run.
///
/// Defaults come from the environment: `MARTLET_BACKEND`, `MARTLET_DISABLE`, `MARTLET_CHECK`,
/// `MARTLET_LOG`, `MARTLET_DUMP`, `MARTLET_ISA`. An unknown value there is a ``CompileError``.
public struct CompileOptions: Sendable {
  /// What turns the graph into something that runs.
  public enum Backend: String, CaseIterable, Hashable, Sendable {
    /// libtcc, in memory.
    case tcc
    /// The system's C compiler at -O3 on the scalar form, for comparison.
    case cc
    /// Operation by operation in Swift: slow, needs no executable memory.
    case interpreter
  }

  /// The back end.
  public var backend: Backend = .tcc
  /// Threads of a session, the caller included.
  public var threads: Int
  /// Names of passes that are switched off.
  public var disabledPasses: Set<String> = []
  /// Winograd's convolution in training programs too. It is faster, and its rounding is about four
  /// times that of the direct one; programs that only run forward take it anyway, unless `winograd`
  /// is among the disabled passes.
  public var winogradInTraining = false
  /// Verify after each pass, poison the arena, guard its slots, assert ranges, look for NaN.
  public var checks = false
  /// Stop where a result or a new state is not finite: the run throws a `RunError` of code
  /// `nonFinite`, which names the first operation whose result was infinite or no number, its layer
  /// and source line, and the state stays as it was before the step. Costs a copy of the written
  /// state and a look at it in each run.
  public var stopsAtNonFinite = false
  /// Time each kernel: see ``Session/profile``. Log level 4 does, too.
  public var profiles = false
  /// 0 silent … 4 per kernel.
  public var logLevel = 0
  /// A directory for the dumps of each stage; nil for none.
  public var dumpDirectory: String?
  /// Seeds initial values and random draws.
  public var seed: UInt64 = 0
  /// Receives log lines; standard error if nil.
  public var log: (@Sendable (String) -> Void)?
  /// The name in dumps and in the emitted text.
  public var name = "program"

  /// Bytes that the arena of intermediate values may take; nil for as many as it takes.
  ///
  /// What does not fit is computed again where it is needed, with the same bits. A budget that
  /// cannot be met is a ``CompileError`` that names the least that was reached. Inputs, results,
  /// parameters and the runtime's scratch are not in the arena.
  public var memoryBudget: Int?

  /// Integer inference: products by constant weights run over bytes that are scaled by these
  /// ranges. Nil for none. See ``Function/quantized(_:)``.
  public var quantization: Calibration?

  package var isa: InstructionSet = .best
  /// Passes that run before all others: what a graph of another layout needs.
  package var firstPasses: [any Pass] = []

  /// Whether emitted schedules tell of each step.
  var observesSteps: Bool { checks || profiles || logLevel >= 4 }

  /// Options from the environment. Throws for unknown names and values.
  public init() throws(CompileError) {
    threads = CompileOptions.availableThreads
    if let value = CompileOptions.environment("MARTLET_BACKEND") {
      guard let backend = Backend(rawValue: value) else {
        throw CompileOptions.unknown(
          "MARTLET_BACKEND", value, Backend.allCases.map(\.rawValue).joined(separator: ", "))
      }
      self.backend = backend
    }
    if let value = CompileOptions.environment("MARTLET_DISABLE") {
      try disable(value.split(separator: ",").map(String.init), source: "MARTLET_DISABLE")
    }
    if let value = CompileOptions.environment("MARTLET_CHECK") {
      guard value == "0" || value == "1" else {
        throw CompileOptions.unknown("MARTLET_CHECK", value, "0, 1")
      }
      checks = value == "1"
    }
    if let value = CompileOptions.environment("MARTLET_LOG") {
      guard let level = Int(value), (0...4).contains(level) else {
        throw CompileOptions.unknown("MARTLET_LOG", value, "0 … 4")
      }
      logLevel = level
    }
    dumpDirectory = CompileOptions.environment("MARTLET_DUMP")
    do {
      isa = try InstructionSet.fromEnvironment()
    } catch {
      throw CompileError(.option, error.message, hint: error.hint ?? "")
    }
  }

  /// Switches passes off. Throws for a name that is no pass.
  public mutating func disable(_ names: [String], source: String = "disable") throws(CompileError) {
    for name in names {
      guard Pipeline.passNames.contains(name) else {
        throw CompileOptions.unknown(source, name, Pipeline.passNames.joined(separator: ", "))
      }
      disabledPasses.insert(name)
    }
  }

  private static func unknown(_ option: String, _ value: String, _ expected: String) -> CompileError
  {
    CompileError(
      .option, "\(option): unknown value '\(value)'", hint: "expected one of \(expected)")
  }

  package static func environment(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
  }

  /// Processors that this process may use.
  public static var availableThreads: Int {
    // glibc counts the processors of the affinity mask here.
    return max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
  }

  func emit(_ level: Int, _ line: @autoclosure () -> String) {
    guard level <= logLevel else { return }
    let text = line()
    if let log { log(text) } else { writeToStandardError(text + "\n") }
  }
}

/// Writes to file descriptor 2 without the C library's `stderr` variable.
package func writeToStandardError(_ text: String) {
  var text = text
  text.withUTF8 { bytes in
    var rest = UnsafeRawBufferPointer(bytes)
    while !rest.isEmpty {
      let written = write(2, rest.baseAddress, rest.count)
      guard written > 0 else { return }
      rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
  }
}
