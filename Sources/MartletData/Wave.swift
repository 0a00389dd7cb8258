// Sound in RIFF/WAVE files: PCM of 8 to 32 bits and floats, any number of channels.
// https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html

import MartletExecution
import MartletIR

/// Sound of a `.wav` file.
///
///     let sound = try WaveFile(contentsOf: "speech.wav")
///     print(sound.sampleRate, sound.samples.shape)        // 16000 [frames, channels]
public struct WaveFile: Sendable {
  /// Samples between −1 and 1, `[frames, channels]`.
  public var samples: NDArray
  /// Frames a second.
  public var sampleRate: Int

  /// How samples are written.
  public enum Encoding: Hashable, Sendable, CaseIterable {
    /// Integers of 16 bits: 32768 steps each way, what lies beyond is clipped.
    case int16
    /// Floats of 32 bits, as they are.
    case float32
  }

  private static let fileLimit = 2 << 30

  /// Sound from samples `[frames]` or `[frames, channels]`.
  ///
  /// - Throws: ``DataError`` for other shapes and rates.
  public init(samples: NDArray, sampleRate: Int) throws(DataError) {
    let shape = samples.shape
    guard samples.dtype == .float32, (1...2).contains(shape.rank),
      shape.rank == 1 || (1...65_535).contains(shape[1]), (1...1 << 30).contains(sampleRate)
    else {
      throw DataError(
        .mismatch, "no sound", at: "samples", got: "\(samples.type) at \(sampleRate) Hz",
        expected: "f32[frames] or f32[frames, channels], and a rate above 0")
    }
    if shape.rank == 2 {
      self.samples = samples
    } else {
      self.samples = try WaveFile.array(samples.floats, channels: 1, location: "samples")
    }
    self.sampleRate = sampleRate
  }

  /// Reads a file.
  ///
  /// - Throws: ``DataError`` when the file is missing, truncated, or compressed.
  public init(contentsOf path: String) throws(DataError) {
    try self.init(parsing: FileSystem.read(path, limit: WaveFile.fileLimit), location: path)
  }

  /// Reads a file in memory; `location` names it in errors.
  public init(parsing file: [UInt8], location: String) throws(DataError) {
    func number(_ at: Int, _ count: Int) -> Int {
      (0..<count).reduce(0) { $0 | Int(file[at + $1]) << (8 * $1) }
    }
    func tag(_ at: Int, _ text: String) -> Bool { file[at..<(at + 4)].elementsEqual(text.utf8) }
    func refuse(
      _ code: DataError.Code, _ what: String, _ got: String? = nil, _ expected: String? = nil
    ) -> DataError { DataError(code, what, at: location, got: got, expected: expected) }
    guard file.count >= 12, tag(0, "RIFF"), tag(8, "WAVE") else {
      throw refuse(.wrongFormat, "no .wav file", nil, "RIFF … WAVE at its beginning")
    }
    var format: (tag: Int, channels: Int, rate: Int, bits: Int)?
    var place = 12
    while place + 8 <= file.count {
      let size = number(place + 4, 4)
      let start = place + 8
      // Writers to a pipe leave a size that is too large: what is there counts.
      let end = min(file.count, start + size)
      if tag(place, "fmt ") {
        guard end - start >= 16 else { throw refuse(.truncated, "the format is cut short") }
        var kind = number(start, 2)
        if kind == 0xFFFE, end - start >= 26 { kind = number(start + 24, 2) }
        format = (kind, number(start + 2, 2), number(start + 4, 4), number(start + 14, 2))
      }
      if tag(place, "data") {
        guard let format else { throw refuse(.wrongFormat, "samples in front of their format") }
        guard format.channels > 0, format.rate > 0 else {
          throw refuse(
            .wrongFormat, "impossible sound", "\(format.channels) channels at \(format.rate) Hz")
        }
        let width = format.bits / 8
        let isFloat = format.tag == 3 && [32, 64].contains(format.bits)
        guard isFloat || (format.tag == 1 && [8, 16, 24, 32].contains(format.bits)) else {
          throw refuse(
            .unsupported, "samples of an encoding that is not read",
            "format \(format.tag) of \(format.bits) bits",
            "PCM of 8, 16, 24 or 32 bits, or floats of 32 or 64")
        }
        let frame = width * format.channels
        let count = (end - start) / frame * format.channels
        let samples = (0..<count).map { index -> Float in
          let at = start + index * width
          if isFloat, width == 4 { return Float(bitPattern: UInt32(number(at, 4))) }
          if isFloat {
            let bits = UInt64(number(at, 4)) | UInt64(number(at + 4, 4)) << 32
            return Float(Double(bitPattern: bits))
          }
          if width == 1 { return (Float(file[at]) - 128) / 128 }
          let shift = Int.bitWidth - 8 * width
          let value = (number(at, width) << shift) >> shift
          return Float(Double(value) / Double(1 << (8 * width - 1)))
        }
        self.samples = try WaveFile.array(samples, channels: format.channels, location: location)
        sampleRate = format.rate
        return
      }
      place = start + size + size % 2
    }
    throw refuse(.truncated, "the file holds no samples")
  }

  private static func array(
    _ samples: [Float], channels: Int, location: String
  ) throws(DataError) -> NDArray {
    do { return try NDArray(samples, shape: [samples.count / channels, channels]) } catch {
      throw DataError(.tooLarge, "the samples do not fit into memory", at: location)
    }
  }

  /// The file's bytes.
  ///
  /// - Throws: ``DataError`` beyond 4 GB.
  public func encoded(as encoding: Encoding = .int16) throws(DataError) -> [UInt8] {
    let channels = samples.shape[1]
    let width = encoding == .int16 ? 2 : 4
    let size = samples.count * width
    guard size < Int(UInt32.max) - 64 else {
      throw DataError(.tooLarge, "the sound is too long for a .wav file", at: "samples")
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(44 + size)
    func append(_ value: Int, _ count: Int) {
      for byte in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * byte))) }
    }
    bytes += "RIFF".utf8
    append(36 + size, 4)
    bytes += "WAVEfmt ".utf8
    append(16, 4)
    append(encoding == .int16 ? 1 : 3, 2)
    append(channels, 2)
    append(sampleRate, 4)
    append(sampleRate * channels * width, 4)
    append(channels * width, 2)
    append(width * 8, 2)
    bytes += "data".utf8
    append(size, 4)
    for sample in samples.floats {
      if encoding == .float32 {
        append(Int(sample.bitPattern), 4)
      } else {
        let scaled = sample.isNaN ? 0 : (sample * 32768).rounded()
        append(Int(max(-32768, min(32767, scaled))), 2)
      }
    }
    return bytes
  }

  /// Writes the file: beside its name first, then under it.
  ///
  /// - Throws: ``DataError`` where the file cannot be written.
  public func write(to path: String, as encoding: Encoding = .int16) throws(DataError) {
    try FileSystem.write(encoded(as: encoding), to: path)
  }
}
