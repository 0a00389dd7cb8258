// What is wrong with an ONNX file, or with the values that it is given.

/// An ONNX model that cannot be read, imported or run.
///
/// ``description`` has at most six lines and names the node to blame; names from the file are cut to
/// a length and freed of control characters.
public struct ONNXError: Error, Hashable, Sendable {
  /// The kind of error; more may join.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// The stable spelling.
    public let description: String
    package init(_ description: String) { self.description = description }
    /// The file is no ONNX model, or contradicts itself.
    public static let malformed = Code("malformed")
    /// Operators, versions or types that this importer lacks.
    public static let unsupported = Code("unsupported")
    /// A value has to be known when the model is compiled, and is not.
    public static let unknownValue = Code("unknown-value")
    /// An operator refuses its inputs.
    public static let type = Code("type")
    /// More memory, nodes or time than allowed.
    public static let limit = Code("limit")
    /// The given inputs or dimensions do not fit the model.
    public static let input = Code("input")
  }

  /// The kind of error.
  public var code: Code
  /// What is wrong, in one line or, for lists, a few.
  public var message: String
  /// The node to blame, as `Conv 'layer1/conv'`.
  public var node: String
  /// What to try.
  public var hint: String

  package init(_ code: Code, _ message: String, node: String = "", hint: String = "") {
    self.code = code
    self.message = withoutControls(message)
    self.node = withoutControls(node)
    self.hint = withoutControls(hint)
  }
}

/// Messages of the operations that a node is built of may quote the file, an equation of Einsum say.
private func withoutControls(_ text: String) -> String {
  func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "\n" || scalar.properties.generalCategory != .control
  }
  guard !text.unicodeScalars.allSatisfy(isPlain) else { return text }
  var plain = ""
  for scalar in text.unicodeScalars { plain.unicodeScalars.append(isPlain(scalar) ? scalar : "?") }
  return plain
}

extension ONNXError: CustomStringConvertible {
  /// At most six lines: what, where, hint.
  public var description: String {
    var lines = message.split(separator: "\n").prefix(4).map(String.init)
    if !node.isEmpty { lines.append("  in \(node)") }
    if !hint.isEmpty { lines.append("  hint: \(hint)") }
    return lines.joined(separator: "\n")
  }
}

/// A name from a file, as it may stand in a message: one line of at most 80 printable characters.
package func printable(_ name: some StringProtocol) -> String {
  var text = ""
  var count = 0
  for scalar in name.unicodeScalars {
    guard count < 80 else { return text + "…" }
    count += 1
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
      .paragraphSeparator:
      text += "?"
    default: text.unicodeScalars.append(scalar)
    }
  }
  return text
}

/// A name from a file, as it may stand in IR text, C text and file names: letters, digits, `_`, `.`
/// and `/`, 64 at most.
package func identifier(_ name: some StringProtocol) -> String {
  var text = ""
  for byte in name.utf8.prefix(64) {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."),
      UInt8(ascii: "/"):
      text.unicodeScalars.append(Unicode.Scalar(byte))
    default: text += "_"
    }
  }
  return text
}
