// Why C text did not become machine code.

/// An error on the way from C text to machine code, with the compiler's words and the lines they name.
package struct JITError: Error, Sendable {
  /// What went wrong; more codes may join.
  package struct Code: RawRepresentable, Hashable, Sendable {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    /// The compiler does not accept the text: a bug of the emitter.
    package static let compileFailed = Code(rawValue: "compileFailed")
    /// The system refuses to make written pages executable.
    package static let executableMemoryRefused = Code(rawValue: "executableMemoryRefused")
    /// No system compiler was found for the back end `cc`.
    package static let compilerMissing = Code(rawValue: "compilerMissing")
    /// The text uses, or the caller asks for, a function that does not exist.
    package static let symbolMissing = Code(rawValue: "symbolMissing")
    /// `MARTLET_ISA` holds a name that is none.
    package static let unknownInstructionSet = Code(rawValue: "unknownInstructionSet")
    /// `MARTLET_ISA` names an instruction set that this CPU lacks.
    package static let unsupportedInstructionSet = Code(rawValue: "unsupportedInstructionSet")
    /// `MARTLET_BACKEND` holds a name that is none.
    package static let unknownBackend = Code(rawValue: "unknownBackend")
    package static let outOfMemory = Code(rawValue: "outOfMemory")
    /// The private temporary folder could not be made or written.
    package static let fileSystem = Code(rawValue: "fileSystem")
    /// This build of the runtime carries no headers for the scalar form.
    package static let headersMissing = Code(rawValue: "headersMissing")
  }

  /// One line of the text that a message of the compiler names.
  package struct Line: Hashable, Sendable {
    /// Counted from 1 in the emitter's text, without what this module puts in front.
    package let number: Int
    package let text: String
    /// The function that the line stands in.
    package let function: String?

    package init(number: Int, text: String, function: String?) {
      self.number = number
      self.text = text
      self.function = function
    }
  }

  package let code: Code
  /// What happened, on one line.
  package let message: String
  /// All that the compiler said.
  package let compilerText: String
  /// The lines of the emitted text that the compiler's errors name, the first ones.
  package let lines: [Line]
  package let hint: String?

  package init(
    _ code: Code, _ message: String, compilerText: String = "", lines: [Line] = [],
    hint: String? = nil
  ) {
    self.code = code
    self.message = message
    self.compilerText = compilerText
    self.lines = lines
    self.hint = hint
  }

  /// The error for a compiler that refused `body`, from what it wrote about it.
  static func compileFailed(_ compilerText: String, of body: String, by compiler: String)
    -> JITError
  {
    let errors = compilerText.split(separator: "\n").filter {
      $0.firstRange(ofText: "error:") != nil
    }
    let numbers = errors.compactMap { lineNumber(in: $0) }
    return JITError(
      .compileFailed, "\(compiler): \(errors.first.map(String.init) ?? "the text was refused")",
      compilerText: compilerText, lines: quote(numbers, of: body),
      hint: "the emitted C is wrong: please report it with the text of MARTLET_DUMP=dir")
  }

  /// 12 in `martlet.c:12:5: error: …`; nil when the message is not about the emitted text.
  private static func lineNumber(in message: Substring) -> Int? {
    let prefix = sourceName + ":"
    guard let start = message.firstRange(ofText: prefix) else { return nil }
    return Int(message[start.upperBound...].prefix { $0.isNumber })
  }

  /// The first three distinct lines of `body` among `numbers`, each with its function.
  private static func quote(_ numbers: [Int], of body: String) -> [Line] {
    var wanted: [Int] = []
    for number in numbers where !wanted.contains(number) { wanted.append(number) }
    wanted = wanted.prefix(3).sorted()
    var found: [Line] = []
    var function: String?
    for (index, line) in body.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      if let name = definedFunction(on: line) { function = name }
      if wanted.contains(index + 1) {
        found.append(Line(number: index + 1, text: String(line), function: function))
      }
    }
    return found
  }

  /// `k07` for a line such as `void k07(void *const *p, …) {`, as emitters start a function.
  private static func definedFunction(on line: Substring) -> String? {
    guard let first = line.first, first.isLetter, line.last == "{",
      let open = line.firstIndex(of: "(")
    else { return nil }
    let head = line[..<open]
    let start = head.lastIndex { !($0.isLetter || $0.isNumber || $0 == "_") }
    let name = start.map { head[head.index(after: $0)...] } ?? head
    return name.isEmpty ? nil : String(name)
  }
}

extension JITError: CustomStringConvertible {
  /// At most six lines: what, where, hint.
  package var description: String {
    var text = "error: \(message)"
    for line in lines {
      let place = line.function.map { " in \($0)" } ?? ""
      text += "\n  \(line.number)\(place): \(line.text.trimmed)"
    }
    if let hint { text += "\n  hint: \(hint)" }
    return text
  }
}

extension Substring {
  /// Where `text` first stands; the standard library's own search wants a regex.
  func firstRange(ofText text: String) -> Range<Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(text) {
        return start..<index(start, offsetBy: text.count)
      }
      start = index(after: start)
    }
    return nil
  }
}

extension String {
  fileprivate var trimmed: Substring {
    drop { $0 == " " || $0 == "\t" }
  }
}
