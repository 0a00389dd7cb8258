// JPEG files, sizes and folders of pictures, beside what PIL makes of them.

import MartletData
import MartletExecution
import MartletIR
import MartletTraining
import Testing

@Suite struct ImageFileTests {
  func bytes(_ name: String) throws -> [UInt8] { try fixture("images/\(name)") }

  func png(_ name: String) throws -> PixelImage {
    try PixelImage(pngData: bytes("\(name).png"), location: name)
  }

  @Test(arguments: ["baseline", "full", "progressive", "gray"])
  func decodesAsPILDoes(_ name: String) throws {
    let image = try PixelImage(data: bytes("\(name).jpg"), location: name)
    #expect(try image == png(name))
    #expect(image.channels == (name == "gray" ? 1 : 3))
  }

  @Test func refusesDamagedPictures() throws {
    let good = try bytes("baseline.jpg")
    // Cut anywhere, a JPEG file has no end: libjpeg would fill it up with gray.
    for count in stride(from: 3, to: good.count - 2, by: 7) {
      _ = dataError(.wrongFormat) {
        _ = try PixelImage(jpegData: Array(good[..<count]), location: "cut.jpg")
      }
    }
    let error = dataError(.wrongFormat) {
      _ = try PixelImage(jpegData: Array(good[..<300]), location: "cut.jpg")
    }
    #expect(error?.location == "cut.jpg" && error?.got?.hasPrefix("libjpeg: ") == true)
    _ = dataError(.unsupported) {
      _ = try PixelImage(jpegData: bytes("cmyk.jpg"), location: "cmyk.jpg")
    }
    // The frame header's sizes: 65,500 × 65,500 pixels are refused before there is memory for them.
    var huge = good
    let frame = try #require(
      huge.indices.dropLast(9).first { huge[$0] == 0xff && huge[$0 + 1] == 0xc0 })
    huge.replaceSubrange((frame + 5)..<(frame + 9), with: [0xff, 0xdc, 0xff, 0xdc])
    _ = dataError(.tooLarge) { _ = try PixelImage(jpegData: huge, location: "huge.jpg") }
    for text in ["", "GIF89a", "\u{ff}"] {
      _ = dataError(.wrongFormat) { _ = try PixelImage(data: Array(text.utf8), location: "x") }
      _ = dataError(.wrongFormat) { _ = try PixelImage(jpegData: Array(text.utf8), location: "x") }
    }
  }

  @Test(arguments: [
    ("bilinear-small", PixelImage.Filter.bilinear), ("bilinear-large", .bilinear),
    ("area-third", .area),
  ]) func resizesAsPILDoes(_ name: String, _ filter: PixelImage.Filter) throws {
    let expected = try png(name)
    let image = try png("source").resized(
      width: expected.width, height: expected.height, filter: filter)
    // PIL rounds to bytes between its two passes.
    let worst = zip(image.pixels, expected.pixels).map { abs(Int($0) - Int($1)) }.max()
    #expect((worst ?? 99) <= 1)
  }

  @Test func areasAreWeighedByTheirParts() throws {
    // 5 → 2 pixels: the middle one belongs to both by halves.
    let row = try PixelImage(width: 5, height: 1, pixels: [10, 20, 30, 40, 50])
    #expect(try row.resized(width: 2, height: 1, filter: .area).pixels == [18, 42])
    #expect(
      try row.resized(width: 10, height: 1, filter: .area).pixels
        == [10, 10, 20, 20, 30, 30, 40, 40, 50, 50])
  }

  // A folder with two classes; `damage` is called with it before it is read.
  func folder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for name in ["dogs", "cats", ".hidden"] { try makeDirectory(folder.file(name)) }
    _ = try folder.write(bytes("source.png"), "dogs/b.PNG")
    _ = try folder.write(bytes("baseline.jpg"), "dogs/a.jpg")
    _ = try folder.write(bytes("gray.jpg"), "cats/1.jpeg")
    _ = try folder.write(Array("notes".utf8), "cats/notes.txt")
    _ = try folder.write(Array("notes".utf8), "cats/.x.png")
    return folder
  }

  @Test func aFolderIsASet() throws {
    let folder = try folder()
    let set = try ImageFolder(folder.path, height: 21, width: 33, fit: .exact)
    #expect(set.classNames == ["cats", "dogs"] && set.count == 3)
    #expect(
      set.files.map { $0.dropFirst(folder.path.count) } == [
        "/cats/1.jpeg", "/dogs/a.jpg", "/dogs/b.PNG",
      ])
    let batch = try set.batch([2, 0])
    #expect(try batch[1].elements(as: Int32.self) == [1, 0])
    let source = try png("source").pixels.map { Float($0) / 255 }
    #expect(Array(batch[0].floats[..<source.count]) == source)
    // Read at once, the very same numbers; augmented ones too.
    var moved = set
    moved.augmentation = AugmentationTests.everything
    let all = try set.loaded().examples(augmentation: AugmentationTests.everything)
    #expect(try moved.batch([1, 2], seed: 1)[0].floats == all.batch([1, 2], seed: 1)[0].floats)
    #expect(try set.classLabels() == [0, 1, 1])
    _ = dataError(.tooLarge) { _ = try set.loaded(limit: 6000) }
    let chosen = try ImageFolder(folder.path, height: 8, width: 8, channels: 1, classes: ["dogs"])
    #expect(try chosen.batch([0])[0].shape == [1, 8, 8, 1])
  }

  @Test func picturesAreFitted() throws {
    let folder = try folder()
    func image(_ fit: ImageFolder.Fit, _ height: Int, _ width: Int) throws -> PixelImage {
      try ImageFolder(folder.path, height: height, width: width, fit: fit).image(2)
    }
    let source = try png("source")
    #expect(try image(.stretch, 10, 14) == source.resized(width: 14, height: 10))
    // 33 × 21 into 21 × 21: six columns fall away left and right, no pixel is scaled.
    let crop = try image(.crop, 21, 21)
    #expect(crop.pixels[0..<63] == source.pixels[18..<81])
    // Into 33 × 33: six rows of black above and below.
    let pad = try image(.pad, 33, 33)
    #expect(Array(pad.pixels[(6 * 99)..<(27 * 99)]) == source.pixels)
    #expect(pad.pixels[..<(6 * 99)].allSatisfy { $0 == 0 })
    let error = dataError(.mismatch) { _ = try image(.exact, 20, 33) }
    #expect(error?.location.hasSuffix("/dogs/b.PNG") == true && error?.got == "33 × 21")
    // Extreme proportions.
    let thin = try PixelImage(
      width: 2000, height: 1, channels: 3, pixels: Array(repeating: 5, count: 6000))
    _ = try folder.write(thin.pngData(), "dogs/z.png")
    for fit in [ImageFolder.Fit.crop, .pad, .stretch] {
      let set = try ImageFolder(folder.path, height: 7, width: 9, fit: fit)
      #expect(try set.image(3).pixels.count == 7 * 9 * 3)
    }
  }

  @Test func namesTheBadFile() throws {
    let folder = try folder()
    _ = try folder.write(Array("<html>".utf8), "cats/2.png")
    _ = try folder.write(Array(bytes("baseline.jpg").prefix(300)), "dogs/c.jpg")
    let set = try ImageFolder(folder.path, height: 8, width: 8)
    for (index, name) in [(1, "/cats/2.png"), (4, "/dogs/c.jpg")] {
      let error = dataError(.wrongFormat) { _ = try set.batch([0, index]) }
      #expect(error?.location.hasSuffix(name) == true)
    }
    _ = dataError(.wrongFormat) { _ = try set.loaded() }
    try makeDirectory(folder.file("empty"))
    let error = dataError(.notFound) { _ = try ImageFolder(folder.path, height: 8, width: 8) }
    #expect(error?.location.hasSuffix("/empty") == true)
    _ = dataError(.notFound) { _ = try ImageFolder(folder.file("none"), height: 8, width: 8) }
    _ = dataError(.notFound) { _ = try ImageFolder(folder.file("cats"), height: 8, width: 8) }
    _ = dataError(.outOfRange) { _ = try ImageFolder(folder.path, height: 0, width: 8) }
    _ = dataError(.outOfRange) {
      _ = try ImageFolder(folder.path, height: 8, width: 8, channels: 2)
    }
    _ = dataError(.outOfRange) { _ = try set.image(-1) }
  }

  @Test func noMutationTraps() throws {
    var random = FixedRandom(state: 1992)
    let files = try ["baseline.jpg", "progressive.jpg", "gray.jpg", "source.png"].map(bytes)
    var read = 0
    for round in 0..<(200 * slowFactor) {
      let data = random.damaged(files[round % files.count])
      if let image = try? PixelImage(data: data, location: "fuzz") {
        read += 1
        #expect(image.pixels.count == image.width * image.height * image.channels)
      }
    }
    #expect(read > 5)
  }
}
