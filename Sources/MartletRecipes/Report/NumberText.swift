// Numbers as text, without Foundation.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

package enum NumberText {
  /// `12.346` from 12.3456 and 3.
  package static func fixed(_ x: Double, _ digits: Int) -> String {
    text(x, "%.*f", Int32(min(40, max(0, digits))))
  }
  /// Four significant digits: `0.9731`, `1.2e-05`.
  package static func short(_ x: Double) -> String { text(x == 0 ? 0 : x, "%.*g", 4) }
  /// `61,706`
  package static func grouped(_ x: Int) -> String {
    let digits = String(x.magnitude)
    var result = x < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { result.append(",") }
      result.append(digit)
    }
    return result
  }
  /// `1.23 MB`
  package static func bytes(_ x: Int) -> String {
    if x < 10_000 { return "\(grouped(x)) bytes" }
    if x < 1_000_000 { return "\(fixed(Double(x) / 1e3, 1)) kB" }
    return "\(fixed(Double(x) / 1e6, 2)) MB"
  }

  private static func text(_ x: Double, _ format: String, _ digits: Int32) -> String {
    guard x.isFinite else { return x.isNaN ? "nan" : (x < 0 ? "−∞" : "∞") }
    var buffer = [CChar](repeating: 0, count: 400)
    let capacity = buffer.count
    let count = withVaList([digits, x]) { vsnprintf(&buffer, capacity, format, $0) }
    return String(
      decoding: buffer.prefix(Int(max(0, min(399, count)))).map { UInt8(bitPattern: $0) },
      as: UTF8.self)
  }
}

/// Text as HTML and SVG take it.
package func escapedHTML(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    case "'": result += "&#39;"
    default:
      // Neither format has a place for most control characters.
      let isControl = scalar.value < 0x20 && scalar != "\n" && scalar != "\t"
      result.unicodeScalars.append(isControl || scalar.value == 0x7f ? "\u{FFFD}" : scalar)
    }
  }
  return result
}
