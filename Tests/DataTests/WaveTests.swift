// Sound files: what Python's wave module writes, round trips, and files that lie.

import MartletData
import MartletExecution
import Testing

@Suite struct WaveTests {
  /// `wave.open(…)` with two channels, 16 bits, 8,000 Hz and the frames (0, −32768), (16384, 32767).
  private static let fromPython: [UInt8] = [
    0x52, 0x49, 0x46, 0x46, 0x2C, 0, 0, 0, 0x57, 0x41, 0x56, 0x45, 0x66, 0x6D, 0x74, 0x20, 0x10, 0,
    0, 0, 1, 0, 2, 0, 0x40, 0x1F, 0, 0, 0, 0x7D, 0, 0, 4, 0, 0x10, 0, 0x64, 0x61, 0x74, 0x61, 8, 0,
    0, 0, 0, 0, 0, 0x80, 0, 0x40, 0xFF, 0x7F,
  ]

  @Test func readsWhatOthersWrite() throws {
    let sound = try WaveFile(parsing: WaveTests.fromPython, location: "x.wav")
    #expect(sound.sampleRate == 8000 && sound.samples.shape == [2, 2])
    #expect(sound.samples.floats == [0, -1, 0.5, 32767.0 / 32768])
    #expect(try sound.encoded() == WaveTests.fromPython)
  }

  @Test func roundTrips() throws {
    let samples = try NDArray((0..<301).map { Float($0 % 7) / 8 - 0.375 })
    let sound = try WaveFile(samples: samples, sampleRate: 44_100)
    for encoding in WaveFile.Encoding.allCases {
      let read = try WaveFile(parsing: sound.encoded(as: encoding), location: "x")
      #expect(read.samples.floats == samples.floats && read.sampleRate == 44_100)
    }
  }

  private static let widths: [(Int, [UInt8])] = [
    (8, [0, 128, 192]), (24, [0, 0, 128, 0, 0, 0, 0, 0, 64]),
    (32, [0, 0, 0, 128, 0, 0, 0, 0, 0, 0, 0, 64]),
  ]

  /// PCM of other widths, by hand: 8 bits are unsigned, 24 and 32 are signed.
  @Test(arguments: WaveTests.widths)
  func readsWidths(_ bits: Int, _ data: [UInt8]) throws {
    var file = Array(WaveTests.fromPython.prefix(44))
    file[22] = 1
    file[34] = UInt8(bits)
    file[40] = UInt8(data.count)
    let sound = try WaveFile(parsing: file + data, location: "x")
    #expect(sound.samples.floats == [-1, 0, 0.5])
  }

  @Test func filesThatLie() {
    let good = WaveTests.fromPython
    for count in 0..<44 {
      #expect(throws: DataError.self) {
        try WaveFile(parsing: Array(good.prefix(count)), location: "x")
      }
    }
    var state: UInt64 = 1
    for _ in 0..<3000 {
      var file = good
      for _ in 0..<3 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        file[Int(state >> 40) % file.count] = UInt8(truncatingIfNeeded: state >> 33)
      }
      _ = try? WaveFile(parsing: file, location: "x")
    }
  }
}
