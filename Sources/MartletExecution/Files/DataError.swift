// The error of everything that reads or writes files: data sets, images, weights, models.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A file, a data set or a model directory that cannot be read, trusted or written.
///
/// ``description`` has at most six lines: what is wrong, where, what was found, what was expected
/// and what to do about it.
public struct DataError: Error, Hashable, Sendable {
  /// The kind of a ``DataError``; more may join.
  public struct Code: RawRepresentable, Hashable, Sendable {
    /// The name of the kind, such as `truncated`.
    public let rawValue: String
    /// A kind by its name.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// The file or directory does not exist.
    public static let notFound = Code(rawValue: "notFound")
    /// The system refused to read it.
    public static let notReadable = Code(rawValue: "notReadable")
    /// The system refused to write it.
    public static let notWritable = Code(rawValue: "notWritable")
    /// The file ends before its content does.
    public static let truncated = Code(rawValue: "truncated")
    /// The content is not in the format that was asked for.
    public static let wrongFormat = Code(rawValue: "wrongFormat")
    /// The content is of a version that this library does not read.
    public static let wrongVersion = Code(rawValue: "wrongVersion")
    /// Two parts that belong together disagree.
    public static let mismatch = Code(rawValue: "mismatch")
    /// A size exceeds a limit.
    public static let tooLarge = Code(rawValue: "tooLarge")
    /// A value is outside of its range.
    public static let outOfRange = Code(rawValue: "outOfRange")
    /// Somebody else is using it.
    public static let inUse = Code(rawValue: "inUse")
    /// The content is not what was written.
    public static let damaged = Code(rawValue: "damaged")
    /// A valid file that uses something not supported here.
    public static let unsupported = Code(rawValue: "unsupported")
  }

  /// The kind of error.
  public var code: Code
  /// What is wrong, in one line.
  public var what: String
  /// The path, and the part of the file where one is known.
  public var location: String
  /// What was found.
  public var got: String?
  /// What was expected in its place.
  public var expected: String?
  /// What to do about it.
  public var hint: String?

  /// An error from its parts.
  public init(
    _ code: Code, _ what: String, at location: String, got: String? = nil,
    expected: String? = nil, hint: String? = nil
  ) {
    self.code = code
    self.what = what
    self.location = location
    self.got = got
    self.expected = expected
    self.hint = hint
  }

  /// The error that the system's `errno` stands for.
  package static func system(
    _ code: Code, _ what: String, at location: String, errno number: Int32, hint: String? = nil
  ) -> DataError {
    DataError(
      code, what, at: location, got: String(cString: strerror(number)), hint: hint)
  }
}

extension DataError: CustomStringConvertible {
  /// At most six lines, without a final newline; text from files is shortened and escaped.
  public var description: String {
    var lines = [DataError.oneLine(what), "  in \(DataError.oneLine(location))"]
    if let got { lines.append("  got \(DataError.oneLine(got))") }
    if let expected { lines.append("  expected \(DataError.oneLine(expected))") }
    if let hint { lines.append("  hint: \(DataError.oneLine(hint))") }
    return lines.joined(separator: "\n")
  }

  // Names and paths come from files and users: neither newlines nor terminal escapes may pass.
  private static func oneLine(_ text: String) -> String {
    var result = ""
    var count = 0
    for scalar in text.unicodeScalars {
      count += 1
      if count > 300 { return result + "…" }
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate:
        result += "\\u{\(String(scalar.value, radix: 16))}"
      default:
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
