// Inflating gzip and bare deflate data, piece by piece.

import CZlib
import MartletExecution

/// Reads a gzip stream, or the bare deflate stream of a ZIP archive, out of memory, piece by piece.
final class GzipReader {
  /// Deflate cannot do better than 1,032 to 1: whoever promises more is lying.
  static let bestRatio = 1032

  // zlib keeps a pointer to its stream: it must not move.
  private let stream: UnsafeMutablePointer<z_stream>
  private let location: String
  private let isBare: Bool
  private var ended = false

  static func isGzip(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.count >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b
  }

  /// `bytes` must outlive the reader; `location` is for messages. `isBare` for data without gzip's
  /// header and checksum.
  init(
    _ bytes: UnsafeRawBufferPointer, location: String, isBare: Bool = false
  ) throws(DataError) {
    guard let base = bytes.bindMemory(to: UInt8.self).baseAddress,
      let count = UInt32(exactly: bytes.count)
    else {
      throw DataError(
        .tooLarge, "the compressed file has no size that zlib takes", at: location,
        got: "\(bytes.count) bytes", expected: "1 to \(UInt32.max) bytes")
    }
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // zlib never writes through next_in; its C type predates const.
    stream.pointee.next_in = UnsafeMutablePointer(mutating: base)
    stream.pointee.avail_in = count
    self.location = location
    self.isBare = isBare
    let status = inflateInit2_(
      stream, isBare ? -15 : 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else {
      // The deinit must not end a stream that never began: inflateEnd of a null state is harmless.
      throw DataError(
        .notReadable, "zlib does not start", at: location, got: "status \(status)")
    }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  /// Fills `buffer` as far as the data goes and returns how far that was.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
    var done = 0
    while done < buffer.count, !ended {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let count = min(rest.count, 1 << 30)
      stream.pointee.next_out = rest.bindMemory(to: UInt8.self).baseAddress
      stream.pointee.avail_out = UInt32(count)
      let status = inflate(stream, Z_NO_FLUSH)
      let produced = count - Int(stream.pointee.avail_out)
      done += produced
      switch status {
      case Z_STREAM_END: try endMember()
      case Z_OK where produced > 0 || stream.pointee.avail_in > 0: continue
      case Z_OK, Z_BUF_ERROR:
        throw DataError(
          .truncated, "the compressed data ends early", at: location,
          expected: "\(buffer.count - done) more bytes", hint: "fetch the file again")
      default:
        let detail = stream.pointee.msg.map { String(cString: $0) } ?? "status \(status)"
        throw DataError(
          .wrongFormat, "the compressed data is damaged", at: location, got: detail,
          hint: "fetch the file again")
      }
    }
    return done
  }

  /// All of a gzip file's content, of at most `limit` bytes; memory grows with what is delivered.
  static func inflated(
    _ file: [UInt8], limit: Int, location: String
  ) throws(DataError) -> [UInt8] {
    var result: [UInt8] = []
    var failure: DataError?
    file.withUnsafeBytes { bytes in
      do throws(DataError) {
        result = try inflated(bytes, limit: limit, location: location)
      } catch { failure = error }
    }
    if let failure { throw failure }
    return result
  }

  static func inflated(
    _ file: UnsafeRawBufferPointer, limit: Int, location: String
  ) throws(DataError) -> [UInt8] {
    let reader = try GzipReader(file, location: location)
    var result: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      var failure: DataError?
      var count = 0
      piece.withUnsafeMutableBytes { buffer in
        do throws(DataError) { count = try reader.read(into: buffer) } catch { failure = error }
      }
      if let failure { throw failure }
      if count == 0 { return result }
      guard result.count + count <= limit else {
        throw DataError(
          .tooLarge, "the compressed file is too large", at: location,
          got: "more than \(limit) bytes uncompressed", expected: "at most \(limit)")
      }
      result += piece[..<count]
    }
  }

  // gzip files may be concatenated; anything else behind a member is damage.
  private func endMember() throws(DataError) {
    let rest = UnsafeRawBufferPointer(
      start: stream.pointee.next_in, count: Int(stream.pointee.avail_in))
    if rest.isEmpty {
      ended = true
    } else if !isBare, GzipReader.isGzip(rest) {
      inflateReset(stream)
    } else {
      throw DataError(
        .wrongFormat, "bytes follow the compressed data", at: location, got: "\(rest.count) bytes",
        hint: "fetch the file again")
    }
  }
}
