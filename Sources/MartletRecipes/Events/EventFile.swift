// TensorBoard's event files: messages in TFRecord frames.

import MartletExecution
import SwiftProtobuf
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// TFRecord: the length, its masked CRC, the bytes, their masked CRC; little-endian.
package enum TFRecord {
  private static let table: [UInt32] = (0..<256).map { index in
    // Castagnoli's polynomial, reflected.
    (0..<8).reduce(UInt32(index)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
  }

  /// CRC-32C (RFC 3720, B.4).
  package static func crc32c(_ bytes: some Sequence<UInt8>) -> UInt32 {
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in bytes { crc = table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ crc >> 8 }
    return ~crc
  }

  /// Rotated and shifted, so that the CRC of data that holds CRCs stays a good one.
  private static func masked(_ crc: UInt32) -> UInt32 { (crc >> 15 | crc << 17) &+ 0xA282_EAD8 }

  private static func littleEndian<T: FixedWidthInteger>(_ x: T) -> [UInt8] {
    (0..<(T.bitWidth / 8)).map { UInt8(truncatingIfNeeded: x >> T($0 * 8)) }
  }

  package static func frame(_ bytes: [UInt8]) -> [UInt8] {
    let length = littleEndian(UInt64(bytes.count))
    return length + littleEndian(masked(crc32c(length))) + bytes
      + littleEndian(masked(crc32c(bytes)))
  }

  /// The records of a file, up to the first one that is torn; nil where a CRC is wrong.
  package static func records(_ bytes: [UInt8]) -> [[UInt8]]? {
    func number(_ slice: ArraySlice<UInt8>) -> UInt64 {
      slice.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    var records: [[UInt8]] = []
    var at = 0
    while bytes.count - at >= 12 {
      let length = number(bytes[at..<(at + 8)])
      guard number(bytes[(at + 8)..<(at + 12)]) == UInt64(masked(crc32c(bytes[at..<(at + 8)])))
      else { return nil }
      guard length <= UInt64(bytes.count - at - 12), bytes.count - at - 12 - Int(length) >= 4 else {
        return records
      }
      let body = (at + 12)..<(at + 12 + Int(length))
      guard
        number(bytes[body.upperBound..<(body.upperBound + 4)])
          == UInt64(masked(crc32c(bytes[body])))
      else { return nil }
      records.append(Array(bytes[body]))
      at = body.upperBound + 4
    }
    return records
  }
}

/// Writes a run's events; each is in the file when the call returns.
package final class EventFile {
  package let path: String
  private let descriptor: Int32
  private let clock: () -> Double

  /// Creates a file of its own in a directory, which is made if need be.
  ///
  /// - Parameter clock: Seconds since 1970.
  package init(
    directory: String, name: String? = nil, clock: @escaping () -> Double = EventFile.now
  ) throws(DataError) {
    guard mkdir(directory, 0o777) == 0 || errno == EEXIST else {
      throw .system(.notWritable, "cannot make the directory", at: directory, errno: errno)
    }
    let name = name ?? "events.out.tfevents.\(Int(clock())).\(getpid())"
    path = FileSystem.join(directory, name)
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw .system(.notWritable, "cannot create a file", at: path, errno: errno)
    }
    self.clock = clock
    try write(step: 0) { $0.fileVersion = "brain.Event:2" }
  }

  deinit { close(descriptor) }

  package static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  // MARK: - Events

  package func scalar(_ tag: String, _ value: Double, step: Int) throws(DataError) {
    try summary(tag, step) { $0.simpleValue = Float(value) }
  }

  /// A picture as PNG.
  package func image(
    _ tag: String, png: [UInt8], height: Int, width: Int, channels: Int, step: Int
  ) throws(DataError) {
    try summary(tag, step) { value in
      value.image.height = Int32(height)
      value.image.width = Int32(width)
      value.image.colorspace = Int32(channels)
      value.image.encodedImageString = .init(png)
    }
  }

  /// How values are distributed, in buckets that grow by a tenth, as TensorFlow's do.
  package func histogram(_ tag: String, _ values: [Double], step: Int) throws(DataError) {
    let finite = values.filter(\.isFinite)
    guard let low = finite.min(), let high = finite.max() else { return }
    let limits = EventFile.limits
    var counts = [Double](repeating: 0, count: limits.count)
    for value in finite {
      // The first limit above the value.
      var (from, to) = (0, limits.count - 1)
      while from < to {
        let middle = (from + to) / 2
        if limits[middle] > value { to = middle } else { from = middle + 1 }
      }
      counts[from] += 1
    }
    let first = counts.firstIndex { $0 > 0 } ?? 0
    let last = counts.lastIndex { $0 > 0 } ?? 0
    // One empty bucket in front: a bucket's left edge is the limit before it.
    let shown = max(0, first - 1)...last
    try summary(tag, step) { value in
      value.histo.min = low
      value.histo.max = high
      value.histo.num = Double(finite.count)
      value.histo.sum = finite.reduce(0, +)
      value.histo.sumSquares = finite.reduce(0) { $0 + $1 * $1 }
      value.histo.bucketLimit = Array(limits[shown])
      value.histo.bucket = Array(counts[shown])
    }
  }

  private static let limits: [Double] = {
    var positive: [Double] = []
    var limit = 1e-12
    while limit < 1e20 {
      positive.append(limit)
      limit *= 1.1
    }
    positive.append(.greatestFiniteMagnitude)
    return positive.reversed().map { -$0 } + [0] + positive
  }()

  /// A graph as boxes and arrows; a name's slashes make boxes in boxes.
  package func graph(_ nodes: [GraphNode]) throws(DataError) {
    var graph = TBGraphDef()
    for node in nodes {
      var made = TBNodeDef()
      made.name = node.name
      made.op = node.operation
      made.input = node.inputs
      var shape = TBTensorShapeProto()
      for size in node.shape {
        var dim = TBTensorShapeProto.Dim()
        dim.size = Int64(size)
        shape.dim.append(dim)
      }
      var entry = TBNodeDef.Attr()
      entry.key = "_output_shapes"
      entry.value.list.shape = [shape]
      made.attr = [entry]
      graph.node.append(made)
    }
    graph.versions.producer = 22
    let bytes: [UInt8] = try serialized(graph)
    try write(step: 0) { $0.graphDef = .init(bytes) }
  }

  package struct GraphNode: Sendable {
    package var name: String
    package var operation: String
    package var inputs: [String]
    package var shape: [Int]
    package init(name: String, operation: String, inputs: [String], shape: [Int]) {
      self.name = name
      self.operation = operation
      self.inputs = inputs
      self.shape = shape
    }
  }

  // MARK: - Bytes

  private func summary(
    _ tag: String, _ step: Int, _ fill: (inout TBSummary.Value) -> Void
  ) throws(DataError) {
    var value = TBSummary.Value()
    value.tag = tag
    fill(&value)
    try write(step: step) { $0.summary.value = [value] }
  }

  private func serialized(_ message: some SwiftProtobuf.Message) throws(DataError) -> [UInt8] {
    do { return try message.serializedBytes() } catch {
      throw DataError(.tooLarge, "an event cannot be written", at: path, got: "\(error)")
    }
  }

  private func write(step: Int, _ fill: (inout TBEvent) -> Void) throws(DataError) {
    var event = TBEvent()
    event.wallTime = clock()
    event.step = Int64(step)
    fill(&event)
    let frame = TFRecord.frame(try serialized(event))
    var done = 0
    while done < frame.count {
      let count = frame[done...].withUnsafeBytes {
        martletWrite(descriptor, $0.baseAddress, $0.count)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw .system(.notWritable, "cannot write events", at: path, errno: errno)
      }
      done += count
    }
  }
}

private func martletWrite(_ fd: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  write(fd, bytes, count)
}

/// An event file as it was read again, for tests and for who wants the numbers back.
package struct EventLog: Sendable {
  package var scalars: [String: [(step: Int, value: Float)]] = [:]
  package var histograms: [String: [(step: Int, count: Double)]] = [:]
  package var images: [String: [(step: Int, png: [UInt8])]] = [:]
  package var graphNodes: [String] = []

  /// - Throws: ``DataError`` where a record is damaged.
  package init(_ path: String) throws(DataError) {
    let bytes = try FileSystem.read(path, limit: 1 << 28)
    let damaged = DataError(.wrongFormat, "a damaged event file", at: path)
    guard let records = TFRecord.records(bytes) else { throw damaged }
    for record in records {
      do {
        let event = try TBEvent(serializedBytes: record)
        if !event.graphDef.isEmpty {
          graphNodes += try TBGraphDef(serializedBytes: Array(event.graphDef)).node.map(\.name)
        }
        for value in event.summary.value {
          let step = Int(event.step)
          switch value.value {
          case .simpleValue(let x): scalars[value.tag, default: []].append((step, x))
          case .image(let image):
            images[value.tag, default: []].append((step, Array(image.encodedImageString)))
          case .histo(let histogram):
            histograms[value.tag, default: []].append((step, histogram.bucket.reduce(0, +)))
          case nil: break
          }
        }
      } catch { throw damaged }
    }
  }
}
