// Numbers as C text: tables of weights.

import MartletIR

enum NumberText {
  /// The elements of an array, comma separated, in lines of at most 110 characters. Reading them back
  /// gives the same bits (NaN excepted, whose payload is lost).
  static func lines(_ bytes: [UInt8], _ dtype: DType) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count * 4)
    var width = 0
    func add(_ number: String) {
      let utf8 = number.utf8
      if width + utf8.count + 2 > 110 {
        text.append(UInt8(ascii: "\n"))
        width = 0
      }
      if width == 0 { text += [32, 32, 32] }
      text.append(32)
      text += utf8
      text.append(UInt8(ascii: ","))
      width += utf8.count + 2
    }
    bytes.withUnsafeBytes { raw in
      let size = dtype.byteCount
      for offset in stride(from: 0, to: raw.count / max(1, size) * size, by: max(1, size)) {
        switch dtype {
        case .float32:
          add(
            float(
              Double(raw.loadUnaligned(fromByteOffset: offset, as: Float.self)),
              "\(raw.loadUnaligned(fromByteOffset: offset, as: Float.self))", "f"))
        case .float64:
          let value = raw.loadUnaligned(fromByteOffset: offset, as: Double.self)
          add(float(value, "\(value)", ""))
        case .int8: add("\(raw.loadUnaligned(fromByteOffset: offset, as: Int8.self))")
        case .int16: add("\(raw.loadUnaligned(fromByteOffset: offset, as: Int16.self))")
        case .int32:
          let value = raw.loadUnaligned(fromByteOffset: offset, as: Int32.self)
          add(value == .min ? "(-2147483647 - 1)" : "\(value)")
        case .int64:
          let value = raw.loadUnaligned(fromByteOffset: offset, as: Int64.self)
          add(value == .min ? "(-9223372036854775807 - 1)" : "\(value)")
        case .uint8, .bool: add("\(raw[offset])")
        case .uint16, .float16, .bfloat16:
          add("\(raw.loadUnaligned(fromByteOffset: offset, as: UInt16.self))")
        case .uint32: add("\(raw.loadUnaligned(fromByteOffset: offset, as: UInt32.self))u")
        case .uint64: add("\(raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))u")
        }
      }
    }
    if bytes.isEmpty { add("0") }
    text.append(UInt8(ascii: "\n"))
    return String(decoding: text, as: UTF8.self)
  }

  /// Swift's shortest decimal reads back as the same number; C needs other words for the rest.
  private static func float(_ value: Double, _ text: String, _ suffix: String) -> String {
    if value.isNaN { return "(0.0\(suffix) / 0.0\(suffix))" }
    if value.isInfinite { return "(\(value < 0 ? "-" : "")1.0\(suffix) / 0.0\(suffix))" }
    return text + suffix
  }
}
