// The narrow errors of the ground floor; MartletOps and above wrap them in public ones.

/// An operation refused its operands: wrong number, dtype, shape or attribute.
@usableFromInline
package struct TypeError: Error, Hashable, Sendable {
  package var op: String
  package var message: String
  package var hint: String?

  package init(op: String, _ message: String, hint: String? = nil) {
    self.op = op
    self.message = message
    self.hint = hint
  }
}

/// Where a node comes from: the layer path and the line of the user's program.
@usableFromInline
package struct SourceLocation: Hashable, Sendable {
  /// The layer path, such as `MLP/hidden`; empty outside of any layer.
  package var scope: String
  package var file: String
  package var line: Int

  package init(scope: String = "", file: String = "", line: Int = 0) {
    self.scope = scope
    self.file = file
    self.line = line
  }

  package static let unknown = SourceLocation()
}
