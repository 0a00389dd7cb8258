// Text on the terminal: numbers, the progress line, errors.

import Martlet
import Synchronization
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

enum Output {
  /// The error of the first write to standard output that failed; 0 if none did.
  private static let failure = Atomic<Int32>(0)

  /// Writes a line to standard output at once: progress must be seen when it is made.
  static func line(_ text: String = "") { write(text + "\n", to: 1) }

  static func write(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)
      while !rest.isEmpty {
        let written = unistdWrite(descriptor, rest.baseAddress, rest.count)
        if written < 0, errno == EINTR { continue }
        guard written > 0 else {
          // A run goes on without its report: what it computes is worth more. The end tells.
          if descriptor == 1 {
            _ = failure.compareExchange(expected: 0, desired: errno, ordering: .relaxed)
          }
          return
        }
        rest = UnsafeRawBufferPointer(rebasing: rest[written...])
      }
    }
  }

  /// Reports an error in at most six lines and leaves with code 1.
  static func fail(_ message: String) -> Never {
    let lines = message.split(separator: "\n", omittingEmptySubsequences: true).prefix(6)
    let text = lines.enumerated().map { $0 == 0 || $1.hasPrefix(" ") ? "\($1)" : "  \($1)" }
    write("error: " + text.joined(separator: "\n") + "\n", to: 2)
    exit(1)
  }

  /// Leaves with code 1 where standard output did not take all that was written: a full disk must
  /// not look like success.
  static func finish() {
    let code = failure.load(ordering: .relaxed)
    if code != 0 { fail("cannot write to standard output: \(String(cString: strerror(code)))") }
  }

  /// Takes the places of standard streams that are closed, so that no file of ours gets the number
  /// of one and the text that belongs there. What is written to them fails.
  static func reserveStandardStreams() {
    for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) < 0 {
      // The lowest free number is the one that is missing.
      _ = open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY)
    }
  }

  /// `martlet … | head` ends the tool when its reader goes, with the usual signal.
  static func ignoreBrokenPipes() { signal(SIGPIPE, SIG_DFL) }

  static let isTerminal = isatty(1) == 1

  /// Columns of the terminal.
  static var width: Int {
    var size = winsize()
    guard ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }
}

private func unistdWrite(_ fd: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  write(fd, bytes, count)
}

/// `12.346` from 12.3456 and 3.
func fixed(_ x: Double, _ digits: Int) -> String {
  guard x.isFinite else { return x.isNaN ? "nan" : (x < 0 ? "-inf" : "inf") }
  var buffer = [CChar](repeating: 0, count: 400)
  let capacity = buffer.count
  let count = withVaList([Int32(digits), x]) { vsnprintf(&buffer, capacity, "%.*f", $0) }
  return String(
    decoding: buffer.prefix(Int(max(0, count))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// `61,706`
func grouped(_ x: Int) -> String {
  let digits = String(x.magnitude)
  var result = ""
  for (index, digit) in digits.enumerated() {
    if index > 0, (digits.count - index) % 3 == 0 { result.append(",") }
    result.append(digit)
  }
  return (x < 0 ? "-" : "") + result
}

/// `1.23 MB`
func bytes(_ x: Int) -> String {
  if x < 10_000 { return "\(grouped(x)) bytes" }
  if x < 1_000_000 { return "\(fixed(Double(x) / 1e3, 1)) kB" }
  return "\(fixed(Double(x) / 1e6, 2)) MB"
}

/// `53.2 MFLOP`
func flops(_ x: Int) -> String {
  if x < 1_000_000 { return "\(fixed(Double(x) / 1e3, 1)) kFLOP" }
  if x < 1_000_000_000 { return "\(fixed(Double(x) / 1e6, 1)) MFLOP" }
  return "\(fixed(Double(x) / 1e9, 2)) GFLOP"
}

/// `1:05` or `12 s`
func duration(_ seconds: Double) -> String {
  guard seconds.isFinite, seconds < 1e7 else { return "–" }
  if seconds < 60 { return "\(fixed(seconds, 0)) s" }
  let whole = Int(seconds)
  let rest = whole % 60
  return "\(whole / 60):\(rest < 10 ? "0" : "")\(rest)"
}

extension String {
  /// Filled with spaces to a number of characters.
  func padded(_ width: Int, left: Bool = false) -> String {
    let fill = String(repeating: " ", count: max(0, width - count))
    return left ? fill + self : self + fill
  }
}
