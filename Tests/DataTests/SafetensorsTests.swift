// safetensors: agreement with the reference implementation, and files that lie.

import MartletExecution
import MartletIR
import Testing

@Suite struct SafetensorsTests {
  func bytes(_ array: NDArray) -> [UInt8] { array.withUnsafeBytes { Array($0) } }

  func named(_ name: String, _ arrays: [NamedArray]) throws -> NDArray {
    try #require(arrays.first { $0.name.utf8.elementsEqual(name.utf8) }).array
  }

  func file(_ header: String, _ data: [UInt8] = []) -> [UInt8] {
    let count = header.utf8.count
    return (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + Array(header.utf8) + data
  }

  func load(_ bytes: [UInt8]) throws -> [NamedArray] {
    let folder = try TemporaryFolder()
    return try Safetensors.load(folder.write(bytes, "x.safetensors"))
  }

  @Test func readsPythonsFile() throws {
    let arrays = try load(fixture("python.safetensors"))
    #expect(arrays.count == 17)
    #expect(try named("float32", arrays).type == TensorType(.float32, [2, 3]))
    for kind in ["float64", "float32", "float16", "int64", "int32", "int16", "int8"] {
      #expect(try named(kind, arrays).doubles == [-3, -2, -1, 0, 1, 2])
    }
    for kind in ["uint64", "uint32", "uint16", "uint8"] {
      #expect(try named(kind, arrays).doubles == [0, 1, 2, 3, 4, 5])
    }
    #expect(try named("bool", arrays).doubles == [1, 0, 1])
    #expect(try named("scalar", arrays).type == TensorType(.float32, []))
    #expect(try named("scalar", arrays).doubles == [0.5])
    #expect(try named("empty", arrays).shape == [0, 4])
    #expect(try named("Schicht.größe \"q\"\\\n\u{e9}", arrays).doubles == [1.5])
    #expect(try named("Schicht.größe \"q\"\\\ne\u{301}", arrays).doubles == [2.5])
    #expect(try named("层.0/权重 🐦", arrays).floats.map(\.bitPattern) == [0x8000_0000, 0x7f80_0000])
  }

  @Test func writesPythonsFileByteForByte() throws {
    let folder = try TemporaryFolder()
    let original = try fixture("python.safetensors")
    let arrays = try Safetensors.load(folder.write(original, "python.safetensors"))
    let copy = folder.file("copy.safetensors")
    try Safetensors.save(
      arrays.reversed(), metadata: ["made by": "safetensors \u{2014} Python"], to: copy)
    #expect(try FileSystem.read(copy, limit: 1 << 20) == original)
  }

  /// bfloat16 and float16 of every kind, as PyTorch wrote them, what it takes them for in float32, and
  /// back into the very bytes of the file.
  @Test func halvesAreThoseOfPyTorch() throws {
    let folder = try TemporaryFolder()
    let original = try fixture("halves.safetensors")
    let arrays = try Safetensors.load(folder.write(original, "halves.safetensors"))
    #expect(arrays.count == 9)
    for (kind, dtype) in [("bfloat16", DType.bfloat16), ("float16", .float16)] {
      let all = try named("\(kind).all", arrays)
      #expect(all.type == TensorType(dtype, [1085]))
      let single = try named("\(kind).all.float32", arrays).floats
      for (place, (x, y)) in zip(all.floats, single).enumerated() {
        #expect(
          x.bitPattern == y.bitPattern || x.isNaN && y.isNaN,
          "\(kind), element \(place): \(x), PyTorch \(y)")
      }
      // Rounded from float32 to the bits that PyTorch rounds to.
      let source = try named("single", arrays)
      let rounded = try NDArray(HostArray(TensorType(dtype, source.shape), source.doubles))
      #expect(bytes(rounded) == bytes(try named("\(kind).rounded", arrays)))
    }
    #expect(try named("bfloat16.scalar", arrays).doubles == [-2.5])
    #expect(try named("float16.empty", arrays).type == TensorType(.float16, [3, 0]))
    let copy = folder.file("copy.safetensors")
    try Safetensors.save(arrays.reversed(), to: copy)
    #expect(try FileSystem.read(copy, limit: 1 << 20) == original)
  }

  @Test func alignsDataAndReadsItself() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.safetensors")
    let weights = [
      NamedArray("w", try NDArray([[1, 2.5], [-3, .infinity]] as [[Float]])),
      NamedArray("flags", try NDArray([true, false, true])),
      NamedArray("steps", try NDArray(scalar: Int64.min)),
    ]
    for extra in 0..<9 {
      let padding = NamedArray(
        String(repeating: "n", count: extra + 1), try NDArray([1] as [UInt8]))
      try Safetensors.save(weights + [padding], to: path)
      let file = try FileSystem.read(path, limit: 1 << 20)
      #expect(file[0] % 8 == 0 && file[1...7].allSatisfy { $0 == 0 || $0 == 1 })
      let read = try Safetensors.load(path)
      for weight in weights {
        let array = try named(weight.name, read)
        #expect(array.type == weight.array.type)
        #expect(bytes(array) == bytes(weight.array))
      }
    }
    #expect(FileSystem.names(in: folder.path) == ["a.safetensors"])
    try Safetensors.save([], to: path)
    #expect(try Safetensors.load(path).isEmpty)
  }

  @Test func refusesEqualNames() throws {
    let folder = try TemporaryFolder()
    let one = try NDArray([1] as [Float])
    let path = folder.file("a.safetensors")
    _ = dataError(.mismatch) {
      try Safetensors.save([NamedArray("a", one), NamedArray("a", one)], to: path)
    }
    _ = dataError(.mismatch) { try Safetensors.save([NamedArray("__metadata__", one)], to: path) }
    #expect(FileSystem.names(in: folder.path) == [])
  }

  @Test func refusesUnwritablePlaces() throws {
    let folder = try TemporaryFolder()
    let one = [NamedArray("a", try NDArray([1] as [Float]))]
    _ = dataError(.notWritable) { try Safetensors.save(one, to: folder.file("no/such/folder")) }
    _ = dataError(.notWritable) { try Safetensors.save(one, to: "/proc/weights") }
    _ = dataError(.notWritable) { try Safetensors.save(one, to: folder.path) }
    #expect(FileSystem.names(in: folder.path) == [])
  }

  @Test func refusesWhatIsNoFile() throws {
    let folder = try TemporaryFolder()
    _ = dataError(.notFound) { _ = try Safetensors.load(folder.file("none")) }
    _ = dataError(.notReadable) { _ = try Safetensors.load(folder.path) }
    _ = dataError(.notReadable) { _ = try Safetensors.load("/dev/zero") }
  }

  static let zeros8 = [UInt8](repeating: 0, count: 8)
  static func entry(_ offsets: String, _ shape: String = "[2]", _ dtype: String = "F32") -> String {
    #"{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}"#
  }

  @Test(
    arguments: [
      (#"{"a":\#(entry("[0,8]"))}"#, 8, nil),
      (#"{"a":\#(entry("[0,8]"))}   "#, 8, nil),
      ("{}", 0, nil),
      (#"{"a":\#(entry("[0,8]"))}"#, 7, .truncated),
      (#"{"a":\#(entry("[0,8]"))}"#, 9, .wrongFormat),
      (#"{"a":\#(entry("[0,4]"))}"#, 4, .wrongFormat),
      (#"{"a":\#(entry("[8,0]"))}"#, 8, .wrongFormat),
      (#"{"a":\#(entry("[1,9]"))}"#, 9, .wrongFormat),
      (#"{"a":\#(entry("[-8,0]"))}"#, 8, .wrongFormat),
      (#"{"a":\#(entry("[0.0,8]"))}"#, 8, .wrongFormat),
      (#"{"a":\#(entry("[0,8,8]"))}"#, 8, .wrongFormat),
      (#"{"a":\#(entry("[0,8]", "[-2]"))}"#, 8, .wrongFormat),
      (#"{"a":\#(entry("[0,8]", "[4611686018427387904,8]"))}"#, 8, .wrongFormat),
      (#"{"a":\#(entry("[0,8]", "[4611686018427387904]"))}"#, 8, .wrongFormat),
      (#"{"a":\#(entry("[0,8]", "[9223372036854775808]"))}"#, 8, .wrongFormat),
      (#"{"a":\#(entry("[0,8]", "2"))}"#, 8, .wrongFormat),
      (#"{"a":\#(entry("[0,8]", "[2]", "F8_E4M3"))}"#, 8, .unsupported),
      (#"{"a":\#(entry("[0,8]", "[2]", "f32"))}"#, 8, .unsupported),
      (#"{"a":\#(entry("[0,8]")),"b":\#(entry("[0,8]"))}"#, 8, .wrongFormat),
      (#"{"a":\#(entry("[0,8]")),"b":\#(entry("[4,12]"))}"#, 12, .wrongFormat),
      (#"{"a":\#(entry("[0,8]")),"b":\#(entry("[12,20]"))}"#, 20, .wrongFormat),
      (#"{"a":\#(entry("[0,8]")),"a":\#(entry("[8,16]"))}"#, 16, .wrongFormat),
      (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}"#, 8, .wrongFormat),
      (#"{"a":{"shape":[2],"data_offsets":[0,8]}}"#, 8, .wrongFormat),
      (#"{"a":{"dtype":"F32","data_offsets":[0,8]}}"#, 8, .wrongFormat),
      (#"{"a":{"dtype":"F32","shape":[2]}}"#, 8, .wrongFormat),
      (#"{"a":1}"#, 8, .wrongFormat),
      (#"{"__metadata__":{"a":1}}"#, 0, .wrongFormat),
      (#"{"__metadata__":[]}"#, 0, .wrongFormat),
      (#" {"a":\#(entry("[0,8]"))}"#, 8, .wrongFormat),
      ("[]", 0, .wrongFormat),
      ("", 0, .wrongFormat),
    ] as [(String, Int, DataError.Code?)])
  func checksHeaders(_ header: String, _ size: Int, _ code: DataError.Code?) throws {
    let bytes = file(header, [UInt8](repeating: 0, count: size))
    if let code {
      _ = dataError(code) { _ = try load(bytes) }
    } else {
      _ = try load(bytes)
    }
  }

  @Test func checksTheHeadersLengthBeforeReadingIt() throws {
    _ = dataError(.truncated) { _ = try load([]) }
    _ = dataError(.truncated) { _ = try load([2, 0, 0, 0, 0, 0, 0]) }
    _ = dataError(.truncated) { _ = try load([3, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d]) }
    _ = dataError(.wrongFormat) { _ = try load([UInt8](repeating: 0xff, count: 16)) }
    _ = dataError(.truncated) { _ = try load([0, 0, 0, 5, 0, 0, 0, 0] + Self.zeros8) }
  }

  @Test func refusesBoolsThatAreNone() throws {
    let header = #"{"a":\#(Self.entry("[0,2]", "[2]", "BOOL"))}"#
    #expect(try load(file(header, [0, 1]))[0].array.doubles == [0, 1])
    let error = dataError(.outOfRange) { _ = try load(file(header, [1, 2])) }
    #expect(error?.location.contains("element 1") == true)
  }

  @Test func messagesCarryNoControlCharacters() throws {
    let header = #"{"a\u001b[31m\n\n\n\n\n\n\n\u202e":1}"#
    let error = dataError(.wrongFormat) { _ = try load(file(header)) }
    let text = try #require(error).description
    #expect(text.contains(#"a\u{1b}[31m\u{a}"#))
    #expect(!text.unicodeScalars.contains { $0.value == 0x1b || $0.value == 0x202e })
  }
}
