// PNG files and the way from a picture to a model's input.

import MartletData
import MartletExecution
import Testing

@Suite struct PNGTests {
  func image(_ width: Int, _ height: Int, _ channels: Int) throws -> PixelImage {
    try PixelImage(
      width: width, height: height, channels: channels,
      pixels: (0..<(width * height * channels)).map { UInt8(truncatingIfNeeded: $0 * 11 + 3) })
  }

  @Test(arguments: [1, 2, 3, 4]) func readsWhatItWrites(_ channels: Int) throws {
    let folder = try TemporaryFolder()
    let original = try image(7, 5, channels)
    try original.writePNG(to: folder.file("a.png"))
    #expect(try PixelImage(png: folder.file("a.png")) == original)
  }

  // Written by libpng's own tools and by Python, see scripts/make-png-fixtures.py: a ramp
  // 0, 17, 34 … 255 of 16 × 1 pixels.
  @Test(arguments: [
    "gray1", "gray2", "gray4", "gray8", "gray16", "palette8", "rgb8", "rgb16", "interlaced",
  ])
  func readsEveryDepth(_ name: String) throws {
    let png = try PixelImage(pngData: fixture("\(name).png"), location: name)
    #expect([png.width, png.height] == [16, 1])
    let steps = name == "gray1" ? 1 : name == "gray2" ? 3 : 15
    let expected = (0..<16).map { UInt8($0 * steps / 15 * 255 / steps) }
    #expect(png.gray().pixels == expected)
  }

  @Test func compositesByTheInk() throws {
    // A dark stroke and a light one, each on nothing: both stay visible.
    let dark = try PixelImage(width: 2, height: 1, channels: 2, pixels: [0, 255, 9, 0])
    #expect(dark.gray().pixels == [0, 255])
    let light = try PixelImage(width: 2, height: 1, channels: 2, pixels: [255, 255, 9, 0])
    #expect(light.gray().pixels == [255, 0])
    let color = try PixelImage(width: 1, height: 1, channels: 3, pixels: [255, 0, 0])
    #expect(color.gray().pixels == [54])
  }

  @Test func invertsLightBackgrounds() throws {
    let digit = try Dataset.mnist5k().test.images.prefix(784)
    let dark = try PixelImage(width: 28, height: 28, pixels: Array(digit))
    #expect(!dark.hasLightBackground && dark.inverted().hasLightBackground)
    #expect(try dark.modelInput() == dark)
    #expect(try dark.inverted().modelInput() == dark)
  }

  @Test func fitsAndCentres() throws {
    // A white bar of 60 × 200 on black 100 × 400: 7 × 28 in the middle of 28 × 28.
    var pixels = [UInt8](repeating: 0, count: 40_000)
    for y in 100..<300 { for x in 20..<80 { pixels[y * 100 + x] = 255 } }
    let input = try PixelImage(width: 100, height: 400, pixels: pixels).modelInput()
    #expect([input.width, input.height, input.channels] == [28, 28, 1])
    #expect(input.pixels[14 * 28 + 13] == 255)
    #expect(input.pixels[14 * 28 + 5] == 0 && input.pixels[2 * 28 + 13] == 0)
    let ink = input.pixels.reduce(0) { $0 + Int($1) }
    #expect(abs(Double(ink) / 255 - 60 * 200 * 0.07 * 0.07) < 3)
    let tiny = try PixelImage(width: 1, height: 1, pixels: [90]).modelInput()
    #expect(tiny.pixels.allSatisfy { $0 == 90 })
    let flat = try image(3, 900, 1).modelInput(height: 5, width: 9)
    #expect([flat.width, flat.height] == [9, 5])
  }

  @Test func resizingKeepsFlatPicturesFlat() throws {
    let flat = try PixelImage(
      width: 13, height: 9, channels: 3, pixels: [UInt8](repeating: 77, count: 351))
    for (width, height) in [(1, 1), (5, 30), (40, 2), (13, 9)] {
      let result = try flat.resized(width: width, height: height)
      #expect(result.pixels == [UInt8](repeating: 77, count: width * height * 3))
    }
    let same = try image(13, 9, 2)
    #expect(try same.resized(width: 13, height: 9) == same)
    _ = dataError(.tooLarge) { _ = try same.resized(width: 0, height: 5) }
    _ = dataError(.tooLarge) { _ = try same.resized(width: .max, height: .max) }
  }

  @Test func refusesWhatIsNoPicture() throws {
    let folder = try TemporaryFolder()
    _ = dataError(.notFound) { _ = try PixelImage(png: folder.file("none.png")) }
    _ = dataError(.notReadable) { _ = try PixelImage(png: folder.path) }
    let error = dataError(.wrongFormat) {
      _ = try PixelImage(pngData: Array("GIF89a".utf8), location: "cat.png")
    }
    #expect(
      error?.description == """
        not a PNG file
          in cat.png
          got another signature
          hint: convert the picture to PNG
        """)
    _ = dataError(.wrongFormat) { _ = try PixelImage(pngData: [], location: "x") }
    // The announcement of 100,000 × 100,000 pixels in a file of 100 bytes.
    var bytes = try image(4, 4, 1).pngData()
    bytes.replaceSubrange(16..<24, with: uint32(100_000) + uint32(100_000))
    var crc = ~UInt32(0)
    for byte in bytes[12..<29] {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xedb8_8320 : 0) }
    }
    bytes.replaceSubrange(29..<33, with: uint32(Int(~crc)))
    _ = dataError(.tooLarge) { _ = try PixelImage(pngData: bytes, location: "bomb") }
    _ = dataError(.mismatch) { _ = try PixelImage(width: 2, height: 2, pixels: [1]) }
    _ = dataError(.tooLarge) { _ = try PixelImage(width: .max, height: .max, pixels: [1]) }
    _ = dataError(.tooLarge) { _ = try PixelImage(width: 0, height: 2, pixels: []) }
  }

  @Test func refusesEveryTruncation() throws {
    // The last twelve bytes are the end marker; without it the picture itself is whole.
    let bytes = try image(9, 9, 3).pngData()
    for count in 0..<(bytes.count - 12) {
      _ = dataError(.wrongFormat) {
        _ = try PixelImage(pngData: Array(bytes[..<count]), location: "cut")
      }
    }
  }

  @Test func survivesDamage() throws {
    var random = FixedRandom(state: 7)
    let files = try ["gray1", "palette8", "rgb16", "interlaced"].map { try fixture("\($0).png") }
    for round in 0..<2000 * slowFactor {
      let bytes = random.damaged(files[round % files.count])
      if let picture = try? PixelImage(pngData: bytes, location: "fuzz") {
        #expect(picture.pixels.count == picture.width * picture.height * picture.channels)
      }
    }
  }
}

@Suite struct SafetensorsFuzz {
  @Test func survivesDamage() throws {
    let folder = try TemporaryFolder()
    var random = FixedRandom(state: 99)
    let original = try fixture("python.safetensors")
    for _ in 0..<500 * slowFactor {
      let path = try folder.write(random.damaged(original), "x.safetensors")
      do throws(DataError) {
        for item in try Safetensors.load(path) { #expect(item.array.count >= 0) }
      } catch {
        #expect(error.description.split(separator: "\n").count <= 6)
      }
    }
  }
}
