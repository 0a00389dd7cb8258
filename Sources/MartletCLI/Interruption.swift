// Ctrl-C and SIGTERM: noted by the handler, acted upon between two steps.

import Synchronization
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

enum Interruption {
  private static let flag = Atomic<Bool>(false)

  /// True once a signal came.
  static var wasRequested: Bool { flag.load(ordering: .relaxed) }

  /// From now on the first signal is noted; a second one ends the process as usual.
  static func watch() {
    // Touched here, so that the handler never runs the initialiser of the global.
    flag.store(false, ordering: .relaxed)
    for number in [SIGINT, SIGTERM] {
      signal(number) { number in
        Interruption.flag.store(true, ordering: .relaxed)
        signal(number, SIG_DFL)
      }
    }
  }
}
