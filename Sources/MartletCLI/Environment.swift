// The environment variables that the tool knows; an unknown name or value is an error.

import ArgumentParser
import Martlet
import MartletONNX
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

enum Environment {
  static let names = [
    "MARTLET_BACKEND", "MARTLET_CHECK", "MARTLET_DISABLE", "MARTLET_DUMP", "MARTLET_ISA",
    "MARTLET_LOG",
  ]

  /// Throws for a `MARTLET_` variable that nobody reads, and for a value that nobody understands.
  static func check() throws {
    var entry = environ
    while let text = entry.pointee {
      let name = String(cString: text).prefix { $0 != "=" }
      if name.hasPrefix("MARTLET_"), !names.contains(String(name)) {
        throw CompileError(
          .option, "unknown environment variable \(name)",
          hint: "known are \(names.joined(separator: ", "))")
      }
      entry += 1
    }
    _ = try CompileOptions()
  }

  /// Throws for arguments that are not UTF-8: repaired, they would name other files.
  static func checkArguments() throws {
    for index in 1..<max(1, Int(CommandLine.argc)) {
      guard let text = CommandLine.unsafeArgv[index],
        String(validatingCString: text) == nil
      else { continue }
      throw ValidationError(
        "argument \(index) is not UTF-8: \(printable(String(cString: text))); names have to be")
    }
  }
}
