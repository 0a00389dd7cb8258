// The IDX format of MNIST and its relatives: 0 0 type rank, big-endian sizes, then the elements.
// Plain or gzip-compressed. No memory is asked for before the file has shown that it can fill it.

import MartletExecution

/// An array of bytes from an IDX file.
public struct IDXArray: Hashable, Sendable {
  /// The sizes, outermost first; MNIST's images have three: count, height, width.
  public var shape: [Int]
  /// The elements, row by row.
  public var bytes: [UInt8]

  /// The file's size limit; Fashion-MNIST takes 26 MB.
  static let fileLimit = 2 << 30

  /// Reads an IDX file of unsigned bytes, compressed or not.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - rank: The number of axes it must have.
  /// - Throws: ``DataError`` when the file is missing, truncated, damaged or of another format.
  public init(contentsOf path: String, rank: Int) throws(DataError) {
    let file = try FileSystem.read(path, limit: IDXArray.fileLimit)
    self = try IDXArray.parse(file, rank: rank, location: path)
  }

  package static func parse(
    _ file: [UInt8], rank: Int, location: String
  ) throws(DataError) -> IDXArray {
    var result: Result<IDXArray, DataError>?
    file.withUnsafeBytes { bytes in
      do throws(DataError) {
        result = .success(try IDXArray(parsing: bytes, rank: rank, location: location))
      } catch { result = .failure(error) }
    }
    guard let result else { throw DataError(.notReadable, "no result", at: location) }
    return try result.get()
  }

  /// Parses an IDX file in memory.
  init(parsing file: UnsafeRawBufferPointer, rank: Int, location: String) throws(DataError) {
    if GzipReader.isGzip(file) {
      let reader = try GzipReader(file, location: location)
      let header = try IDXArray.bytes(4 + 4 * rank, location) {
        (buffer) throws(DataError) in try reader.read(into: buffer)
      }
      let (shape, count) = try IDXArray.shape(header, rank: rank, location: location)
      guard count / GzipReader.bestRatio <= file.count else {
        throw IDXArray.truncated(location, shape, "a compressed file of \(file.count) bytes")
      }
      bytes = try IDXArray.bytes(count, location) {
        (buffer) throws(DataError) in try reader.read(into: buffer)
      }
      guard bytes.count == count else {
        throw IDXArray.truncated(location, shape, "\(bytes.count) bytes of elements")
      }
      // One byte further: the end of the stream is where its checksum is compared.
      let tail = try IDXArray.bytes(1, location) {
        (buffer) throws(DataError) in try reader.read(into: buffer)
      }
      guard tail.isEmpty else { throw IDXArray.overlong(location, shape) }
      self.shape = shape
    } else {
      let length = min(file.count, 4 + 4 * rank)
      let (shape, count) = try IDXArray.shape(
        Array(file[..<length]), rank: rank, location: location)
      guard file.count - length >= count else {
        throw IDXArray.truncated(location, shape, "\(file.count - length) bytes of elements")
      }
      guard file.count - length == count else { throw IDXArray.overlong(location, shape) }
      bytes = Array(file[length...])
      self.shape = shape
    }
  }

  // At most `count` bytes as `fill` delivers them.
  private static func bytes(
    _ count: Int, _ location: String,
    _ fill: (UnsafeMutableRawBufferPointer) throws(DataError) -> Int
  ) throws(DataError) -> [UInt8] {
    var failure: DataError?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      let window = UnsafeMutableRawBufferPointer(
        rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count])
      do throws(DataError) { filled = try fill(window) } catch { failure = error }
    }
    if let failure { throw failure }
    return bytes
  }

  // Checks the header; returns the sizes and the number of elements.
  private static func shape(
    _ header: [UInt8], rank: Int, location: String
  ) throws(DataError) -> ([Int], Int) {
    guard header.count >= 4 else {
      throw DataError(
        .truncated, "too short for an IDX file", at: location, got: "\(header.count) bytes",
        expected: "at least \(4 + 4 * rank)")
    }
    let expected = "0x0000080\(rank): unsigned bytes along \(rank) ax\(rank == 1 ? "is" : "es")"
    guard header[0] == 0, header[1] == 0 else {
      throw DataError(
        .wrongFormat, "not an IDX file", at: location, got: "magic number \(hex(header))",
        expected: expected)
    }
    guard header[2] == 8 else {
      throw DataError(
        .unsupported, "an IDX file of another element type", at: location,
        got: "magic number \(hex(header))", expected: expected)
    }
    guard header[3] == rank else {
      throw DataError(
        .mismatch, "an IDX file with another number of axes", at: location,
        got: "magic number \(hex(header))", expected: expected,
        hint: "are the image and the label file exchanged?")
    }
    guard header.count == 4 + 4 * rank else {
      throw DataError(
        .truncated, "the IDX file ends within its header", at: location,
        got: "\(header.count) bytes", expected: "at least \(4 + 4 * rank)")
    }
    var sizes: [Int] = []
    var count = 1
    for axis in 0..<rank {
      let size = header[(4 + 4 * axis)..<(8 + 4 * axis)].reduce(0) { $0 << 8 | Int($1) }
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, product <= Int.max / 2 else {
        throw DataError(
          .tooLarge, "the sizes of the IDX file are absurd", at: location,
          got: "\(sizes + [size])")
      }
      count = product
      sizes.append(size)
    }
    return (sizes, count)
  }

  private static func hex(_ header: [UInt8]) -> String {
    "0x"
      + header.prefix(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  private static func truncated(_ location: String, _ shape: [Int], _ got: String) -> DataError {
    DataError(
      .truncated, "the IDX file is truncated", at: location, got: got,
      expected: "\(shape.reduce(1, *)) bytes of elements for \(shape)",
      hint: "fetch the file again")
  }

  private static func overlong(_ location: String, _ shape: [Int]) -> DataError {
    DataError(
      .wrongFormat, "bytes follow the last element of the IDX file", at: location,
      expected: "\(shape.reduce(1, *)) bytes of elements for \(shape)",
      hint: "is the file mislabelled, or are its sizes?")
  }
}
