// .npy and .npz: what NumPy writes is read, what is written reads back, what lies is refused.

import MartletData
import MartletExecution
import MartletIR
import Testing

@Suite struct NumPyTests {
  func file(_ name: String) throws -> [UInt8] { try fixture("numpy/\(name)") }

  // Element i of the fixtures; see scripts/make-npy-fixtures.py.
  func expected(_ type: TensorType) -> [Double] {
    (0..<type.count).map {
      type.dtype == .bool ? Double($0 % 2) : type.dtype.isUnsigned ? Double($0) : Double($0 - 5)
    }
  }

  @Test(arguments: [
    ("f8", "f64[2,3]"), ("f4", "f32[2,3]"), ("f2", "f16[2,3]"), ("i1", "i8[2,3]"),
    ("i2", "i16[2,3]"), ("i4", "i32[2,3]"), ("i8", "i64[2,3]"), ("u1", "u8[2,3]"),
    ("u2", "u16[2,3]"), ("u4", "u32[2,3]"), ("u8", "u64[2,3]"), ("b1", "bool[2,3]"),
    ("big-f8", "f64[2,3]"), ("big-f4", "f32[2,3]"), ("big-f2", "f16[2,3]"),
    ("big-i2", "i16[2,3]"), ("big-i8", "i64[2,3]"), ("big-u4", "u32[2,3]"),
    ("fortran", "f32[2,3,4]"), ("fortran-big", "i32[3,5]"), ("scalar", "f32[]"),
    ("vector", "f32[7]"), ("empty", "f32[0,3]"), ("version2", "f32[2,3]"),
    ("version3", "f32[2,3]"),
  ]) func readsNumPys(_ name: String, _ type: String) throws {
    let bytes = try file("\(name).npy")
    let array = try Npy.decode(bytes, location: name)
    #expect(array.type.description == type)
    #expect(array.doubles == expected(array.type))
    let folder = try TemporaryFolder()
    #expect(try Npy.load(folder.write(bytes, "x.npy")).doubles == array.doubles)
    // Written as NumPy writes it, byte by byte, where it was in our order already.
    let again = Npy.encode(array)
    if !name.contains("-"), name != "fortran", !name.hasPrefix("version") {
      #expect(again == bytes)
    }
    try Npy.save(array, to: folder.file("y.npy"))
    #expect(try FileSystem.read(folder.file("y.npy"), limit: 1 << 20) == again)
    #expect(try Npy.decode(again, location: "again").doubles == array.doubles)
  }

  @Test func writesBFloat16AsMlDtypesDoes() throws {
    let host = try NDArray(zeros: [2], .bfloat16)
    let bytes = Npy.encode(host)
    #expect(String(decoding: bytes, as: UTF8.self).contains("'descr': '<V2'"))
    #expect(try Npy.decode(bytes, location: "x").type == host.type)
  }

  @Test(arguments: [
    ("text", DataError.Code.unsupported, "\"<U1\""), ("complex", .unsupported, "\"<c16\""),
    ("records", .unsupported, ""),
  ]) func refusesOtherDtypes(_ name: String, _ code: DataError.Code, _ got: String) throws {
    let bytes = try file("\(name).npy")
    let error = dataError(code) { _ = try Npy.decode(bytes, location: name) }
    #expect((error?.got ?? "") == got)
  }

  // A version 1 file with this header, and bytes behind it.
  func npy(_ header: String, _ data: Int = 0, length: Int? = nil) -> [UInt8] {
    let count = length ?? header.utf8.count
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(count & 255), UInt8(count >> 8)]
      + Array(header.utf8) + [UInt8](repeating: 0, count: data)
  }

  @Test(arguments: [
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 7, DataError.Code.truncated),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 9, .wrongFormat),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,4,)}", 8, .tooLarge),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 8, .wrongFormat),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}", 8, .truncated),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", 8, .wrongFormat),
    ("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", 8, .wrongFormat),
    ("{'descr': '<f4', 'fortran_order': False}", 8, .wrongFormat),
    ("{'descr': '<f4', 'descr': '<f4', 'shape': (2,)}", 8, .wrongFormat),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", 8, .wrongFormat),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} + 1", 8, .wrongFormat),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", 8, .wrongFormat),
    ("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", 8, .unsupported),
    ("", 8, .wrongFormat), ("{", 8, .wrongFormat), ("{'", 8, .wrongFormat),
  ]) func refusesLies(_ header: String, _ data: Int, _ code: DataError.Code) {
    _ = dataError(code) { _ = try Npy.decode(npy(header, data), location: "x") }
  }

  @Test func readsWhatOthersWrite() throws {
    // No blanks, other quotes, another order of keys, Python 2's long integers.
    for header in [
      "{\"shape\":(2L,1L),\"fortran_order\":False,\"descr\":\"=f4\"}\n",
      "{'fortran_order': True, 'descr': '<f4', 'shape': (2, 1), }",
    ] {
      #expect(try Npy.decode(npy(header, 8), location: "x").shape == [2, 1])
    }
    _ = dataError(.truncated) { _ = try Npy.decode(npy("{}", length: 99), location: "x") }
    _ = dataError(.truncated) { _ = try Npy.decode([0x93, 0x4e], location: "x") }
    _ = dataError(.wrongFormat) {
      _ = try Npy.decode(Array("not a npy file".utf8), location: "x")
    }
    var bytes = npy("{}")
    bytes[6] = 4
    _ = dataError(.wrongVersion) { _ = try Npy.decode(bytes, location: "x") }
    let bools = npy("{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}", 1) + [2]
    _ = dataError(.outOfRange) { _ = try Npy.decode(bools, location: "x") }
  }

  // MARK: npz

  @Test func readsNumPysArchives() throws {
    let stored = try Npz.decode(file("stored.npz"), location: "stored.npz")
    #expect(stored.map(\.name) == ["x", "y", "z"])
    #expect(stored.map(\.array.type.description) == ["f32[2,3]", "i32[3,5]", "bool[]"])
    for item in stored { #expect(item.array.doubles == expected(item.array.type)) }
    let deflated = try Npz.decode(file("deflated.npz"), location: "deflated.npz")
    #expect(deflated.map(\.name) == ["x", "zeros"])
    #expect(deflated[0].array.doubles == expected(deflated[0].array.type))
    #expect(deflated[1].array.doubles == [Double](repeating: 0, count: 10_000))
  }

  @Test(arguments: [false, true]) func writesArchives(_ compressed: Bool) throws {
    let folder = try TemporaryFolder()
    let arrays = [
      NamedArray("images/ä", try NDArray((0..<5000).map { Float($0 % 7) }, shape: [50, 100])),
      NamedArray("empty", try NDArray(zeros: [0, 4], .int64)),
      NamedArray("one", try NDArray(scalar: Int32(-3))),
    ]
    let path = folder.file("x.npz")
    try Npz.save(arrays, to: path, compressed: compressed)
    let again = try Npz.load(path)
    #expect(again.map(\.name) == arrays.map(\.name))
    for (a, b) in zip(arrays, again) {
      #expect(a.array.type == b.array.type && a.array.doubles == b.array.doubles)
    }
    #expect(try Npz.load(path, limit: 20_700).count == 3)
    _ = dataError(.tooLarge) { _ = try Npz.load(path, limit: 20_300) }
    _ = dataError(.mismatch) { _ = try Npz.encode([arrays[2], arrays[2]]) }
    #expect(try Npz.decode(Npz.encode([]), location: "none").isEmpty)
  }

  @Test func refusesDamagedArchives() throws {
    let good = try Npz.encode([NamedArray("x", NDArray([Float(1), 2, 3]))], compressed: false)
    for count in 0..<good.count {
      do {
        _ = try Npz.decode(Array(good[..<count]), location: "x")
        Issue.record("\(count) bytes were enough")
      } catch { #expect([.truncated, .wrongFormat].contains(error.code)) }
    }
    func changed(_ at: Int, _ bytes: [UInt8]) -> [UInt8] {
      var copy = good
      copy.replaceSubrange(at..<(at + bytes.count), with: bytes)
      return copy
    }
    let directory = good.count - 22 - (46 + 5)
    for (at, bytes, code) in [
      (directory + 8, [1], DataError.Code.unsupported), (directory + 10, [12], .unsupported),
      (directory + 16, [0, 0, 0, 0], .wrongFormat),  // checksum
      (directory + 20, [0xff, 0xff, 0xff, 0x7f], .wrongFormat),  // packed size
      (directory + 24, [0xff, 0xff, 0xff, 0x7f], .wrongFormat),  // size
      (directory + 42, [7], .wrongFormat),  // place of the member
      (good.count - 12, [2], .wrongFormat),  // entries
      (good.count - 6, [0xff, 0xff, 0xff, 0x7f], .wrongFormat),  // place of the directory
      (150, [0xff], .wrongFormat),  // an element
    ] as [(Int, [UInt8], DataError.Code)] {
      _ = dataError(code) { _ = try Npz.decode(changed(at, bytes), location: "x") }
    }
    _ = dataError(.wrongFormat) { _ = try Npz.decode([1, 2, 3], location: "x") }
  }

  @Test func refusesBombs() throws {
    // A member of 100 MB of zeros; it is told by its size before anything is allocated for it.
    let zeros = try NDArray(zeros: [25 << 20])
    let bomb = try Npz.encode([NamedArray("x", zeros)], compressed: true)
    #expect(bomb.count < 200_000)
    _ = dataError(.tooLarge) { _ = try Npz.decode(bomb, location: "bomb", limit: 1 << 20) }
    // A second entry of the directory for the same bytes.
    let one = try Npz.encode([NamedArray("x", NDArray([Float(1)]))])
    let entry = Array(one[(one.count - 22 - 51)..<(one.count - 22)])
    var twice = Array(one[..<(one.count - 22)]) + entry + Array(one[(one.count - 22)...])
    twice[twice.count - 14] = 2
    twice[twice.count - 12] = 2
    twice[twice.count - 10] = UInt8(2 * entry.count)
    let error = dataError(.wrongFormat) { _ = try Npz.decode(twice, location: "twice") }
    #expect(error?.got == "members that overlap")
  }

  @Test func noMutationTraps() throws {
    var random = FixedRandom(state: 1)
    let arrays = [
      NamedArray("x", try NDArray([[Float(1), 2], [3, 4]])),
      NamedArray("y", try NDArray([Int32(7)])),
    ]
    let files = [
      try Npz.encode(arrays), try Npz.encode(arrays, compressed: true), try file("stored.npz"),
      try file("deflated.npz"),
    ]
    let single = [try file("fortran.npy"), try file("version2.npy"), try file("big-i8.npy")]
    var accepted = 0
    for round in 0..<(500 * slowFactor) {
      let archive = random.damaged(files[round % files.count])
      if (try? Npz.decode(archive, location: "fuzz", limit: 1 << 24)) != nil { accepted += 1 }
      let bytes = random.damaged(single[round % single.count])
      if let array = try? Npy.decode(bytes, location: "fuzz") {
        accepted += 1
        #expect(array.type.byteCount <= bytes.count)
      }
    }
    #expect(accepted > 10)
  }
}
