// NumPy's .npz files: ZIP archives of .npy files, stored or deflated.
// https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT. Archives come from strangers: what
// they say of sizes is checked against the bytes that are there before memory is asked for.

import CZlib
import MartletExecution
import MartletIR

/// NumPy's `.npz` files of named arrays.
///
///     try Npz.save([NamedArray("x", x), NamedArray("y", y)], to: "data.npz")
///     let arrays = try Npz.load("data.npz")
public enum Npz {
  /// What ``load(_:limit:)`` allows all arrays together: 4 GB.
  public static let defaultLimit = 4 << 30
  // ZIP without its 64-bit extension, which is read but not written.
  private static let writeLimit = Int(UInt32.max) - 1

  /// Reads every array of a file, in the file's order.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - limit: The most bytes that all arrays together may take.
  /// - Throws: ``DataError`` when the file is missing, damaged, encrypted, packed by a method other
  ///   than deflate, says of itself what it is not, or holds more than `limit`.
  public static func load(
    _ path: String, limit: Int = defaultLimit
  ) throws(DataError) -> [NamedArray] {
    try decode(FileSystem.read(path, limit: limit), location: path, limit: limit)
  }

  /// Reads every array of a `.npz` file in memory; `location` names it in errors.
  public static func decode(
    _ file: [UInt8], location: String, limit: Int = defaultLimit
  ) throws(DataError) -> [NamedArray] {
    let entries = try ZipDirectory(file, location: location).entries
    var total = 0
    for entry in entries {
      total += entry.size
      guard entry.size <= limit, total <= limit else {
        throw DataError(
          .tooLarge, "the arrays of the .npz file are too large", at: location,
          got: "more than \(limit) bytes", expected: "at most \(limit) bytes",
          hint: "a higher limit, if you trust the file")
      }
    }
    var result: [NamedArray] = []
    for entry in entries {
      let name = entry.name.hasSuffix(".npy") ? String(entry.name.dropLast(4)) : entry.name
      result.append(NamedArray(name, try array(entry, file, "\(location), \(entry.name)")))
    }
    return result
  }

  private static func array(
    _ entry: ZipDirectory.Entry, _ file: [UInt8], _ location: String
  ) throws(DataError) -> NDArray {
    var result: Result<NDArray, DataError>?
    file.withUnsafeBytes { bytes in
      let packed = UnsafeRawBufferPointer(rebasing: bytes[entry.range])
      do throws(DataError) {
        let member = try ZipMember(packed, entry, location)
        let array = try Npy.decode(
          size: entry.size, location: location, read: member.read, fill: member.fill)
        try member.finish()
        result = .success(array)
      } catch { result = .failure(error) }
    }
    guard let result else { throw DataError(.notReadable, "no result", at: location) }
    return try result.get()
  }

  /// Writes arrays; the file appears under its name all at once. Equal arrays make equal files.
  ///
  /// - Parameters:
  ///   - arrays: The arrays; `.npy` is added to their names.
  ///   - path: The file.
  ///   - compressed: True to deflate them.
  /// - Throws: ``DataError`` when two names are equal, the whole exceeds 4 GB, or the file cannot be
  ///   written.
  public static func save(
    _ arrays: [NamedArray], to path: String, compressed: Bool = false
  ) throws(DataError) {
    try FileSystem.write(encode(arrays, location: path, compressed: compressed), to: path)
  }

  /// The arrays as a `.npz` file in memory; `location` is for errors.
  public static func encode(
    _ arrays: [NamedArray], location: String = ".npz file", compressed: Bool = false
  ) throws(DataError) -> [UInt8] {
    var names: Set<ByteString> = []
    var output: [UInt8] = []
    var directory: [UInt8] = []
    func put(_ value: Int, _ width: Int, _ target: inout [UInt8]) {
      for byte in 0..<width { target.append(UInt8(truncatingIfNeeded: value >> (8 * byte))) }
    }
    for array in arrays {
      let name = Array("\(array.name).npy".utf8)
      guard names.insert(ByteString(array.name)).inserted, name.count <= 0xffff else {
        throw DataError(
          .mismatch, "two arrays have the same name, or a name is too long", at: location,
          got: array.name)
      }
      let content = Npy.encode(array.array)
      let packed = compressed ? try deflated(content, location) : content
      guard output.count + packed.count + directory.count < writeLimit, arrays.count < 0xffff,
        content.count < writeLimit
      else {
        throw DataError(
          .tooLarge, "the arrays are too large for a .npz file", at: location,
          expected: "fewer than 65,535 arrays, 4 GB together", hint: "write safetensors")
      }
      let start = output.count
      // Version 2.0; names in UTF-8; midnight of 1 January 1980, the earliest time there is.
      var common: [UInt8] = []
      put(20, 2, &common)
      put(1 << 11, 2, &common)
      put(compressed ? 8 : 0, 2, &common)
      put(0, 2, &common)
      put(1 << 5 | 1, 2, &common)
      put(Int(checksum(content)), 4, &common)
      put(packed.count, 4, &common)
      put(content.count, 4, &common)
      put(name.count, 2, &common)
      put(0, 2, &common)
      put(0x0403_4b50, 4, &output)
      output += common + name + packed
      put(0x0201_4b50, 4, &directory)
      put(20, 2, &directory)
      directory += common
      // No comment, first disk, no attributes.
      directory += [UInt8](repeating: 0, count: 10)
      put(start, 4, &directory)
      directory += name
    }
    let start = output.count
    output += directory
    put(0x0605_4b50, 4, &output)
    put(0, 4, &output)
    put(arrays.count, 2, &output)
    put(arrays.count, 2, &output)
    put(directory.count, 4, &output)
    put(start, 4, &output)
    put(0, 2, &output)
    return output
  }

  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    bytes.withUnsafeBytes { Npz.checksum($0, after: 0) }
  }

  static func checksum(_ bytes: UnsafeRawBufferPointer, after: UInt32) -> UInt32 {
    var result = uLong(after)
    var done = 0
    while done < bytes.count {
      let count = min(bytes.count - done, 1 << 30)
      result = crc32(
        result, bytes.baseAddress?.advanced(by: done).assumingMemoryBound(to: UInt8.self),
        UInt32(count))
      done += count
    }
    return UInt32(truncatingIfNeeded: result)
  }

  private static func deflated(
    _ bytes: [UInt8], _ location: String
  ) throws(DataError) -> [UInt8] {
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    defer { stream.deallocate() }
    guard bytes.count <= Int(UInt32.max) >> 1,
      deflateInit2_(
        stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
        Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else {
      throw DataError(
        .tooLarge, "zlib does not take the array", at: location, got: "\(bytes.count) bytes")
    }
    defer { deflateEnd(stream) }
    let room = Int(deflateBound(stream, uLong(bytes.count)))
    var status = Z_OK
    let result = bytes.withUnsafeBytes { source in
      [UInt8](unsafeUninitializedCapacity: room) { target, count in
        // zlib never writes through next_in; its C type predates const.
        stream.pointee.next_in = UnsafeMutablePointer(
          mutating: source.bindMemory(to: UInt8.self).baseAddress)
        stream.pointee.avail_in = UInt32(bytes.count)
        stream.pointee.next_out = target.baseAddress
        stream.pointee.avail_out = UInt32(room)
        status = deflate(stream, Z_FINISH)
        count = room - Int(stream.pointee.avail_out)
      }
    }
    guard status == Z_STREAM_END else {
      throw DataError(
        .notWritable, "zlib does not deflate the array", at: location, got: "status \(status)")
    }
    return result
  }
}

/// What the directory at a ZIP archive's end says, checked against the archive.
struct ZipDirectory {
  struct Entry {
    var name: String
    var isDeflated: Bool
    var checksum: UInt32
    /// Where the packed bytes lie.
    var range: Range<Int>
    /// The number of bytes unpacked.
    var size: Int
  }

  private(set) var entries: [Entry] = []
  private let file: [UInt8]
  private let location: String

  init(_ file: [UInt8], location: String) throws(DataError) {
    self.file = file
    self.location = location
    let end = try endRecord()
    var (count, size, start) = (number(end + 10, 2), number(end + 12, 4), number(end + 16, 4))
    if count == 0xffff || size == 0xffff_ffff || start == 0xffff_ffff {
      // The 64-bit record, which its locator right before the end record points to.
      guard end >= 20, number(end - 20, 4) == 0x0706_4b50,
        let at = Int(exactly: number64(end - 12)), at >= 0, at <= end - 76,
        number(at, 4) == 0x0606_4b50,
        let entries = Int(exactly: number64(at + 32)),
        let bytes = Int(exactly: number64(at + 40)), let offset = Int(exactly: number64(at + 48))
      else { throw damaged("no 64-bit directory where the end record says") }
      (count, size, start) = (entries, bytes, offset)
    }
    // 46 bytes an entry at the least.
    guard start <= end, size <= end - start, count <= size / 46 else {
      throw damaged("a directory of \(count) entries in \(size) bytes at \(start)")
    }
    var at = start
    for _ in 0..<count {
      guard start + size - at >= 46, number(at, 4) == 0x0201_4b50 else {
        throw damaged("no entry of the directory at \(at)")
      }
      let (nameLength, extra, comment) = (
        number(at + 28, 2), number(at + 30, 2), number(at + 32, 2)
      )
      let next = at + 46 + nameLength + extra + comment
      guard next <= start + size else { throw damaged("an entry beyond the directory") }
      try read(at, nameLength, extra, end: start)
      at = next
    }
    // Members that share bytes unpack to more than any archive of this size could hold.
    let sorted = entries.map(\.range).sorted { $0.lowerBound < $1.lowerBound }
    for (a, b) in zip(sorted, sorted.dropFirst()) where b.lowerBound < a.upperBound {
      throw damaged("members that overlap")
    }
  }

  private mutating func read(
    _ at: Int, _ nameLength: Int, _ extra: Int, end: Int
  ) throws(DataError) {
    let name = String(decoding: file[(at + 46)..<(at + 46 + nameLength)], as: UTF8.self)
    let (flags, method) = (number(at + 8, 2), number(at + 10, 2))
    guard flags & 1 == 0, method == 0 || method == 8 else {
      throw DataError(
        .unsupported, "a member of the archive cannot be read", at: "\(location), \(name)",
        got: flags & 1 == 1 ? "encryption" : "method \(method)", expected: "stored or deflated")
    }
    var (packed, size, offset) = (number(at + 20, 4), number(at + 24, 4), number(at + 42, 4))
    // Numbers that do not fit are in an extra field, in this order, those alone.
    var field = at + 46 + nameLength
    let extraEnd = field + extra
    while field + 4 <= extraEnd {
      let (kind, length) = (number(field, 2), number(field + 2, 2))
      guard field + 4 + length <= extraEnd else { break }
      if kind == 1 {
        var from = field + 4
        func long(_ value: Int) -> Int? {
          guard value == 0xffff_ffff else { return value }
          guard from + 8 <= field + 4 + length else { return nil }
          defer { from += 8 }
          return Int(exactly: number64(from))
        }
        guard let a = long(size), let b = long(packed), let c = long(offset) else {
          throw damaged("a 64-bit size of \(name) that is none")
        }
        (size, packed, offset) = (a, b, c)
      }
      field += 4 + length
    }
    // Names and extra fields of the local header may differ from the directory's.
    guard offset <= end - 30, number(offset, 4) == 0x0403_4b50,
      case let begin = offset + 30 + number(offset + 26, 2) + number(offset + 28, 2),
      begin <= end, packed <= end - begin
    else { throw damaged("\(name) at \(offset), beyond the members") }
    guard method == 8 ? size / GzipReader.bestRatio <= packed : size == packed else {
      throw damaged("\(size) bytes of \(name) in \(packed)")
    }
    entries.append(
      Entry(
        name: name, isDeflated: method == 8, checksum: UInt32(number(at + 16, 4)),
        range: begin..<(begin + packed), size: size))
  }

  // The end record is the last 22 bytes, but for a comment of up to 65,535.
  private func endRecord() throws(DataError) -> Int {
    guard file.starts(with: [0x50, 0x4b]) else {
      throw DataError(
        .wrongFormat, "not a .npz file", at: location,
        got: file.isEmpty ? "an empty file" : "another signature", expected: "a ZIP archive",
        hint: "Npy.load reads .npy files")
    }
    guard file.count >= 22 else { throw truncated() }
    for at in stride(from: file.count - 22, through: max(0, file.count - 22 - 0xffff), by: -1)
    where number(at, 4) == 0x0605_4b50 && number(at + 20, 2) == file.count - at - 22 {
      return at
    }
    throw truncated()
  }

  private func truncated() -> DataError {
    DataError(
      .truncated, "the .npz file has no end", at: location, got: "\(file.count) bytes",
      expected: "a ZIP archive's directory at its end", hint: "fetch the file again")
  }

  private func damaged(_ got: String) -> DataError {
    DataError(.wrongFormat, "the .npz file's directory is damaged", at: location, got: got)
  }

  // Little-endian; callers keep it within the file.
  private func number(_ at: Int, _ width: Int) -> Int {
    (0..<width).reduce(0) { $0 | Int(file[at + $1]) << (8 * $1) }
  }

  private func number64(_ at: Int) -> UInt64 {
    (0..<8).reduce(UInt64(0)) { $0 | UInt64(file[at + $1]) << UInt64(8 * $1) }
  }
}

// The content of one member, read once from front to end.
private final class ZipMember {
  private let packed: UnsafeRawBufferPointer
  private let entry: ZipDirectory.Entry
  private let location: String
  private let reader: GzipReader?
  // What has been unpacked so far: the file's header, read in pieces that begin at 0.
  private var head: [UInt8] = []
  private var checksum: UInt32 = 0

  init(
    _ packed: UnsafeRawBufferPointer, _ entry: ZipDirectory.Entry, _ location: String
  ) throws(DataError) {
    self.packed = packed
    self.entry = entry
    self.location = location
    reader =
      entry.isDeflated ? try GzipReader(packed, location: location, isBare: true) : nil
  }

  func read(_ range: Range<Int>) throws(DataError) -> [UInt8] {
    if range.upperBound > head.count {
      let start = head.count
      head += [UInt8](repeating: 0, count: range.upperBound - start)
      var failure: DataError?
      head.withUnsafeMutableBytes { bytes in
        let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
        do throws(DataError) { try unpack(rest, from: start) } catch { failure = error }
      }
      if let failure { throw failure }
    }
    return Array(head[range])
  }

  func fill(_ buffer: UnsafeMutableRawBufferPointer, _ offset: Int) throws(DataError) {
    // The first bytes may have been read with the header.
    let known = head[min(offset, head.count)...].prefix(buffer.count)
    buffer.copyBytes(from: known)
    try unpack(
      UnsafeMutableRawBufferPointer(rebasing: buffer[known.count...]), from: offset + known.count)
  }

  private func unpack(
    _ buffer: UnsafeMutableRawBufferPointer, from offset: Int
  ) throws(DataError) {
    if let reader {
      let count = try reader.read(into: buffer)
      guard count == buffer.count else {
        throw DataError(
          .truncated, "a member of the archive ends early", at: location,
          got: "\(offset + count) bytes", expected: "\(entry.size)")
      }
    } else {
      guard offset + buffer.count <= packed.count else {
        throw DataError(
          .truncated, "a member of the archive ends early", at: location,
          got: "\(packed.count) bytes", expected: "\(entry.size)")
      }
      buffer.copyMemory(
        from: UnsafeRawBufferPointer(rebasing: packed[offset..<(offset + buffer.count)]))
    }
    checksum = Npz.checksum(UnsafeRawBufferPointer(buffer), after: checksum)
  }

  /// Throws unless this was all, and the very bytes that were packed.
  func finish() throws(DataError) {
    if let reader {
      var count = 0
      var failure: DataError?
      withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { buffer in
        do throws(DataError) { count = try reader.read(into: buffer) } catch { failure = error }
      }
      if let failure { throw failure }
      guard count == 0 else {
        throw DataError(
          .wrongFormat, "a member of the archive is longer than it says", at: location,
          expected: "\(entry.size) bytes")
      }
    }
    guard checksum == entry.checksum else {
      throw DataError(
        .wrongFormat, "a member of the archive is damaged", at: location,
        got: "checksum \(String(checksum, radix: 16))",
        expected: String(entry.checksum, radix: 16), hint: "fetch the file again")
    }
  }
}
