// Text files must be UTF-8: what is not is found, with its line.

import MartletExecution

/// Finding what is not UTF-8.
enum UTF8Check {
  /// Throws, with the line, unless `text` is UTF-8 without NUL.
  static func check(_ text: [UInt8], _ location: String) throws(DataError) {
    let marks: [([UInt8], String)] = [
      ([0xff, 0xfe], "UTF-16LE"), ([0xfe, 0xff], "UTF-16BE"),
    ]
    for (mark, name) in marks where text.starts(with: mark) {
      throw DataError(
        .unsupported, "the file is not in UTF-8", at: location, got: "\(name)'s byte order mark",
        expected: "UTF-8", hint: "iconv -f \(name) -t UTF-8")
    }
    var bad = text.firstIndex(of: 0)
    if bad == nil { bad = firstInvalid(text) }
    if let bad {
      let line = 1 + text[..<bad].count { $0 == 0x0a }
      let code = String(text[bad], radix: 16)
      throw DataError(
        .wrongFormat, "the file is not in UTF-8", at: "\(location):\(line)",
        got: "byte 0x\(code.count == 1 ? "0" : "")\(code)", expected: "UTF-8",
        hint: text[bad] == 0
          ? "is this a text file?" : "iconv -f ISO-8859-1 -t UTF-8, if it is Latin-1")
    }
  }

  /// The place of the first byte that is not part of well-formed UTF-8 (Unicode 15, table 3-7).
  static func firstInvalid(_ text: [UInt8]) -> Int? {
    text.withUnsafeBufferPointer { text in
      var i = 0
      while i < text.count {
        let lead = text[i]
        if lead < 0x80 {
          i += 1
          continue
        }
        var (low, high, length) = (UInt8(0x80), UInt8(0xbf), 2)
        switch lead {
        case 0xc2...0xdf: break
        case 0xe0: (low, length) = (0xa0, 3)
        case 0xed: (high, length) = (0x9f, 3)
        case 0xe1...0xef: length = 3
        case 0xf0: (low, length) = (0x90, 4)
        case 0xf1...0xf3: length = 4
        case 0xf4: (high, length) = (0x8f, 4)
        default: return i
        }
        guard i + length <= text.count, (low...high).contains(text[i + 1]) else { return i }
        for k in stride(from: 2, to: length, by: 1)
        where !(0x80...0xbf).contains(text[i + k]) { return i }
        i += length
      }
      return nil
    }
  }
}
