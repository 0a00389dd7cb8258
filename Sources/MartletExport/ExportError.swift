// Why a program cannot be exported.

/// Why a program cannot be written as C, in a sentence, with a hint where there is one.
package struct ExportError: Error, Sendable, CustomStringConvertible {
  package var message: String
  package var hint: String

  package init(_ message: String, hint: String = "") {
    self.message = message
    self.hint = hint
  }

  package var description: String { hint.isEmpty ? message : "\(message)\nhint: \(hint)" }
}
