// NumPy's .npy files: a magic number, a header that is a Python dictionary, the elements.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. Files come from
// strangers: what the header says is checked against the file before memory is asked for.

import MartletIR

/// NumPy's `.npy` files of one array each.
///
/// Versions 1 to 3, little and big endian, C and Fortran order are read; version 1, little endian,
/// C order is written. `bf16`, which NumPy lacks, is written as two opaque bytes (`V2`) an element,
/// as Python's ml_dtypes does, and read from them.
public enum Npy {
  /// Reads an array.
  ///
  /// - Throws: ``DataError`` when the file is missing, truncated, damaged, or holds elements that
  ///   ``DType`` lacks (objects, texts, complex numbers, records).
  public static func load(_ path: String) throws(DataError) -> NDArray {
    let file = try InputFile(path)
    return try decode(size: file.byteCount, location: path) { (range) throws(DataError) in
      try file.read(range)
    } fill: { (buffer, offset) throws(DataError) in
      try file.read(into: buffer, from: offset)
    }
  }

  /// Writes an array; the file appears under its name all at once.
  ///
  /// - Throws: ``DataError`` when the file cannot be written.
  public static func save(_ array: NDArray, to path: String) throws(DataError) {
    var file = try OutputFile(path)
    try file.write(header(array.type))
    try array.withUnsafeBytes { (bytes) throws(DataError) in try file.write(bytes) }
    try file.commit()
  }

  /// Reads an array from a `.npy` file in memory; `location` names it in errors.
  public static func decode(_ bytes: [UInt8], location: String) throws(DataError) -> NDArray {
    try decode(size: bytes.count, location: location) { (range) throws(DataError) in
      Array(bytes[range])
    } fill: { (buffer, offset) throws(DataError) in
      bytes.withUnsafeBytes { source in
        buffer.copyMemory(
          from: UnsafeRawBufferPointer(rebasing: source[offset..<(offset + buffer.count)]))
      }
    }
  }

  /// The array as a `.npy` file in memory.
  public static func encode(_ array: NDArray) -> [UInt8] {
    array.withUnsafeBytes { header(array.type) + Array($0) }
  }

  /// Reads an array from `size` bytes of which pieces can be had: `read` is asked once or twice
  /// from the front, for the header; then `fill` for the rest.
  package static func decode(
    size: Int, location: String, read: (Range<Int>) throws(DataError) -> [UInt8],
    fill: (UnsafeMutableRawBufferPointer, Int) throws(DataError) -> Void
  ) throws(DataError) -> NDArray {
    let start = try read(0..<min(size, 12))
    let (textStart, textEnd) = try NpyHeader.range(start, size: size, location: location)
    let text = textEnd <= start.count ? Array(start[..<textEnd]) : try read(0..<textEnd)
    let header = try NpyHeader(text[textStart...], location: location)
    let type = TensorType(header.dtype, Shape(header.shape))
    guard let count = type.shape.checkedCount,
      case let (bytes, overflow) = count.multipliedReportingOverflow(by: type.dtype.byteCount),
      !overflow
    else {
      throw DataError(
        .tooLarge, "the array in the .npy file is too large", at: location, got: "\(type)")
    }
    guard size - textEnd == bytes else {
      throw DataError(
        size - textEnd < bytes ? .truncated : .wrongFormat,
        size - textEnd < bytes
          ? "the .npy file is truncated" : "bytes follow the last element of the .npy file",
        at: location, got: "\(size - textEnd) bytes of elements",
        expected: "\(bytes) for \(type)")
    }
    let array: NDArray
    do throws(RunError) {
      array = try NDArray(zeros: type.shape, type.dtype)
    } catch {
      throw DataError(.tooLarge, "no memory for an array", at: location, got: "\(type)")
    }
    // Nobody else has seen this memory yet.
    let buffer = UnsafeMutableRawBufferPointer(start: array.base, count: bytes)
    try fill(buffer, textEnd)
    if header.isBigEndian { swapBytes(buffer, width: type.dtype.byteCount) }
    if type.dtype == .bool, let bad = buffer.firstIndex(where: { $0 > 1 }) {
      throw DataError(
        .outOfRange, "an array of bools holds a byte that is no bool",
        at: "\(location), element \(bad)", got: "\(buffer[bad])", expected: "0 or 1")
    }
    return header.isFortran && type.shape.rank > 1 ? try array.fromFortranOrder(location) : array
  }

  private static func swapBytes(_ buffer: UnsafeMutableRawBufferPointer, width: Int) {
    func swap<T: FixedWidthInteger>(_: T.Type) {
      let values = buffer.bindMemory(to: T.self)
      for i in values.indices { values[i] = values[i].byteSwapped }
    }
    switch width {
    case 2: swap(UInt16.self)
    case 4: swap(UInt32.self)
    case 8: swap(UInt64.self)
    default: break
    }
  }

  package static func header(_ type: TensorType) -> [UInt8] {
    let extents = type.shape.dimensions.map(String.init)
    let shape = extents.count == 1 ? "(\(extents[0]),)" : "(\(extents.joined(separator: ", ")))"
    var text = Array(
      "{'descr': '\(type.dtype.npy)', 'fortran_order': False, 'shape': \(shape), }".utf8)
    // Elements begin at a multiple of 64.
    text += [UInt8](repeating: 0x20, count: 63 - (10 + text.count) % 64)
    text.append(0x0a)
    return NpyHeader.magic + [1, 0, UInt8(text.count & 255), UInt8(text.count >> 8)] + text
  }
}

extension DType {
  // NumPy's spelling: byte order, kind, bytes.
  fileprivate var npy: String {
    switch self {
    case .bool: "|b1"
    case .bfloat16: "<V2"
    case .int8: "|i1"
    case .uint8: "|u1"
    default:
      (isFloatingPoint ? "<f" : isUnsigned ? "<u" : "<i") + "\(byteCount)"
    }
  }
}

extension NDArray {
  // Elements that lie with the first axis innermost, put in row-major order.
  fileprivate func fromFortranOrder(_ location: String) throws(DataError) -> NDArray {
    let result: NDArray
    do throws(RunError) { result = try NDArray(zeros: shape, dtype) } catch {
      throw DataError(.tooLarge, "no memory for an array", at: location, got: "\(type)")
    }
    let width = dtype.byteCount
    let extents = shape.dimensions
    var strides: [Int] = []
    var stride = width
    for extent in extents {
      strides.append(stride)
      stride *= extent
    }
    var place = [Int](repeating: 0, count: extents.count)
    var source = 0
    for target in 0..<count {
      (result.base + target * width).copyMemory(from: base + source, byteCount: width)
      // To the next element in row-major order.
      for axis in extents.indices.reversed() {
        place[axis] += 1
        source += strides[axis]
        if place[axis] < extents[axis] { break }
        source -= strides[axis] * extents[axis]
        place[axis] = 0
      }
    }
    return result
  }
}

// What the header of a .npy file says.
private struct NpyHeader {
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  // NumPy itself refuses more than 10,000 bytes.
  static let lengthLimit = 1 << 16

  var dtype = DType.float32
  var isBigEndian = false
  var isFortran = false
  var shape: [Int] = []

  /// Where the dictionary begins and ends, from the file's first 12 bytes.
  static func range(
    _ start: [UInt8], size: Int, location: String
  ) throws(DataError) -> (start: Int, end: Int) {
    guard start.count >= 10 else {
      throw DataError(
        .truncated, "too short for a .npy file", at: location, got: "\(size) bytes",
        expected: "at least 10")
    }
    guard start.starts(with: magic) else {
      throw DataError(
        .wrongFormat, "not a .npy file", at: location, got: "another signature",
        expected: "0x93 NUMPY")
    }
    guard (1...3).contains(start[6]), start[7] == 0 else {
      throw DataError(
        .wrongVersion, "a .npy file of an unknown version", at: location,
        got: "\(start[6]).\(start[7])", expected: "1.0, 2.0 or 3.0")
    }
    let long = start[6] > 1
    guard !long || start.count >= 12 else {
      throw DataError(
        .truncated, "too short for a .npy file", at: location, got: "\(size) bytes",
        expected: "at least 12")
    }
    let length = start[8..<(long ? 12 : 10)].reversed().reduce(0) { $0 << 8 | Int($1) }
    guard length <= lengthLimit else {
      throw DataError(
        .tooLarge, "the header of the .npy file is absurd", at: location, got: "\(length) bytes",
        expected: "at most \(lengthLimit)")
    }
    let begin = long ? 12 : 10
    guard begin + length <= size else {
      throw DataError(
        .truncated, "the .npy file ends within its header", at: location, got: "\(size) bytes",
        expected: "at least \(begin + length)")
    }
    return (begin, begin + length)
  }

  init(_ text: ArraySlice<UInt8>, location: String) throws(DataError) {
    var literal = PythonLiteral(rest: text, location: location)
    var seen: Set<String> = []
    try literal.expect("{")
    while !literal.take("}") {
      let key = try literal.string()
      try literal.expect(":")
      guard seen.insert(key).inserted else { throw literal.error("\(key) twice") }
      switch key {
      case "descr": (dtype, isBigEndian) = try NpyHeader.descr(&literal)
      case "fortran_order": isFortran = try literal.bool()
      case "shape": shape = try literal.tuple()
      default: throw literal.error("the key \"\(key)\"")
      }
      if !literal.take(",") {
        try literal.expect("}")
        break
      }
    }
    guard literal.isAtEnd else { throw literal.error("text behind the dictionary") }
    guard seen.count == 3 else { throw literal.error(seen.sorted().joined(separator: ", ")) }
  }

  private static func descr(
    _ literal: inout PythonLiteral
  ) throws(DataError) -> (DType, Bool) {
    guard literal.peek != UInt8(ascii: "[") else {
      throw DataError(
        .unsupported, "the .npy file holds records", at: literal.location,
        expected: "numbers", hint: "save each field as an array")
    }
    let text = try literal.string()
    let bytes = Array(text.utf8)
    let types: [String: DType] = [
      "b1": .bool, "i1": .int8, "i2": .int16, "i4": .int32, "i8": .int64, "u1": .uint8,
      "u2": .uint16, "u4": .uint32, "u8": .uint64, "f2": .float16, "f4": .float32, "f8": .float64,
      "V2": .bfloat16,
    ]
    let order = bytes.first.map { Character(Unicode.Scalar($0)) } ?? " "
    guard "<>=|".contains(order), let dtype = types[String(text.dropFirst())] else {
      throw DataError(
        .unsupported, "a dtype that Martlet does not know", at: literal.location,
        got: "\"\(text)\"", expected: "b1, i1 to i8, u1 to u8, f2, f4 or f8")
    }
    return (dtype, order == ">")
  }
}

// As much of Python's literals as a header needs. One line of text, no nesting.
private struct PythonLiteral {
  var rest: ArraySlice<UInt8>
  let location: String

  func error(_ got: String) -> DataError {
    DataError(
      .wrongFormat, "the header of the .npy file is damaged", at: location, got: got,
      expected: "a dictionary of descr, fortran_order and shape")
  }

  private mutating func skipSpace() {
    while let byte = rest.first, byte == 0x20 || byte == 0x0a || byte == 0x09 || byte == 0x0d {
      rest = rest.dropFirst()
    }
  }

  var isAtEnd: Bool {
    var copy = self
    copy.skipSpace()
    return copy.rest.isEmpty
  }

  var peek: UInt8? {
    var copy = self
    copy.skipSpace()
    return copy.rest.first
  }

  mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard rest.first == UInt8(ascii: character) else { return false }
    rest = rest.dropFirst()
    return true
  }

  mutating func expect(_ character: Unicode.Scalar) throws(DataError) {
    guard take(character) else {
      throw error(rest.isEmpty ? "the end of the header" : "no \"\(character)\" where one is due")
    }
  }

  mutating func string() throws(DataError) -> String {
    skipSpace()
    guard let quote = rest.first, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\""),
      let end = rest.dropFirst().firstIndex(of: quote)
    else { throw error("no text where one is due") }
    defer { rest = rest[(end + 1)...] }
    return String(decoding: rest[(rest.startIndex + 1)..<end], as: UTF8.self)
  }

  mutating func bool() throws(DataError) -> Bool {
    skipSpace()
    for (word, value) in [("True", true), ("False", false)] where rest.starts(with: word.utf8) {
      rest = rest.dropFirst(word.utf8.count)
      return value
    }
    throw error("neither True nor False")
  }

  mutating func tuple() throws(DataError) -> [Int] {
    var result: [Int] = []
    try expect("(")
    while !take(")") {
      skipSpace()
      let digits = rest.prefix { (0x30...0x39).contains($0) }
      guard let value = Int(String(decoding: digits, as: UTF8.self)), result.count < 64 else {
        throw error("a shape that is none")
      }
      rest = rest.dropFirst(digits.count)
      // Python 2 wrote long integers so.
      if rest.first == UInt8(ascii: "L") { rest = rest.dropFirst() }
      result.append(value)
      if !take(",") {
        try expect(")")
        break
      }
    }
    return result
  }
}
