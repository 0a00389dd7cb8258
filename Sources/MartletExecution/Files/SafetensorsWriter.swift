// Writing safetensors files, with the bytes that the reference implementation would write.

import MartletIR

extension SafetensorsHeader {
  /// The order of dtypes in a file, widest last; the reference implementation sorts by it,
  /// descending, so that every tensor is aligned to its elements.
  private static let order: [DType] = [
    .bool, .uint8, .int8, .int16, .uint16, .float16, .bfloat16, .int32, .uint32, .float32,
    .float64, .int64, .uint64,
  ]

  /// Lays tensors out by falling dtype, then by name; throws for names that a file cannot hold.
  package init(
    layingOut tensors: [(name: String, dtype: DType, shape: [Int])],
    metadata: [SafetensorsMetadata], file: String
  ) throws(DataError) {
    var names: Set<ByteString> = [ByteString(SafetensorsHeader.metadataName)]
    for tensor in tensors where !names.insert(ByteString(tensor.name)).inserted {
      throw DataError(
        .mismatch, "two tensors with one name", at: file, got: tensor.name,
        expected: "names that differ from each other and from \(SafetensorsHeader.metadataName)")
    }
    let rank = { (dtype: DType) in SafetensorsHeader.order.firstIndex(of: dtype) ?? -1 }
    let sorted = tensors.sorted {
      let (a, b) = (rank($0.dtype), rank($1.dtype))
      return a != b ? a > b : ByteString($0.name) < ByteString($1.name)
    }
    entries = []
    var end = 0
    for tensor in sorted {
      guard let count = Shape(tensor.shape).checkedCount,
        case let (size, tooBig) = count.multipliedReportingOverflow(by: tensor.dtype.byteCount),
        case let (next, tooFar) = end.addingReportingOverflow(size), !tooBig, !tooFar
      else {
        throw DataError(
          .tooLarge, "a tensor is too large for a file", at: "\(file), \(tensor.name)",
          got: "\(tensor.dtype)\(Shape(tensor.shape))")
      }
      entries.append(
        Entry(name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, range: end..<next))
      end = next
    }
    self.metadata = metadata.sorted { ByteString($0.name) < ByteString($1.name) }
  }

  /// The header's bytes with their length before them, padded so that the data is 8-byte aligned.
  package func encoded(file: String) throws(DataError) -> [UInt8] {
    var members: [JSONValue.Member] = []
    if !metadata.isEmpty {
      members.append(
        .init(
          SafetensorsHeader.metadataName,
          .object(metadata.map { .init($0.name, .string($0.text)) })))
    }
    for entry in entries {
      members.append(
        .init(
          entry.name,
          .object([
            .init("dtype", .string(entry.dtype.safetensors)),
            .init("shape", .array(entry.shape.map { .integer($0) })),
            .init(
              "data_offsets",
              .array([.integer(entry.range.lowerBound), .integer(entry.range.upperBound)])),
          ])))
    }
    var text = try JSONValue.object(members).encoded(file: file)
    while text.count % 8 != 0 { text.append(0x20) }
    guard text.count <= SafetensorsHeader.lengthLimit else {
      throw DataError(
        .tooLarge, "too many tensors for a safetensors file", at: file,
        got: "a header of \(text.count) bytes",
        expected: "at most \(SafetensorsHeader.lengthLimit)")
    }
    let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
    return length + text
  }
}

/// A safetensors file being written: every tensor of the header once, in the header's order. The
/// file appears under its name when the last step, ``commit()``, succeeds.
package struct SafetensorsOutput: ~Copyable {
  package let header: SafetensorsHeader
  private var file: OutputFile
  private let path: String
  private var next = 0

  package init(_ path: String, _ header: SafetensorsHeader) throws(DataError) {
    file = try SafetensorsOutput.begin(path, header.encoded(file: path))
    self.path = path
    self.header = header
  }

  private static func begin(
    _ path: String, _ header: [UInt8]
  ) throws(DataError) -> OutputFile {
    let file = try OutputFile(path)
    try file.write(header)
    return file
  }

  /// Writes the bytes of `header.entries[i]` in the i-th call.
  package mutating func write(_ bytes: UnsafeRawBufferPointer) throws(DataError) {
    guard next < header.entries.count, bytes.count == header.entries[next].range.count else {
      throw DataError(
        .mismatch, "a tensor's bytes do not match its entry", at: path,
        got: "\(bytes.count) bytes in call \(next)",
        expected: next < header.entries.count
          ? "\(header.entries[next].range.count)" : "\(header.entries.count) calls")
    }
    try file.write(bytes)
    next += 1
  }

  package mutating func commit() throws(DataError) {
    guard next == header.entries.count else {
      throw DataError(
        .mismatch, "a tensor was not written", at: path, got: "\(next) tensors",
        expected: "\(header.entries.count)")
    }
    try file.commit()
  }
}
