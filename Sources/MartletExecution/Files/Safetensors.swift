// The safetensors format: 8 bytes of header length, a JSON header, the tensors' bytes end to end.
// https://github.com/huggingface/safetensors#format. Files come from strangers: every size is
// checked against the file before anything is allocated for it.

import MartletIR

/// What a safetensors file says about its tensors.
package struct SafetensorsHeader: Sendable {
  /// One tensor: `range` is where its bytes lie behind the header.
  package struct Entry: Hashable, Sendable {
    package var name: String
    package var dtype: DType
    package var shape: [Int]
    package var range: Range<Int>
  }

  /// The tensors in the order of their bytes.
  package var entries: [Entry]
  /// The free-form text that the file carries about itself.
  package var metadata: [SafetensorsMetadata]

  /// The reference implementation's limit.
  package static let lengthLimit = 100_000_000
  package static let metadataName = "__metadata__"

  /// The tensor called `name`, byte by byte.
  package func entry(_ name: String) -> Entry? {
    entries.first { $0.name.utf8.elementsEqual(name.utf8) }
  }
}

/// A name and a text of a safetensors file's metadata.
package struct SafetensorsMetadata: Hashable, Sendable {
  package var name: String
  package var text: String

  package init(_ name: String, _ text: String) {
    self.name = name
    self.text = text
  }
}

/// An open safetensors file: its header is read and checked, its tensors are read on demand.
package struct SafetensorsFile: ~Copyable {
  package let header: SafetensorsHeader
  private let file: InputFile
  private let dataOffset: Int

  package init(_ path: String) throws(DataError) {
    try self.init(InputFile(path))
  }

  package init(_ file: consuming InputFile) throws(DataError) {
    (header, dataOffset) = try SafetensorsFile.readHeader(file)
    self.file = file
  }

  private static func readHeader(
    _ file: borrowing InputFile
  ) throws(DataError) -> (SafetensorsHeader, Int) {
    let size = file.byteCount
    guard size >= 8 else {
      throw DataError(
        .truncated, "too short for a safetensors file", at: file.path, got: "\(size) bytes",
        expected: "at least 8")
    }
    let length = try file.read(0..<8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(SafetensorsHeader.lengthLimit) else {
      throw DataError(
        .wrongFormat, "the header length of the safetensors file is absurd", at: file.path,
        got: "\(length) bytes", expected: "at most \(SafetensorsHeader.lengthLimit)",
        hint: "is this a safetensors file?")
    }
    guard length <= UInt64(size - 8) else {
      throw DataError(
        .truncated, "the safetensors file ends within its header", at: file.path,
        got: "\(size) bytes", expected: "at least \(length + 8)")
    }
    let dataOffset = 8 + Int(length)
    let header = try SafetensorsHeader(
      parsing: file.read(8..<dataOffset), dataSize: size - dataOffset, file: file.path)
    return (header, dataOffset)
  }

  /// Reads a tensor's bytes into memory of exactly their size.
  package func read(
    _ entry: SafetensorsHeader.Entry, into buffer: UnsafeMutableRawBufferPointer
  ) throws(DataError) {
    guard buffer.count == entry.range.count else {
      throw DataError(
        .mismatch, "a buffer for a tensor has the wrong size", at: "\(file.path), \(entry.name)",
        got: "\(buffer.count) bytes", expected: "\(entry.range.count)")
    }
    try file.read(into: buffer, from: dataOffset + entry.range.lowerBound)
    // A byte other than 0 and 1 is no bool to any kernel: all of them treat it as a number.
    if entry.dtype == .bool, let bad = buffer.firstIndex(where: { $0 > 1 }) {
      throw DataError(
        .outOfRange, "a BOOL tensor holds a byte that is no bool",
        at: "\(file.path), \(entry.name), element \(bad)", got: "\(buffer[bad])",
        expected: "0 or 1")
    }
  }
}

// MARK: - The header

extension SafetensorsHeader {
  package init(parsing bytes: [UInt8], dataSize: Int, file: String) throws(DataError) {
    guard bytes.first == UInt8(ascii: "{") else {
      throw DataError(
        .wrongFormat, "the safetensors header is no JSON object", at: file,
        got: bytes.first.map { "byte 0x\(String($0, radix: 16))" } ?? "an empty header",
        expected: "'{'", hint: "is this a safetensors file?")
    }
    let header = try JSONValue(parsing: bytes, file: "\(file), header", depthLimit: 4)
    entries = []
    metadata = []
    for member in header.members ?? [] {
      if member.name == SafetensorsHeader.metadataName {
        metadata = try SafetensorsHeader.metadata(member.value, file: file)
      } else {
        entries.append(try SafetensorsHeader.entry(member, dataSize: dataSize, file: file))
      }
    }
    // Empty tensors share their offset with a neighbour: they sort before it.
    entries.sort {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }
    var end = 0
    for entry in entries {
      guard entry.range.lowerBound == end else {
        throw DataError(
          .wrongFormat,
          entry.range.lowerBound < end ? "tensors overlap" : "there is a hole between tensors",
          at: "\(file), \(entry.name)", got: "offset \(entry.range.lowerBound)",
          expected: "offset \(end)")
      }
      end = entry.range.upperBound
    }
    guard end == dataSize else {
      throw DataError(
        end > dataSize ? .truncated : .wrongFormat,
        end > dataSize ? "the file ends within its tensors" : "bytes follow the last tensor",
        at: file, got: "\(dataSize) bytes of data", expected: "\(end)")
    }
  }

  private static func metadata(
    _ value: JSONValue, file: String
  ) throws(DataError) -> [SafetensorsMetadata] {
    guard let members = value.members else {
      throw DataError(
        .wrongFormat, "the metadata is no JSON object", at: file, expected: "names and texts")
    }
    var result: [SafetensorsMetadata] = []
    for member in members {
      guard let text = member.value.string else {
        throw DataError(
          .wrongFormat, "a value of the metadata is no text", at: "\(file), \(member.name)",
          expected: "a JSON string")
      }
      result.append(SafetensorsMetadata(member.name, text))
    }
    return result
  }

  private static func entry(
    _ member: JSONValue.Member, dataSize: Int, file: String
  ) throws(DataError) -> Entry {
    let location = "\(file), \(member.name)"
    func error(_ what: String, _ got: String?, _ expected: String) -> DataError {
      DataError(.wrongFormat, what, at: location, got: got, expected: expected)
    }
    guard let fields = member.value.members else {
      throw error("a tensor's entry is no JSON object", nil, "dtype, shape and data_offsets")
    }
    for field in fields where !["dtype", "shape", "data_offsets"].contains(field.name) {
      throw error(
        "a tensor's entry has a field too many", field.name,
        "dtype, shape and data_offsets")
    }
    guard let spelling = member.value["dtype"]?.string else {
      throw error("a tensor has no dtype", nil, "a text such as F32")
    }
    guard let dtype = DType(safetensors: spelling) else {
      throw DataError(
        .unsupported, "a tensor has a dtype that Martlet does not know", at: location,
        got: spelling, expected: DType.allCases.map(\.safetensors).joined(separator: " "))
    }
    guard let extents = integers(member.value["shape"]), extents.count <= 64 else {
      throw error("a tensor has no shape", nil, "an array of at most 64 sizes, none negative")
    }
    guard let offsets = integers(member.value["data_offsets"]), offsets.count == 2,
      offsets[0] <= offsets[1]
    else { throw error("a tensor has no data_offsets", nil, "[begin, end]") }
    guard let count = Shape(extents).checkedCount,
      case let (size, overflow) = count.multipliedReportingOverflow(by: dtype.byteCount),
      !overflow
    else { throw error("a tensor is too large", "\(spelling)\(Shape(extents))", "fewer elements") }
    guard offsets[1] - offsets[0] == size else {
      throw error(
        "a tensor's shape and its data_offsets disagree", "\(offsets[1] - offsets[0]) bytes",
        "\(size) for \(spelling)\(Shape(extents))")
    }
    guard offsets[1] <= dataSize else {
      throw DataError(
        .truncated, "a tensor lies beyond the end of the file", at: location,
        got: "data_offsets \(offsets)", expected: "at most \(dataSize)")
    }
    return Entry(name: member.name, dtype: dtype, shape: extents, range: offsets[0]..<offsets[1])
  }

  private static func integers(_ value: JSONValue?) -> [Int]? {
    guard let elements = value?.array else { return nil }
    var result: [Int] = []
    for element in elements {
      guard let x = element.integer, x >= 0 else { return nil }
      result.append(x)
    }
    return result
  }
}

extension DType {
  /// The format's spelling: `F32`, `BF16`, `BOOL`, ….
  package var safetensors: String { rawValue.uppercased() }

  package init?(safetensors spelling: String) {
    guard let dtype = DType.allCases.first(where: { $0.safetensors == spelling }) else {
      return nil
    }
    self = dtype
  }
}
