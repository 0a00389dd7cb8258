// Image formats without compression. The files are not to be trusted: every place is checked.

/// BMP, PNM and TIFF, uncompressed, with eight bits a channel.
enum PlainImage {
  /// Nil for another format.
  static func decode(_ file: [UInt8], limit: Int) throws -> ONNXImages.Pixels? {
    if file.starts(with: [0x42, 0x4D]) { return try bitmap(file, limit) }
    if file.count > 2, file[0] == 0x50, (0x31...0x36).contains(file[1]) {
      return try portable(file, limit)
    }
    if file.starts(with: [0x49, 0x49, 42, 0]) || file.starts(with: [0x4D, 0x4D, 0, 42]) {
      return try tagged(file, limit)
    }
    return nil
  }

  private static func refuse(_ why: String) -> ONNXImages.Refusal {
    ONNXImages.Refusal(why: "the image cannot be decoded: " + why)
  }

  /// The bytes of so many pixels, if that is few enough.
  private static func size(
    _ width: Int, _ height: Int, _ channels: Int, _ limit: Int
  ) throws -> Int {
    let (count, overflow) = width.multipliedReportingOverflow(by: height)
    guard width > 0, height > 0, !overflow, count <= limit / channels else {
      throw refuse("\(width) × \(height) pixels")
    }
    return count * channels
  }

  /// A number of some bytes at a place.
  private static func number(
    _ file: [UInt8], _ place: Int, _ count: Int, bigEndian: Bool = false
  ) throws -> Int {
    guard place >= 0, place <= file.count - count else { throw refuse("it is cut short") }
    var value = 0
    for index in 0..<count {
      let byte = Int(file[place + index])
      value |= byte << (8 * (bigEndian ? count - 1 - index : index))
    }
    return value
  }

  // MARK: - BMP: rows from below, blue first, each of a multiple of four bytes

  private static func bitmap(_ file: [UInt8], _ limit: Int) throws -> ONNXImages.Pixels {
    let start = try number(file, 10, 4)
    let header = try number(file, 14, 4)
    let width = try number(file, 18, 4)
    let written = Int(Int32(truncatingIfNeeded: try number(file, 22, 4)))
    let bits = try number(file, 28, 2)
    guard header >= 40, try number(file, 30, 4) == 0, [8, 24, 32].contains(bits) else {
      throw refuse("a BMP of \(bits) bits, or compressed")
    }
    let height = abs(written)
    let total = try size(width, height, 3, limit)
    let stride = (width * bits / 8 + 3) / 4 * 4
    guard start >= 0, start <= file.count,
      file.count - start >= stride * (height - 1) + width * bits / 8
    else { throw refuse("it is cut short") }
    let palette = 14 + header
    var pixels: [UInt8] = []
    pixels.reserveCapacity(total)
    for row in 0..<height {
      let line = start + (written > 0 ? height - 1 - row : row) * stride
      for column in 0..<width {
        let place =
          bits == 8 ? palette + 4 * Int(file[line + column]) : line + column * (bits / 8)
        guard place <= file.count - 3 else { throw refuse("its palette is cut short") }
        pixels.append(file[place + 2])
        pixels.append(file[place + 1])
        pixels.append(file[place])
      }
    }
    return ONNXImages.Pixels(width: width, height: height, channels: 3, bytes: pixels)
  }

  // MARK: - PNM: P1 to P3 in digits, P4 to P6 in bytes

  private static func portable(_ file: [UInt8], _ limit: Int) throws -> ONNXImages.Pixels {
    let kind = Int(file[1]) - 0x30
    guard [2, 3, 5, 6].contains(kind) else { throw refuse("a bitmap of one bit (P\(kind))") }
    var place = 2
    func word() throws -> Int {
      while place < file.count {
        if file[place] == 0x23 {
          while place < file.count, file[place] != 0x0A { place += 1 }
        } else if file[place] == 0x20 || (0x09...0x0D).contains(file[place]) {
          place += 1
        } else {
          break
        }
      }
      var value = 0
      let first = place
      while place < file.count, (0x30...0x39).contains(file[place]), value < 1 << 40 {
        value = value * 10 + Int(file[place] - 0x30)
        place += 1
      }
      guard place > first else { throw refuse("a number is missing") }
      return value
    }
    let (width, height, largest) = (try word(), try word(), try word())
    let channels = kind == 3 || kind == 6 ? 3 : 1
    let total = try size(width, height, channels, limit)
    guard largest == 255 else { throw refuse("a largest value of \(largest), not 255") }
    if kind < 4 {
      // A digit and a space each, at least.
      guard total <= file.count - place else { throw refuse("it is cut short") }
      let values = try (0..<total).map { _ in UInt8(clamping: try word()) }
      return ONNXImages.Pixels(width: width, height: height, channels: channels, bytes: values)
    }
    place += 1
    guard place <= file.count, total <= file.count - place else { throw refuse("it is cut short") }
    return ONNXImages.Pixels(
      width: width, height: height, channels: channels, bytes: Array(file[place..<(place + total)]))
  }

  // MARK: - TIFF: tags say where strips of rows lie

  private static func tagged(_ file: [UInt8], _ limit: Int) throws -> ONNXImages.Pixels {
    let isBig = file[0] == 0x4D
    func read(_ place: Int, _ count: Int) throws -> Int {
      try number(file, place, count, bigEndian: isBig)
    }
    let directory = try read(4, 4)
    var tags: [Int: [Int]] = [:]
    // Tags may not share bytes without end.
    var listed = 0
    for index in 0..<(try read(directory, 2)) {
      let entry = directory + 2 + 12 * index
      let (tag, kind, count) = (try read(entry, 2), try read(entry + 2, 2), try read(entry + 4, 4))
      guard let width = [1: 1, 3: 2, 4: 4][kind] else { continue }
      guard count <= file.count - listed else { throw refuse("its tags are longer than it is") }
      listed += count
      let place = count * width <= 4 ? entry + 8 : try read(entry + 8, 4)
      tags[tag] = try (0..<count).map { try read(place + $0 * width, width) }
    }
    func value(_ tag: Int, default value: Int) -> Int { tags[tag]?.first ?? value }
    let (width, height) = (value(256, default: 0), value(257, default: 0))
    let channels = value(277, default: 1)
    let photometric = value(262, default: 2)
    guard value(259, default: 1) == 1, channels == 1 || channels == 3,
      tags[258].map({ $0.allSatisfy { $0 == 8 } }) ?? false, value(284, default: 1) == 1,
      photometric == (channels == 3 ? 2 : 1), value(317, default: 1) == 1,
      let offsets = tags[273], let counts = tags[279], offsets.count == counts.count
    else { throw refuse("a TIFF that is compressed, or not of bytes of gray or RGB") }
    let total = try size(width, height, channels, limit)
    var pixels: [UInt8] = []
    for (offset, count) in zip(offsets, counts) where pixels.count < total {
      guard offset <= file.count, count <= file.count - offset else {
        throw refuse("it is cut short")
      }
      pixels += file[offset..<(offset + count)]
    }
    guard pixels.count >= total else { throw refuse("its strips do not fill it") }
    return ONNXImages.Pixels(
      width: width, height: height, channels: channels, bytes: Array(pixels.prefix(total)))
  }
}
