// Image files that a model reads: the formats without compression, cut, changed, and added ones.

import MartletExecution
import MartletIR
import MartletONNX
import MartletONNXFormat
import MartletOps
import Testing

@Suite struct ImageDecoderTests {
  /// Two rows of three pixels: red, green, blue; black, gray, white.
  private static let pixels: [UInt8] = [
    255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 128, 128, 128, 255, 255, 255,
  ]

  private static func little(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  private static func row(_ index: Int) -> [UInt8] { Array(pixels[(index * 9)..<(index * 9 + 9)]) }

  private static var bitmap: [UInt8] {
    var rows: [UInt8] = []
    for row in [row(1), row(0)] {
      // Blue first, and three bytes to a multiple of four.
      for pixel in 0..<3 { rows += row[(3 * pixel)..<(3 * pixel + 3)].reversed() }
      rows += [0, 0, 0]
    }
    var file: [UInt8] = [0x42, 0x4D]
    for (value, count) in [
      (54 + rows.count, 4), (0, 4), (54, 4), (40, 4), (3, 4), (2, 4), (1, 2), (24, 2),
    ] {
      file += little(value, count)
    }
    return file + [UInt8](repeating: 0, count: 24) + rows
  }

  private static var portable: [UInt8] { Array("P6\n# three wide\n3 2\n255\n".utf8) + pixels }

  private static var digits: [UInt8] {
    let numbers = pixels.map { "\($0)" }.joined(separator: "\n")
    return Array(("P3 3 2 255 " + numbers).utf8)
  }

  private static var tagged: [UInt8] {
    let tags: [(Int, Int, Int, Int)] = [
      (256, 3, 1, 3), (257, 3, 1, 2), (258, 3, 3, 122), (259, 3, 1, 1), (262, 3, 1, 2),
      (273, 4, 1, 128), (277, 3, 1, 3), (278, 3, 1, 2), (279, 4, 1, 18),
    ]
    var file: [UInt8] = [0x49, 0x49, 42, 0]
    file += little(8, 4)
    file += little(tags.count, 2)
    for (tag, kind, count, value) in tags {
      file += little(tag, 2)
      file += little(kind, 2)
      file += little(count, 4)
      file += little(value, 4)
    }
    file += little(0, 4)
    file += [8, 0, 8, 0, 8, 0]
    return file + pixels
  }

  private func decoded(
    _ file: [UInt8], _ format: String = "RGB", limits: ONNXLimits = ONNXLimits()
  ) throws -> NDArray? {
    var decoder = node("ImageDecoder", ["file"], ["y"], name: "decoder")
    var attribute = OnnxAttributeProto()
    (attribute.name, attribute.type, attribute.s) = ("pixel_format", .string, .init(format.utf8))
    decoder.attribute = [attribute]
    let made = try model(
      [decoder], inputs: [("file", .uint8, [.symbolic("n")])], outputs: ["y"])
    return try made.run(["file": try NDArray(file)])["y"]
  }

  @Test func formatsGiveTheirPixels() throws {
    for (name, file) in [
      ("bmp", Self.bitmap), ("pnm", Self.portable), ("digits", Self.digits), ("tiff", Self.tagged),
    ] {
      let image = try #require(try decoded(file), "\(name)")
      #expect(image.shape == [2, 3, 3] && image.dtype == .uint8, "\(name)")
      #expect(image.hostArray.bytePatterns == Self.pixels, "\(name)")
      let turned = try #require(try decoded(file, "BGR"))
      #expect(turned.hostArray.bytePatterns.prefix(3) == [0, 0, 255], "\(name)")
      // As Pillow has it.
      let gray = try #require(try decoded(file, "Grayscale"))
      #expect(gray.shape == [2, 3, 1])
      #expect(gray.hostArray.bytePatterns == [76, 150, 29, 0, 128, 255], "\(name)")
    }
  }

  @Test func damagedFilesAreRefused() throws {
    for file in [Self.bitmap, Self.portable, Self.digits, Self.tagged] {
      for count in 0..<file.count - 1 {
        // Without its last byte the text of digits has another last number.
        if let image = try? decoded(Array(file.prefix(count))) {
          #expect(image.hostArray.bytePatterns.prefix(15) == Self.pixels.prefix(15))
        }
      }
      var state: UInt64 = 9
      for _ in 0..<300 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        var changed = file
        changed[Int((state >> 33) % UInt64(file.count))] = UInt8(truncatingIfNeeded: state >> 24)
        _ = try? decoded(changed)
      }
    }
    let error = #expect(throws: ONNXError.self) { try decoded([0x52, 0x49, 0x46, 0x46, 0]) }
    #expect(error?.code == .unsupported && error?.node.contains("decoder") ?? false)
    // 2³¹ pixels in eleven bytes.
    let huge = #expect(throws: ONNXError.self) {
      try decoded(Array("P6 65536 32768 255\n".utf8))
    }
    #expect(
      huge?.message.contains("cut short") ?? false || huge?.message.contains("pixels") ?? false)
  }

  @Test func programsAddFormats() throws {
    ONNXImages.add { file, _ in
      guard file.starts(with: [0xAA, 0xBB]) else { return nil }
      return ONNXImages.Pixels(width: 1, height: 1, channels: 1, bytes: [7])
    }
    #expect(try decoded([0xAA, 0xBB])?.hostArray.bytePatterns == [7, 7, 7])
  }
}
