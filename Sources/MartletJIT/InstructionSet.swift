// Which of the runtime's versions a program is bound to.

internal import CMartletRuntime

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// An instruction set that the runtime's primitives are compiled for.
package enum InstructionSet: String, CaseIterable, Hashable, Sendable {
  case baseline, avx2, avx512, neon

  var runtimeValue: mt_isa {
    switch self {
    case .baseline: MT_BASELINE
    case .avx2: MT_AVX2
    case .avx512: MT_AVX512
    case .neon: MT_NEON
    }
  }

  /// True when this CPU, and this build of the runtime, have it.
  package var isSupported: Bool { mt_isa_supported(runtimeValue) != 0 }

  /// The widest one that this CPU has.
  package static var best: InstructionSet {
    let value = mt_best_isa()
    return allCases.first { $0.runtimeValue == value } ?? .baseline
  }

  /// The choice of the environment variable `MARTLET_ISA`; without it, ``best``.
  package static func fromEnvironment() throws(JITError) -> InstructionSet {
    try named(environmentValue("MARTLET_ISA"))
  }

  /// The instruction set of that name; ``best`` for `nil` and for an empty name.
  ///
  /// Throws for an unknown name, and for a set that this CPU does not have: running its code
  /// would end the process with SIGILL.
  package static func named(_ name: String?) throws(JITError) -> InstructionSet {
    guard let name, !name.isEmpty else { return best }
    guard let choice = InstructionSet(rawValue: name) else {
      throw JITError(
        .unknownInstructionSet, "MARTLET_ISA: got '\(name)', expected one of \(list(allCases))",
        hint: "leave MARTLET_ISA unset for the best one, here \(best.rawValue)")
    }
    guard choice.isSupported else {
      throw JITError(
        .unsupportedInstructionSet, "MARTLET_ISA: this CPU does not have '\(name)'",
        hint: "it has \(list(allCases.filter(\.isSupported)))")
    }
    return choice
  }

  private static func list(_ sets: [InstructionSet]) -> String {
    sets.map(\.rawValue).joined(separator: ", ")
  }
}

/// The value of an environment variable, or nil when it is not set.
func environmentValue(_ name: String) -> String? {
  guard let value = getenv(name) else { return nil }
  return String(cString: value)
}
