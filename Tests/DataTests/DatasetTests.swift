// IDX files and data sets: what is embedded, what is installed, and what lies.

import MartletData
import MartletExecution
import Testing

@Suite struct DatasetTests {
  @Test func embedsFiveThousandDigits() throws {
    let digits = try Dataset.mnist5k()
    #expect(digits.train.count == 4000 && digits.test.count == 1000)
    #expect(digits.train.images.count == 4000 * 784)
    #expect([digits.train.height, digits.train.width, digits.train.channels] == [28, 28, 1])
    #expect(digits.classNames == ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"])
    for (split, each) in [(digits.train, 400), (digits.test, 100)] {
      for label in 0..<10 { #expect(split.labels.count { $0 == Int32(label) } == each) }
      // Mixed, not sorted: the first hundred hold every class.
      #expect(Set(split.labels.prefix(100)).count == 10)
    }
    // FNV-1a of all bytes: the files are those that scripts/make-mnist5k.py made.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in digits.train.images + digits.test.images {
      hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
    }
    #expect(hash == 0x936f_4af2_8b20_2db1)
  }

  @Test(.enabled(if: FileSystem.isDirectory("/usr/share/datasets/fashion-mnist")))
  func readsFashionMNIST() throws {
    let fashion = try Dataset.named("fashion-mnist")
    #expect(fashion.train.count == 60_000 && fashion.test.count == 10_000)
    #expect(fashion.classNames[9] == "ankle boot" && fashion.train.labels[0] == 9)
  }

  @Test func namesTheMissingPackage() {
    let error = dataError(.notFound) { _ = try Dataset.fashionMNIST(directory: "/no/such") }
    #expect(
      error?.description == """
        Fashion-MNIST is not installed
          in /no/such
          expected a directory
          hint: apt-get install dataset-fashion-mnist, or make data
        """)
    _ = dataError(.notFound) { _ = try Dataset.named("mnist6k") }
  }

  // A set of two images of 2 × 3 for training and one for testing, with one file replaced.
  func folder(_ name: String? = nil, _ bytes: [UInt8]? = nil) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    var files: [String: [UInt8]] = [
      "train-images-idx3-ubyte": idx([2, 2, 3], Array(0..<12)),
      "train-labels-idx1-ubyte": idx([2], [0, 4]),
      "t10k-images-idx3-ubyte": idx([1, 2, 3], Array(5..<11)),
      "t10k-labels-idx1-ubyte": idx([1], [3]),
    ]
    if let name { files[name] = bytes }
    for (name, bytes) in files { _ = try folder.write(bytes, name) }
    return folder
  }

  @Test func readsADirectory() throws {
    let folder = try folder()
    let set = try Dataset.named(folder.path)
    #expect(set.train.images == Array(0..<12) && set.train.labels == [0, 4])
    #expect(set.test.images == Array(5..<11) && set.test.labels == [3])
    #expect(set.classCount == 5)
  }

  @Test(
    arguments: [
      ("train-images-idx3-ubyte", nil, .notFound, "lacks a file"),
      ("train-images-idx3-ubyte", [], .truncated, "too short"),
      ("train-images-idx3-ubyte", idx([2, 2, 3], Array(0..<11)), .truncated, "truncated"),
      ("train-images-idx3-ubyte", idx([2, 2, 3], Array(0..<13)), .wrongFormat, "bytes follow"),
      ("train-images-idx3-ubyte", Array(idx([2, 2, 3], []).dropLast()), .truncated, "its header"),
      ("train-images-idx3-ubyte", idx([2], [0, 4]), .mismatch, "number of axes"),
      ("train-images-idx3-ubyte", idx([2, 2, 3], Array(0..<12), type: 0x0d), .unsupported, "type"),
      ("train-images-idx3-ubyte", Array("<!DOCTYPE html>".utf8), .wrongFormat, "not an IDX"),
      ("train-images-idx3-ubyte", idx([0xffff_ffff, 0xffff_ffff, 9], [1]), .tooLarge, "absurd"),
      ("train-images-idx3-ubyte", idx([0xffff_ffff, 784, 1], [1]), .truncated, "truncated"),
      ("train-images-idx3-ubyte", idx([3, 2, 2], Array(0..<12)), .mismatch, "differ in number"),
      ("train-images-idx3-ubyte", idx([2, 3, 2], Array(0..<12)), .mismatch, "differ in size"),
      ("train-images-idx3-ubyte", idx([2, 0, 3], []), .mismatch, "differ in size"),
      ("t10k-labels-idx1-ubyte", idx([1], [5]), .outOfRange, "label is out of range"),
      ("t10k-labels-idx1-ubyte", idx([1, 2, 3], Array(0..<6)), .mismatch, "number of axes"),
      ("t10k-labels-idx1-ubyte", idx([0], []), .mismatch, "differ in number"),
    ] as [(String, [UInt8]?, DataError.Code, String)])
  func refuses(_ name: String, _ bytes: [UInt8]?, _ code: DataError.Code, _ what: String) throws {
    let folder = try folder(name, bytes)
    let error = dataError(code) { _ = try Dataset(directory: folder.path) }
    #expect(error?.what.contains(what) == true, "\(error?.what ?? "")")
  }

  @Test func refusesEmptySets() throws {
    let none = try Dataset.Split(images: [], labels: [], height: 2, width: 3)
    let one = try Dataset.Split(images: Array(0..<6), labels: [0], height: 2, width: 3)
    _ = dataError(.truncated) {
      _ = try Dataset(name: "empty", train: none, test: one, classNames: ["a"])
    }
    _ = dataError(.outOfRange) {
      _ = try Dataset(
        name: "negative", train: one,
        test: Dataset.Split(images: Array(0..<6), labels: [-1], height: 2, width: 3),
        classNames: ["a"])
    }
    _ = dataError(.mismatch) {
      _ = try Dataset.Split(images: [1], labels: [0], height: 2, width: 3)
    }
    _ = dataError(.tooLarge) {
      _ = try Dataset.Split(images: [], labels: [0], height: .max, width: 3)
    }
  }

  // MARK: gzip

  // One stored block: gzip by hand, so that every field can lie.
  func gzip(_ bytes: [UInt8], checksum: UInt32? = nil) -> [UInt8] {
    var crc = ~UInt32(0)
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xedb8_8320 : 0) }
    }
    let count = UInt16(bytes.count)
    func little(_ x: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: x >> (8 * $0)) } }
    return [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1]
      + [UInt8(count & 255), UInt8(count >> 8), UInt8(~count & 255), UInt8(~count >> 8)]
      + bytes + little(checksum ?? ~crc) + little(UInt32(bytes.count))
  }

  func read(_ bytes: [UInt8], rank: Int = 1) throws -> IDXArray {
    let folder = try TemporaryFolder()
    return try IDXArray(contentsOf: folder.write(bytes, "x.gz"), rank: rank)
  }

  @Test func inflates() throws {
    let file = idx([5], [1, 2, 3, 4, 5])
    #expect(try read(gzip(file)).bytes == [1, 2, 3, 4, 5])
    // Members of a gzip file add up.
    #expect(try read(gzip(Array(file[..<3])) + gzip(Array(file[3...]))).bytes == [1, 2, 3, 4, 5])
    #expect(try read(gzip(idx([0], []))).shape == [0])
  }

  @Test func refusesDamagedGzip() throws {
    let file = idx([5], [1, 2, 3, 4, 5])
    let good = gzip(file)
    for count in 2..<good.count {
      _ = dataError(.truncated) { _ = try read(Array(good[..<count])) }
    }
    _ = dataError(.wrongFormat) { _ = try read(gzip(file, checksum: 1)) }
    _ = dataError(.wrongFormat) { _ = try read(good + [0]) }
    _ = dataError(.wrongFormat) { _ = try read(gzip(file + [6])) }
    _ = dataError(.truncated) { _ = try read(gzip(Array(file.dropLast()))) }
    // A bomb's announcement: 4 GB from a few bytes.
    _ = dataError(.truncated) { _ = try read(gzip(idx([0xffff_ffff], [1, 2, 3]))) }
    _ = dataError(.wrongFormat) { _ = try read([0x1f, 0x8b] + [UInt8](repeating: 7, count: 50)) }
  }

  // MARK: Fuzz

  @Test func survivesDamage() throws {
    var random = FixedRandom(state: 42)
    let images = idx([4, 5, 6], Array(0..<120))
    var accepted = 0
    for round in 0..<3000 * slowFactor {
      let bytes = random.damaged(round % 2 == 0 ? images : gzip(images))
      do throws(DataError) {
        let array = try IDXArray.parse(bytes, rank: 3, location: "fuzz")
        #expect(array.bytes.count == array.shape.reduce(1, *))
        accepted += 1
      } catch {
        #expect(error.description.split(separator: "\n").count <= 6)
      }
    }
    // Flipped pixels of a plain file cannot be told from others; most damage can.
    #expect(accepted < 1500 * slowFactor)
  }
}
