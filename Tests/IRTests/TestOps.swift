// Small operations for the tests of the ground floor, which knows none of its own.

import MartletIR

/// One operand, one result of its type.
struct Tanh: Operation {
  static let name = "tanh"
  init() {}
  init(_ attributes: AttributeReader) throws(TypeError) { try attributes.allow([]) }
  func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType] {
    try expect(operands, count: 1, of: "tanh")
    return operands
  }
}

/// Two operands of one type.
struct Add: Operation {
  static let name = "add"
  init() {}
  init(_ attributes: AttributeReader) throws(TypeError) { try attributes.allow([]) }
  func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType] {
    try expect(operands, count: 2, of: "add")
    guard operands[0] == operands[1] else {
      throw TypeError(op: "add", "operands differ: \(operands[0]) and \(operands[1])")
    }
    return [operands[0]]
  }
}

/// An attribute of every kind but an array; the result has the operand's shape in another dtype.
struct Everything: Operation {
  static let name = "everything"
  var axes: [Int]
  var count: Int
  var scale: Double
  var flag: Bool
  var mode: String
  var dtype: DType

  var attributes: [Attribute] {
    [
      Attribute("axes", .integers(axes)), Attribute("count", .integer(count)),
      Attribute("scale", .float(scale)), Attribute("flag", .bool(flag)),
      Attribute("mode", .string(mode)), Attribute("dtype", .dtype(dtype)),
    ]
  }
  init(axes: [Int], count: Int, scale: Double, flag: Bool, mode: String, dtype: DType) {
    (self.axes, self.count, self.scale) = (axes, count, scale)
    (self.flag, self.mode, self.dtype) = (flag, mode, dtype)
  }
  init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["axes", "count", "scale", "flag", "mode", "dtype"])
    axes = try attributes.integers("axes")
    count = try attributes.integer("count")
    scale = try attributes.float("scale")
    flag = try attributes.bool("flag")
    mode = try attributes.string("mode")
    dtype = try attributes.dtype("dtype")
  }
  func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType] {
    try expect(operands, count: 1, of: "everything")
    return [TensorType(dtype, operands[0].shape)]
  }
}

/// A literal array.
struct Constant: Operation {
  static let name = "constant"
  var value: HostArray
  var attributes: [Attribute] { [Attribute("value", .array(value))] }
  init(_ value: HostArray) { self.value = value }
  init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["value"])
    value = try attributes.array("value")
  }
  func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType] {
    try expect(operands, count: 0, of: "constant")
    return [value.type]
  }
}

/// Two results: the operand's type, and the same shape in i32.
struct MaxWindow: Operation {
  static let name = "maxWindow"
  init() {}
  init(_ attributes: AttributeReader) throws(TypeError) { try attributes.allow([]) }
  func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType] {
    try expect(operands, count: 1, of: "maxWindow")
    return [operands[0], TensorType(.int32, operands[0].shape)]
  }
}

/// Applies a body graph to the operands.
struct Call: Operation {
  static let name = "call"
  init() {}
  init(_ attributes: AttributeReader) throws(TypeError) { try attributes.allow([]) }
  func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType] {
    guard regions.count == 1 else { throw TypeError(op: "call", "needs one body") }
    let body = regions[0]
    guard body.parameters.map({ body.type($0.value) }) == operands else {
      throw TypeError(op: "call", "the body's parameters do not fit the operands")
    }
    return body.outputs.map { body.type($0.value) }
  }
}

private func expect(_ operands: [TensorType], count: Int, of op: String) throws(TypeError) {
  guard operands.count == count else {
    throw TypeError(op: op, "needs \(count) operands, got \(operands.count)")
  }
}

let testOps = OpTable([
  Tanh.self, Add.self, Everything.self, Constant.self, MaxWindow.self, Call.self,
])

func parse(_ text: String) throws(ParseError) -> Graph { try Graph(parsing: text, ops: testOps) }

/// A reproducible generator.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

private func integers(
  upTo count: Int, in range: ClosedRange<Int>, _ random: inout SplitMix
) -> [Int] {
  (0..<Int.random(in: 0...count, using: &random)).map { _ in .random(in: range, using: &random) }
}

/// A random valid graph with every feature of the text form.
func randomGraph(
  nodes: Int, depth: Int = 0, parameters: [TensorType]? = nil, _ random: inout SplitMix
) throws -> Graph {
  let awkward = ["", "x", "a b", "quote\"", "back\\slash", "line\nbreak", "é 雪", "a//b", "x:3"]
  var graph = Graph(name: awkward.randomElement(using: &random) ?? "")
  if depth > 0 { graph.name = "" }
  let types =
    parameters
    ?? (0..<Int.random(in: 1...4, using: &random)).map { _ in
      TensorType(
        DType.allCases.randomElement(using: &random) ?? .float32,
        Shape(integers(upTo: 3, in: 0...4, &random)))
    }
  for (index, type) in types.enumerated() {
    let isState = depth == 0 && Bool.random(using: &random)
    let name = awkward.randomElement(using: &random) ?? ""
    graph.addParameter(
      type, name: isState ? "\(index)\(name)" : name, role: isState ? .state : .argument)
  }
  func anyValue() -> Value { Value(Int.random(in: 0..<graph.values.count, using: &random)) }

  while graph.nodes.count < nodes {
    let location =
      Bool.random(using: &random)
      ? SourceLocation.unknown
      : SourceLocation(
        scope: awkward.randomElement(using: &random) ?? "",
        file: awkward.randomElement(using: &random) ?? "",
        line: .random(in: -1...99, using: &random))
    let x = anyValue()
    switch Int.random(in: 0..<7, using: &random) {
    case 0: try graph.append(Add(), [x, x], location: location)
    case 1: try graph.append(MaxWindow(), [x], location: location)
    case 2:
      let op = Everything(
        axes: integers(upTo: 3, in: .min ... .max, &random),
        count: .random(in: .min ... .max, using: &random),
        scale: Double(bitPattern: random.next()), flag: .random(using: &random),
        mode: awkward.randomElement(using: &random) ?? "",
        dtype: DType.allCases.randomElement(using: &random) ?? .bool)
      try graph.append(op, [x], location: location)
    case 3, 4:
      let type = graph.type(x)
      let isSplat = Bool.random(using: &random)
      let bits = random.next()
      func word() -> UInt64 { isSplat ? bits : random.next() }
      let array =
        type.dtype.isFloatingPoint
        ? HostArray(type, (0..<type.count).map { _ in Double(bitPattern: word()) })
        : HostArray(type, (0..<type.count).map { _ in Int64(bitPattern: word()) })
      try graph.append(Constant(array), [], location: location)
    case 5 where depth < 3:
      let operands = (0..<Int.random(in: 1...3, using: &random)).map { _ in anyValue() }
      let body = try randomGraph(
        nodes: .random(in: 0...4, using: &random), depth: depth + 1,
        parameters: operands.map { graph.type($0) }, &random)
      try graph.append(Call(), operands, regions: [body], location: location)
    default: try graph.append(Tanh(), [x], location: location)
    }
  }
  for _ in 0..<Int.random(in: 1...3, using: &random) {
    graph.addOutput(anyValue(), name: awkward.randomElement(using: &random) ?? "")
  }
  for (index, parameter) in graph.parameters.enumerated() where parameter.role == .state {
    let type = graph.type(parameter.value)
    let candidates = graph.values.indices.filter { graph.values[$0].type == type }
    guard let source = candidates.randomElement(using: &random), Bool.random(using: &random) else {
      continue
    }
    graph.addOutput(Value(source), name: "next", role: .assign(index))
  }
  return graph
}
