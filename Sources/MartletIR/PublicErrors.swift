// The two errors that a user of Martlet sees, and the one place that renders them.

/// What went wrong while a graph was traced, differentiated, optimised or turned into machine code.
public struct CompileError: Error, Hashable, Sendable {
  /// An extensible list of reasons; compare with the static members.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// The stable spelling.
    public let description: String
    package init(_ description: String) { self.description = description }
    /// An operation refused its operands.
    public static let type = Code("type")
    /// Tensors of two traces met in one operation, or a tensor was used after its trace ended.
    public static let foreignTensor = Code("foreign-tensor")
    /// The derivative asked for does not exist.
    public static let notDifferentiable = Code("not-differentiable")
    /// State was used wrongly: assigned in two ways, of another type, or frozen.
    public static let state = Code("state")
    /// An option, environment variable or name has an unknown value.
    public static let option = Code("option")
    /// IR text or a file does not parse.
    public static let syntax = Code("syntax")
    /// A custom operation's text, types or gradient are wrong.
    public static let customOperation = Code("custom-operation")
    /// The C compiler refused the emitted text, or machine code could not be made.
    public static let machineCode = Code("machine-code")
    /// The system refused executable memory.
    public static let executableMemory = Code("executable-memory")
    /// No plan of the arena keeps to the memory budget.
    public static let memoryBudget = Code("memory-budget")
    /// Not enough memory for the plan.
    public static let outOfMemory = Code("out-of-memory")
    /// A defect of Martlet itself; please report it.
    public static let `internal` = Code("internal")
  }

  /// Where on the way the error arose.
  public enum Stage: String, Hashable, Sendable { case graph, pass, codegen, machineCode }

  /// The reason.
  public var code: Code
  /// The stage.
  public var stage: Stage
  /// The operation's IR name, if one is to blame.
  public var operation: String
  /// What is wrong, with what was got and what was expected.
  public var message: String
  /// The types of the operands.
  public var operandTypes: [TensorType]
  /// The layer path, such as `MLP/output`.
  public var scope: String
  /// `file:line` of the user's program, if known.
  public var location: String
  /// What to try.
  public var hint: String
  /// Lines of the emitted C that the C compiler's message names, the first three.
  public var sourceLines: [String] = []
  /// How many further errors the same compilation met.
  public var furtherErrors = 0

  package init(
    _ code: Code, stage: Stage = .graph, operation: String = "", _ message: String,
    operandTypes: [TensorType] = [], at place: SourceLocation = .unknown, hint: String = ""
  ) {
    self.code = code
    self.stage = stage
    self.operation = operation
    self.message = message
    self.operandTypes = operandTypes
    scope = place.scope
    location = place.file.isEmpty ? "" : "\(place.file):\(place.line)"
    self.hint = hint
  }
}

/// What went wrong when a compiled program was called, or its state read or written.
public struct RunError: Error, Hashable, Sendable {
  /// An extensible list of reasons; compare with the static members.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// The stable spelling.
    public let description: String
    package init(_ description: String) { self.description = description }
    /// The number of inputs, their shapes or dtypes differ from what was compiled.
    public static let input = Code("input")
    /// An index or label is out of range.
    public static let range = Code("range")
    /// Another session is writing the same state, or one session was called twice at once.
    public static let busy = Code("busy")
    /// Not enough memory.
    public static let outOfMemory = Code("out-of-memory")
    /// A file cannot be read, is malformed, or cannot be written.
    public static let file = Code("file")
    /// The data does not fit the model.
    public static let mismatch = Code("mismatch")
    /// A result or a new state is infinite or no number (see `CompileOptions.stopsAtNonFinite`).
    public static let nonFinite = Code("non-finite")
    /// A check (`MARTLET_CHECK=1`) failed.
    public static let check = Code("check")
  }

  /// The reason.
  public var code: Code
  /// What is wrong, with what was got and what was expected.
  public var message: String
  /// Where: an input's name, a file, a parameter path.
  public var place: String
  /// What to try.
  public var hint: String

  /// An error from its parts.
  public init(_ code: Code, _ message: String, at place: String = "", hint: String = "") {
    self.code = code
    self.message = message
    self.place = place
    self.hint = hint
  }
}

// MARK: - Rendering

extension CompileError: CustomStringConvertible {
  /// At most six lines: what, got and expected, where, hint.
  public var description: String {
    var head = operation.isEmpty ? message : "\(operation): \(message)"
    // Most messages name the types that matter, in words of their own.
    if let first = operandTypes.first, !message.hasText(first.description) {
      head += " — got " + operandTypes.prefix(4).map(\.description).joined(separator: ", ")
    }
    var lines = [head] + sourceLines.prefix(3).map { "  " + $0 }
    let place = [scope.isEmpty ? "" : "in \(scope)", location].filter { !$0.isEmpty }
    if !place.isEmpty { lines.append("  " + place.joined(separator: "   ")) }
    if !hint.isEmpty { lines.append("  hint: \(hint)") }
    if furtherErrors > 0 { lines.append("  and \(furtherErrors) more") }
    return lines.joined(separator: "\n")
  }
}

extension RunError: CustomStringConvertible {
  /// At most six lines: what, where, hint.
  public var description: String {
    var lines = [message]
    if !place.isEmpty { lines.append("  in \(place)") }
    if !hint.isEmpty { lines.append("  hint: \(hint)") }
    return lines.joined(separator: "\n")
  }
}
