// Files that mean harm: each gets an error that names the node; none traps, hangs or allocates much.

import Foundation
import MartletExecution
import MartletFuzz
import MartletIR
import MartletONNX
import MartletONNXFormat
import SwiftProtobuf
import Testing

@Suite struct HostileTests {
  private let limits = {
    var limits = ONNXLimits(bytes: 1 << 24, nodes: 2000, depth: 16, seconds: 5)
    limits.iterations = 10_000
    return limits
  }()

  private func read(_ edit: (inout OnnxModelProto) -> Void) throws -> ONNXModel {
    var message = OnnxModelProto()
    message.irVersion = 10
    var version = OnnxOperatorSetIdProto()
    version.version = 21
    message.opsetImport = [version]
    var output = OnnxValueInfoProto()
    output.name = "y"
    message.graph.output = [output]
    edit(&message)
    return try ONNXModel(bytes: try message.serializedBytes(), limits: limits)
  }

  private func tensor(_ name: String, _ dims: [Int64], bytes: Int) -> OnnxTensorProto {
    var tensor = OnnxTensorProto()
    tensor.name = name
    tensor.dataType = 1
    tensor.dims = dims
    tensor.rawData = Data(count: bytes)
    return tensor
  }

  @Test func sizesThatLie() throws {
    let shapes: [[Int64]] = [
      [4], [-1], [-4, -1], [.max], [.min], [1 << 32, 1 << 32], [.max, 2], [0, .max, .max],
      [Int64](repeating: 1, count: 10_000), [Int64](repeating: 2, count: 63),
    ]
    for shape in shapes {
      let error = #expect(throws: ONNXError.self, "\(shape.prefix(4))") {
        try read {
          $0.graph.initializer = [tensor("w", shape, bytes: 12)]
          $0.graph.node = [node("Relu", ["w"], ["y"])]
        }.compile()
      }
      #expect((error?.description.utf8.count ?? 0) < 1000)
    }
    // Inputs may be as absurd.
    for extent in [-1, Int.max, Int.min, 1 << 40] {
      #expect(throws: ONNXError.self) {
        try model(
          [node("Relu", ["x"], ["y"])], inputs: [("x", .float, [.fixed(extent), .fixed(extent)])],
          outputs: ["y"]
        ).compile()
      }
    }
  }

  @Test func valuesThatGrow() throws {
    let huge: [[Int64]] = [[1 << 40], [1 << 31, 1 << 31], [.max], [1 << 20, 1 << 10]]
    for shape in huge {
      for type in ["ConstantOfShape", "Expand", "Tile", "Reshape", "Resize"] {
        #expect(throws: ONNXError.self, "\(type) \(shape)") {
          try read {
            $0.graph.initializer = [
              tensor("w", [1], bytes: 4), integers("s", shape), integers("e", []),
            ]
            let inputs =
              type == "ConstantOfShape"
              ? ["s"] : type == "Resize" ? ["w", "", "", "s"] : ["w", "s"]
            $0.graph.node = [node(type, inputs, ["y"])]
          }.compile()
        }
      }
    }
    let error = #expect(throws: ONNXError.self) {
      try read {
        $0.graph.initializer = [integers("a", [0]), integers("b", [1 << 60]), integers("c", [1])]
        $0.graph.node = [node("Range", ["a", "b", "c"], ["y"])]
      }.compile()
    }
    #expect(error?.node.contains("Range") ?? false)
  }

  private func loop(
    count: Int64, goesOn: [OnnxNodeProto], body nodes: [OnnxNodeProto]
  ) throws -> ONNXModel {
    var body = OnnxGraphProto()
    body.name = "body"
    body.node = goesOn + nodes
    func info(_ name: String, _ type: Int32) -> OnnxValueInfoProto {
      var info = OnnxValueInfoProto()
      info.name = name
      info.type.tensorType.elemType = type
      info.type.tensorType.shape = .init()
      return info
    }
    body.input = [info("i", 7), info("c", 9), info("v", 1)]
    body.output = [info("d", 9), info("w", 1)]
    var made = node("Loop", ["m", "", "x"], ["y"])
    var attribute = OnnxAttributeProto()
    attribute.name = "body"
    attribute.type = .graph
    attribute.g = body
    made.attribute = [attribute]
    return try read {
      $0.graph.initializer = [integers("m", [count])]
      var input = OnnxValueInfoProto()
      input.name = "x"
      input.type.tensorType.elemType = 1
      input.type.tensorType.shape = .init()
      $0.graph.input = [input]
      $0.graph.node = [made]
    }
  }

  /// Constants that are computed add up, and texts double.
  @Test func constantsThatAddUp() throws {
    let chain = (0..<100).map { node("Neg", ["w\($0)"], ["w\($0 + 1)"]) }
    let error = #expect(throws: ONNXError.self) {
      try read {
        $0.graph.initializer = [tensor("w0", [1 << 17], bytes: 1 << 19)]
        $0.graph.node = chain + [node("Relu", ["w100"], ["y"])]
      }.compile()
    }
    #expect(error?.code == .limit && error?.node.contains("Neg") ?? false)
    var text = OnnxTensorProto()
    (text.name, text.dataType, text.dims, text.stringData) = ("w0", 8, [1], [Data([0x61, 0x62])])
    let doubling = (0..<60).map { node("StringConcat", ["w\($0)", "w\($0)"], ["w\($0 + 1)"]) }
    let other = #expect(throws: ONNXError.self) {
      try read {
        $0.graph.initializer = [text]
        $0.graph.node = doubling + [node("Identity", ["w60"], ["y"])]
      }.compile()
    }
    #expect(other?.code == .limit && other?.node.contains("StringConcat") ?? false)
  }

  /// A loop that negates its value as long as `goesOn` gives true, inside of another body.
  private func loop(inside outer: String, goesOn: [OnnxNodeProto]) throws -> ONNXModel {
    let plain = try loop(count: 1 << 62, goesOn: goesOn, body: [node("Neg", ["v"], ["w"])])
    var inner = plain.file.model.graph.node[0]
    (inner.name, inner.input, inner.output) = ("inner", ["m", "", "x"], ["z"])
    func info(_ name: String, _ type: Int32) -> OnnxValueInfoProto {
      var info = OnnxValueInfoProto()
      info.name = name
      info.type.tensorType.elemType = type
      info.type.tensorType.shape = .init()
      return info
    }
    func attribute(_ name: String, _ graph: OnnxGraphProto) -> OnnxAttributeProto {
      var attribute = OnnxAttributeProto()
      (attribute.name, attribute.type, attribute.g) = (name, .graph, graph)
      return attribute
    }
    return try read {
      $0.graph = plain.file.model.graph
      $0.graph.initializer.append(integers("few", [6]))
      var body = OnnxGraphProto()
      body.name = "outer"
      switch outer {
      case "branch":
        body.node = [inner]
        body.output = [info("z", 1)]
        var other = OnnxGraphProto()
        other.name = "other"
        other.node = [node("Neg", ["x"], ["o"])]
        other.output = [info("o", 1)]
        var choice = node("If", ["positive"], ["y"])
        choice.attribute = [attribute("then_branch", body), attribute("else_branch", other)]
        $0.graph.node = [
          node("Sub", ["x", "x"], ["null"]), node("Greater", ["x", "null"], ["positive"]), choice,
        ]
      default:
        // The second outer loop ends as its values say, after one step.
        inner.input[2] = "u"
        body.input = [info("k", 7), info("e", 9), info("u", 1)]
        body.output = [info("f", 9), info("z", 1)]
        let known = outer == "scan"
        body.node = [
          inner, known ? node("Identity", ["e"], ["f"]) : node("Less", ["z", "z"], ["f"]),
        ]
        var whole = node("Loop", [known ? "few" : "m", "", "x"], ["y"])
        whole.attribute = [attribute("body", body)]
        $0.graph.node = [whole]
      }
    }
  }

  /// Loops end: at once where their length is known, after so many iterations where it is not.
  @Test func loopsThatDoNotEnd() throws {
    let add = node("Add", ["v", "v"], ["w"])
    for count in [1 << 62, Int64.max, 1 << 25] {
      let endless = try loop(count: count, goesOn: [node("Identity", ["c"], ["d"])], body: [add])
      let error = #expect(throws: ONNXError.self) { try endless.compile() }
      #expect(error?.code == .limit && error?.node.contains("Loop") ?? false, "\(count)")
    }
    // As long as v·0 = 0: for ever.
    let zero = [
      node("Sub", ["v", "v"], ["z"]), node("Equal", ["z", "z"], ["d"]),
    ]
    let unknown = try loop(count: 1 << 62, goesOn: zero, body: [node("Neg", ["v"], ["w"])])
    let x = try NDArray(HostArray(TensorType(.float32, []), [1.0]))
    let error = #expect(throws: ONNXError.self) { try unknown.run(["x": x]) }
    #expect(error?.code == .limit)
    // The same inside of a loop of a known length, of one of an unknown length, and of a branch: what
    // is cut off there is no less wrong.
    for outer in ["scan", "while", "branch"] {
      let nested = try loop(inside: outer, goesOn: zero)
      let error = #expect(throws: ONNXError.self, "\(outer)") { try nested.run(["x": x]) }
      #expect(error?.code == .limit && error?.node.contains("inner") ?? false, "\(outer)")
      let ending = try loop(inside: outer, goesOn: [node("Less", ["v", "v"], ["d"])])
      #expect(try ending.run(["x": x])["y"]?.floats.count == 1, "\(outer)")
    }
    // And one that ends by itself.
    let greater = [node("Less", ["w", "limit"], ["d"])]
    var limit = floats("limit", [], [1000])
    limit.name = "limit"
    var constant = node("Constant", [], ["limit"])
    var value = OnnxAttributeProto()
    (value.name, value.type, value.t) = ("value", .tensor, limit)
    constant.attribute = [value]
    let doubling = try loop(count: 1 << 62, goesOn: [], body: [constant, add] + greater)
    #expect(try doubling.run(["x": x])["y"]?.floats == [1024])
  }

  @Test func externalDataOutsideOfTheFolder() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("martlet-hostile-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(
      atPath: folder + "/model", withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileSystem.write([UInt8](repeating: 1, count: 64), to: folder + "/secret")
    try FileManager.default.createSymbolicLink(
      atPath: folder + "/model/link", withDestinationPath: folder + "/secret")
    try FileSystem.write([UInt8](repeating: 1, count: 64), to: folder + "/model/data")
    func compile(_ location: String, offset: String = "0", length: String = "16") throws {
      var message = OnnxModelProto()
      message.irVersion = 10
      var version = OnnxOperatorSetIdProto()
      version.version = 21
      message.opsetImport = [version]
      var weight = tensor("w", [4], bytes: 0)
      weight.clearRawData()
      weight.dataLocation = .external
      weight.externalData = [("location", location), ("offset", offset), ("length", length)].map {
        var entry = OnnxStringStringEntryProto()
        (entry.key, entry.value) = $0
        return entry
      }
      message.graph.initializer = [weight]
      message.graph.node = [node("Relu", ["w"], ["y"])]
      var output = OnnxValueInfoProto()
      output.name = "y"
      message.graph.output = [output]
      _ = try ONNXModel(
        bytes: try message.serializedBytes(), folder: folder + "/model", limits: limits
      ).compile()
    }
    try compile("data")
    for location in [
      "../secret", "/etc/passwd", folder + "/secret", "link", "x/../../secret", "", ".", "..",
      "data\0.txt", String(repeating: "a/", count: 5000),
    ] {
      #expect(throws: (any Error).self, "\(location.prefix(40))") { try compile(location) }
    }
    for (offset, length) in [("60", "16"), ("-4", "16"), ("0", "8"), ("9223372036854775807", "16")]
    {
      #expect(throws: (any Error).self, "\(offset) \(length)") {
        try compile("data", offset: offset, length: length)
      }
    }
  }

  @Test func namesReachNoText() throws {
    let names = [
      "\"; system(\"rm\"); //", "*/ int main() { */", "a\nb", "a\0b", "%s%n", "\u{202E}x",
      String(repeating: "x", count: 100_000), "\\", "'", "}",
    ]
    for name in names {
      let made = try model(
        [node("Relu", [name], [name + "y"], name: name)],
        inputs: [(name, .float, [.fixed(3)])], outputs: [name + "y"])
      let program = try made.compile()
      let source = program.session?.program.source ?? ""
      #expect(!source.contains("system(") && !source.contains("int main"))
      #expect(source.utf8.count < 50_000)
      let x = try NDArray([-1, 0, 2] as [Float])
      #expect(try program.run([name: x])[name + "y"]?.floats == [0, 0, 2])
      let error = #expect(throws: ONNXError.self) {
        try model(
          [node(name, ["x"], ["y"], name: name)], inputs: [("x", .float, [.fixed(1)])],
          outputs: ["y"]
        ).compile()
      }
      let text = error?.description ?? ""
      #expect(text.utf8.count < 2000 && text.split(separator: "\n").count <= 6)
      #expect(text.unicodeScalars.allSatisfy { $0 == "\n" || $0.value >= 32 })
    }
    // Names that are no UTF-8 are no names.
    var bytes: [UInt8] = try {
      var message = OnnxModelProto()
      message.graph.name = "ABCD"
      return try message.serializedBytes()
    }()
    if let place = bytes.firstIndex(of: UInt8(ascii: "A")) { bytes[place] = 0xFF }
    #expect(throws: ONNXError.self) { try ONNXModel(bytes: bytes, limits: limits) }
  }

  @Test func nestingAndRecursionEnd() throws {
    // A function that calls itself.
    var function = OnnxFunctionProto()
    function.name = "F"
    function.domain = "d"
    function.input = ["x"]
    function.output = ["y"]
    var call = node("F", ["x"], ["y"])
    call.domain = "d"
    function.node = [call]
    var version = OnnxOperatorSetIdProto()
    version.domain = "d"
    version.version = 1
    function.opsetImport = [version]
    let error = #expect(throws: ONNXError.self) {
      try read {
        $0.opsetImport.append(version)
        $0.functions = [function]
        $0.graph.initializer = [tensor("x", [1], bytes: 4)]
        $0.graph.node = [call]
      }.compile()
    }
    #expect(error?.code == .limit)
    // Bodies in bodies in bodies.
    for depth in [20, 60, 300] {
      var inner = OnnxGraphProto()
      var output = OnnxValueInfoProto()
      output.name = "y"
      inner.output = [output]
      inner.node = [node("Relu", ["x"], ["y"])]
      for _ in 0..<depth {
        var branch = node("If", ["c"], ["y"])
        for name in ["then_branch", "else_branch"] {
          var attribute = OnnxAttributeProto()
          attribute.name = name
          attribute.type = .graph
          // The other branch stays small: the file would double with each level.
          attribute.g = name == "then_branch" ? inner : OnnxGraphProto()
          branch.attribute.append(attribute)
        }
        inner = OnnxGraphProto()
        inner.output = [output]
        inner.node = [branch]
      }
      var condition = OnnxTensorProto()
      condition.name = "c"
      condition.dataType = 9
      condition.dims = [1]
      condition.rawData = Data([1])
      #expect(throws: (any Error).self, "\(depth)") {
        try read {
          $0.graph.initializer = [condition, tensor("x", [1], bytes: 4)]
          $0.graph.node = inner.node
        }.compile()
      }
    }
  }

  /// Changed copies of a small corpus: bits, bytes, numbers, cuts, parts twice.
  /// A file of the corpus with a few changes, from draws of a counter.
  private struct Mutator {
    let files: [(name: String, bytes: [UInt8])]
    var state: UInt64

    init(_ target: FuzzTarget, seed: UInt64) throws {
      let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent(
          "MartletFuzz/corpus/\(target.rawValue)")
      files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map {
        ($0, try FileSystem.read(folder.appendingPathComponent($0).path, limit: 1 << 20))
      }
      state = seed
    }

    mutating func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(max(1, bound)))
    }

    mutating func changed(_ whole: [UInt8]) -> [UInt8] {
      var bytes = whole
      for _ in 0...random(3) where !bytes.isEmpty {
        let place = random(bytes.count)
        switch random(7) {
        case 0: bytes[place] ^= 1 << UInt8(random(8))
        case 1: bytes[place] = UInt8(random(256))
        case 2: bytes[place] = [0, 0x7F, 0x80, 0xFF][random(4)]
        case 3: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random(16)))
        case 4: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 16)], at: place)
        case 5:
          // The end of another file.
          let other = files[random(files.count)].bytes
          bytes.replaceSubrange(place..., with: other[random(other.count + 1)...])
        default: bytes.removeSubrange(place...)
        }
      }
      return bytes
    }
  }

  @Test(arguments: FuzzTarget.allCases) func mutations(_ target: FuzzTarget) throws {
    var mutator = try Mutator(target, seed: 0x5EED)
    #expect(!mutator.files.isEmpty)
    for (name, whole) in mutator.files {
      #expect(fuzz(target, whole) == nil, "\(name)")
      for round in 0..<(target == .onnx ? 60 : 100) {
        let complaint = fuzz(target, mutator.changed(whole))
        #expect(complaint == nil, "\(name), round \(round)")
      }
    }
  }

  private static var seconds: Double {
    ProcessInfo.processInfo.environment["FUZZ_SECONDS"].flatMap { Double($0) } ?? 0
  }

  /// As many changed files as there is time for (`make test-fuzz`), other ones each time. A file that
  /// ends the process is what the last line names.
  @Test(.enabled(if: HostileTests.seconds > 0), arguments: FuzzTarget.allCases)
  func changesForAWhile(_ target: FuzzTarget) throws {
    var mutator = try Mutator(target, seed: UInt64.random(in: 0 ... .max))
    let path = FileManager.default.temporaryDirectory
      .appendingPathComponent("martlet-fuzz-\(target.rawValue)").path
    print("\(target.rawValue): what is read now lies in \(path)")
    let end = Date().addingTimeInterval(HostileTests.seconds)
    var rounds = 0
    // Files that were read far enough to be worth another change.
    var pool = mutator.files.map(\.bytes)
    while Date() < end {
      let bytes = mutator.changed(pool[mutator.random(pool.count)])
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      let start = Date()
      if let complaint = fuzz(target, bytes) {
        Issue.record("\(complaint): the file is \(path)")
        return
      }
      #expect(Date().timeIntervalSince(start) < 10, "\(path) takes long")
      if rounds % 50 == 0, bytes.count < 1 << 16, pool.count < 1000 { pool.append(bytes) }
      rounds += 1
    }
    try? FileManager.default.removeItem(atPath: path)
    print("\(target.rawValue): \(rounds) changed files read")
  }
}
