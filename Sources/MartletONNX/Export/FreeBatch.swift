// One graph for all sizes of the batch, out of the same graph for two of them.

import MartletIR
import MartletONNXFormat

/// Compares two graphs that differ in their batch alone. Where a shape holds it, the graph computes the
/// shape from its input instead: `Reshape` gets −1, everything else the input's own extent.
struct FreeBatch {
  private let batches: (Int, Int)
  private let name: String
  /// The input whose first extent is the batch.
  private let input: String
  private var taken: Set<String>
  /// Nodes for the beginning of the graph.
  private var front: [OnnxNodeProto] = []
  private var constants: [OnnxTensorProto] = []
  /// Names of shapes that were made, by their terms.
  private var shapes: [[Term]: String] = [:]

  /// An extent: a number, or so many batches.
  private enum Term: Hashable {
    case fixed(Int64)
    case batches(Int64)
  }

  init(_ graph: OnnxGraphProto, batches: (Int, Int), name: String) throws {
    guard batches.0 > 1, batches.1 > 1, batches.0 != batches.1 else {
      throw ONNXError(.input, "two sizes of a batch have to differ and be above 1")
    }
    self.batches = batches
    self.name = name
    let first = graph.input.first { info in
      info.type.tensorType.shape.dim.first?.dimValue == Int64(batches.0)
    }
    guard let first else {
      throw ONNXError(.input, "no input of the program begins with a batch of \(batches.0)")
    }
    input = first.name
    taken = []
    var stack = [graph]
    while let next = stack.popLast() {
      taken.formUnion(next.initializer.map(\.name))
      taken.formUnion(next.input.map(\.name))
      for node in next.node {
        taken.formUnion(node.output)
        for attribute in node.attribute where attribute.hasG { stack.append(attribute.g) }
      }
    }
  }

  /// The graph for any batch.
  mutating func merged(_ a: OnnxGraphProto, _ b: OnnxGraphProto) throws -> OnnxGraphProto {
    var result = try merge(a, b)
    result.node = front + result.node
    result.initializer += constants
    return result
  }

  private func refuse(_ what: String) -> ONNXError {
    ONNXError(.unsupported, "\(what) depends on the batch: it cannot stay free")
  }

  private mutating func merge(
    _ a: OnnxGraphProto, _ b: OnnxGraphProto
  ) throws -> OnnxGraphProto {
    var result = a
    guard a.node.count == b.node.count, a.initializer.count == b.initializer.count,
      a.input.count == b.input.count, a.output.count == b.output.count
    else { throw refuse("the graph") }
    result.input = try zip(a.input, b.input).map { try port($0, $1) }
    result.output = try zip(a.output, b.output).map { try port($0, $1) }
    result.valueInfo = []
    // Vectors of integers that differ become values of the graph.
    var renamed: [String: [Term]] = [:]
    result.initializer = []
    for (x, y) in zip(a.initializer, b.initializer) {
      if x == y {
        result.initializer.append(x)
        continue
      }
      guard x.name == y.name, x.dataType == 7, x.dims.count == 1, x.dims == y.dims else {
        throw refuse("the constant '\(printable(x.name))'")
      }
      renamed[x.name] = try zip(integers(x), integers(y)).map { try term($0, $1, x.name) }
    }
    for (index, (x, y)) in zip(a.node, b.node).enumerated() {
      guard x.opType == y.opType, x.input == y.input, x.output == y.output,
        x.attribute.count == y.attribute.count
      else { throw refuse("the node '\(printable(x.name))'") }
      for (place, (left, right)) in zip(x.attribute, y.attribute).enumerated()
      where left != right {
        guard left.name == right.name, left.hasG, right.hasG else {
          throw refuse("the attribute '\(left.name)' of '\(printable(x.name))'")
        }
        result.node[index].attribute[place].g = try merge(left.g, right.g)
      }
      for (place, name) in x.input.enumerated() {
        guard let terms = renamed[name] else { continue }
        result.node[index].input[place] = shape(
          terms, ofReshape: x.opType == "Reshape" && place == 1)
      }
    }
    return result
  }

  private func port(
    _ a: OnnxValueInfoProto, _ b: OnnxValueInfoProto
  ) throws -> OnnxValueInfoProto {
    var result = a
    for (axis, (x, y)) in zip(a.type.tensorType.shape.dim, b.type.tensorType.shape.dim).enumerated()
    where x != y {
      switch try term(x.dimValue, y.dimValue, a.name) {
      case .batches(1): result.type.tensorType.shape.dim[axis].dimParam = name
      case .batches(let n): result.type.tensorType.shape.dim[axis].dimParam = "\(name)_times_\(n)"
      case .fixed: break
      }
    }
    return result
  }

  private func term(_ x: Int64, _ y: Int64, _ name: String) throws -> Term {
    if x == y { return .fixed(x) }
    let (a, b) = (Int64(batches.0), Int64(batches.1))
    guard x > 0, x % a == 0, y == x / a * b else { throw refuse("'\(printable(name))'") }
    return .batches(x / a)
  }

  private func integers(_ tensor: OnnxTensorProto) -> [Int64] {
    tensor.rawData.withUnsafeBytes { bytes in
      (0..<(bytes.count / 8)).map {
        Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self))
      }
    }
  }

  // MARK: - Shapes as values

  private mutating func fresh(_ name: String) -> String {
    var spelled = name
    var count = 1
    while !taken.insert(spelled).inserted {
      spelled = "\(name)_\(count)"
      count += 1
    }
    return spelled
  }

  private mutating func constant(_ values: [Int64]) -> String {
    var tensor = OnnxTensorProto()
    tensor.name = fresh("\(name)/shape")
    tensor.dataType = 7
    tensor.dims = [Int64(values.count)]
    tensor.rawData = .init(
      values.flatMap { value in
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
      })
    constants.append(tensor)
    return tensor.name
  }

  private mutating func node(
    _ type: String, _ inputs: [String], _ attributes: [OnnxAttributeProto] = []
  ) -> String {
    var node = OnnxNodeProto()
    (node.opType, node.input, node.attribute) = (type, inputs, attributes)
    node.name = fresh("\(name)/\(type)")
    node.output = [fresh("\(node.name):0")]
    front.append(node)
    return node.output[0]
  }

  /// A value of the graph with these terms; a Reshape finds one unknown extent by itself.
  private mutating func shape(_ terms: [Term], ofReshape: Bool) -> String {
    let unknown = terms.filter { if case .batches = $0 { true } else { false } }.count
    if ofReshape, unknown == 1, !terms.contains(.fixed(0)) {
      let hole = terms.map { term -> Term in
        if case .batches = term { return .fixed(-1) }
        return term
      }
      if let known = shapes[hole] { return known }
      let made = constant(
        hole.map { term in
          if case .fixed(let n) = term { return n }
          return -1
        })
      shapes[hole] = made
      return made
    }
    if let known = shapes[terms] { return known }
    if shapes[[.batches(1)]] == nil {
      shapes[[.batches(1)]] = node(
        "Shape", [input],
        [GraphExporter.attribute("start", 0), GraphExporter.attribute("end", 1)])
    }
    let batch = shapes[[.batches(1)]] ?? input
    var parts: [String] = []
    var numbers: [Int64] = []
    for term in terms {
      switch term {
      case .fixed(let n): numbers.append(n)
      case .batches(let n):
        if !numbers.isEmpty { parts.append(constant(numbers)) }
        numbers = []
        parts.append(n == 1 ? batch : node("Mul", [batch, constant([n])]))
      }
    }
    if !numbers.isEmpty { parts.append(constant(numbers)) }
    let made =
      parts.count == 1 ? parts[0] : node("Concat", parts, [GraphExporter.attribute("axis", 0)])
    shapes[terms] = made
    return made
  }
}
