// Searching in text without the standard library's regular expressions.

extension StringProtocol {
  /// Whether `text` stands in it, byte for byte.
  ///
  /// The library's own `contains` of a string would bring its engine of regular expressions into
  /// every program, 1.3 MB.
  package func hasText(_ text: String) -> Bool {
    let (bytes, wanted) = (Array(utf8), Array(text.utf8))
    guard !wanted.isEmpty else { return true }
    var start = 0
    while start + wanted.count <= bytes.count {
      if bytes[start..<(start + wanted.count)].elementsEqual(wanted) { return true }
      start += 1
    }
    return false
  }
}
