// A checksum of what a file holds.

/// 64 bits that change with any bit of what was added: against damage, not against forgery.
package struct Checksum {
  private var state: UInt64 = 0xcbf2_9ce4_8422_2325

  package init() {}

  // Words of eight bytes through the multiplication of FNV-1a, and a shift that carries the upper
  // bits down.
  private mutating func add(_ word: UInt64) {
    state = (state ^ word) &* 0x9e37_79b9_7f4a_7c15
    state ^= state >> 29
  }

  package mutating func add(_ bytes: UnsafeRawBufferPointer) {
    let whole = bytes.count & ~7
    var offset = 0
    while offset < whole {
      add(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      offset += 8
    }
    var rest: UInt64 = 0
    for byte in bytes[whole...] { rest = rest << 8 | UInt64(byte) }
    add(rest)
    add(UInt64(bytes.count))
  }

  package var text: String {
    let digits = String(state, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// The sum over arrays by name, type and content, in whatever order they come.
  package static func text(of arrays: [NamedArray], and more: String = "") -> String {
    var sum = Checksum()
    for item in arrays.sorted(by: { ByteString($0.name) < ByteString($1.name) }) {
      sum.add("\(item.name) \(item.array.type)")
      item.array.withUnsafeBytes { sum.add($0) }
    }
    if !more.isEmpty { sum.add(more) }
    return sum.text
  }

  private mutating func add(_ text: String) {
    var text = text
    text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
  }
}
