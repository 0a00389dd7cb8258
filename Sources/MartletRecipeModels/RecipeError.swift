// What is wrong with a recipe: every problem of the file at once, each with its place.

/// A place in a text file, counted from 1.
public struct TextPosition: Hashable, Comparable, Sendable {
  /// The line.
  public var line: Int
  /// The column, in characters.
  public var column: Int
  /// A place from its numbers.
  public init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }
  /// Earlier in the file.
  public static func < (a: TextPosition, b: TextPosition) -> Bool {
    (a.line, a.column) < (b.line, b.column)
  }
}

/// A recipe that cannot be used.
///
/// ``description`` has at most six lines of the form `FILE:LINE:COLUMN: what is wrong`.
public struct RecipeError: Error, Hashable, Sendable {
  /// One thing that is wrong.
  public struct Problem: Hashable, Sendable {
    /// Where; nil for the file as a whole.
    public var position: TextPosition?
    /// What, what was expected, and what to do about it, in one line.
    public var message: String
    /// A problem from its parts.
    public init(_ message: String, at position: TextPosition? = nil) {
      self.position = position
      self.message = message
    }
  }

  /// The recipe's file.
  public var file: String
  /// All problems, in the order of the file; at least one.
  public var problems: [Problem]

  /// An error from its parts.
  public init(file: String, _ problems: [Problem]) {
    self.file = file
    self.problems = problems.sorted {
      ($0.position ?? .init(line: 0, column: 0)) < ($1.position ?? .init(line: 0, column: 0))
    }
  }

  package init(file: String, _ message: String, at position: TextPosition? = nil) {
    self.init(file: file, [Problem(message, at: position)])
  }
}

extension RecipeError: CustomStringConvertible {
  /// The first problems, a line each, and how many more there are.
  public var description: String {
    let shown = problems.count <= 6 ? 6 : 5
    var lines = problems.prefix(shown).map { problem in
      let place = problem.position.map { ":\($0.line):\($0.column)" } ?? ""
      return "\(RecipeError.printable(file, 200))\(place): "
        + RecipeError.printable(problem.message, 400)
    }
    if problems.count > shown { lines.append("… and \(problems.count - shown) more problems") }
    return lines.joined(separator: "\n")
  }

  /// Text of a user or a file on one line, without terminal escapes, and not for ever.
  package static func printable(_ text: String, _ limit: Int) -> String {
    var result = ""
    for (count, scalar) in text.unicodeScalars.enumerated() {
      if count == limit { return result + "…" }
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate:
        result += "\\u{\(String(scalar.value, radix: 16))}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
