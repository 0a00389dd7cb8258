// Graphs as values: canonical numbering, structural equality, and a hash that keys caches.

/// How deep body graphs may nest. Parser, verifier and printer all hold to it, so nothing below
/// them recurses further than this.
package let maximumRegionDepth = 64

extension Graph {
  /// The number each value has in canonical order, parameters first, then results in node order;
  /// −1 for a value that nothing defines.
  package func canonicalNumbers() -> [Int] {
    var numbers = [Int](repeating: -1, count: values.count)
    var next = 0
    for parameter in parameters where numbers.indices.contains(parameter.value.id) {
      numbers[parameter.value.id] = next
      next += 1
    }
    for node in nodes {
      for offset in 0..<node.resultCount {
        numbers[node.firstResult.id + offset] = next
        next += 1
      }
    }
    return numbers
  }

  /// The same graph with values numbered as it prints, body graphs too. The graph must be valid.
  package func canonicallyNumbered() -> Graph {
    GraphRewriter.run(self) { (rewriter, node) throws(Never) in
      guard !node.regions.isEmpty else { return nil }
      return rewriter.copy(node, regions: node.regions.map { $0.canonicallyNumbered() })
    }
  }

  /// A hash of everything that ``isStructurallyEqual(_:_:)`` compares. It is the same in every
  /// process and on every machine, so it may name files; equal hashes still need comparing.
  package var canonicalHash: UInt64 {
    var hasher = StableHasher()
    hasher.combine(self)
    return hasher.value
  }
}

/// True when two graphs are the same program: equal parameters, nodes in the same order, outputs
/// and body graphs. Value numbers, the graph's name and source locations do not count. Operations
/// compare by name and attributes, floats by bits. Both graphs must be valid.
package func isStructurallyEqual(_ a: Graph, _ b: Graph) -> Bool {
  guard a.parameters.count == b.parameters.count, a.nodes.count == b.nodes.count,
    a.outputs.count == b.outputs.count, a.values.count == b.values.count
  else { return false }
  for (p, q) in zip(a.parameters, b.parameters) {
    guard p.name == q.name, p.role == q.role, a.type(p.value) == b.type(q.value) else {
      return false
    }
  }
  let aNumbers = a.canonicalNumbers()
  let bNumbers = b.canonicalNumbers()
  func same(_ x: Value, _ y: Value) -> Bool { aNumbers[x.id] == bNumbers[y.id] }

  for (m, n) in zip(a.nodes, b.nodes) {
    guard m.operands.count == n.operands.count, m.resultCount == n.resultCount,
      m.regions.count == n.regions.count, m.op.isIdentical(to: n.op),
      zip(m.operands, n.operands).allSatisfy(same)
    else { return false }
    for offset in 0..<m.resultCount {
      let x = a.values[m.firstResult.id + offset].type
      guard x == b.values[n.firstResult.id + offset].type else { return false }
    }
    for (r, s) in zip(m.regions, n.regions) where !isStructurallyEqual(r, s) { return false }
  }
  return zip(a.outputs, b.outputs).allSatisfy { x, y in
    same(x.value, y.value) && x.name == y.name && x.role == y.role
  }
}

extension Operation {
  /// Equal name and attributes, floats by bits. Unlike `==` it holds for an operation with a NaN
  /// attribute and itself, and tells −0 from +0.
  package func isIdentical(to other: any Operation) -> Bool {
    guard name == other.name else { return false }
    let (a, b) = (attributes, other.attributes)
    return a.count == b.count
      && zip(a, b).allSatisfy { $0.key == $1.key && $0.value.isIdentical(to: $1.value) }
  }
}

extension AttributeValue {
  /// Equality with floats compared by bits.
  package func isIdentical(to other: AttributeValue) -> Bool {
    if case .float(let x) = self, case .float(let y) = other { return x.bitPattern == y.bitPattern }
    return self == other
  }
}

/// A hash without a per-process seed: folds words with a full-width multiply.
private struct StableHasher {
  private(set) var value: UInt64 = 0x9E37_79B9_7F4A_7C15

  mutating func combine(_ word: UInt64) {
    let product = (value ^ word).multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
    // Zero would stick; the rotation and the constant keep the state moving.
    value = (product.high ^ product.low) &+ (value << 23 | value >> 41) &+ 0xA076_1D64_78BD_642F
  }

  mutating func combine(_ integer: Int) { combine(UInt64(bitPattern: Int64(integer))) }

  mutating func combine(_ text: String) {
    combine(text.utf8.count)
    var word: UInt64 = 0
    var filled = 0
    for byte in text.utf8 {
      word = word << 8 | UInt64(byte)
      filled += 1
      if filled == 8 {
        combine(word)
        (word, filled) = (0, 0)
      }
    }
    if filled > 0 { combine(word) }
  }

  mutating func combine(_ type: TensorType) {
    combine(type.dtype.rawValue)
    combine(type.shape.rank)
    for extent in type.shape.dimensions { combine(extent) }
  }

  mutating func combine(_ attribute: AttributeValue) {
    switch attribute {
    case .integer(let x):
      combine(0)
      combine(x)
    case .integers(let x):
      combine(1)
      combine(x.count)
      for y in x { combine(y) }
    case .float(let x):
      combine(2)
      combine(x.bitPattern)
    case .bool(let x):
      combine(x ? 3 : 4)
    case .string(let x):
      combine(5)
      combine(x)
    case .dtype(let x):
      combine(6)
      combine(x.rawValue)
    case .array(let x):
      combine(7)
      combine(x.type)
      switch x.storage {
      case .float(let elements): for y in elements { combine(y.bitPattern) }
      case .integer(let elements): for y in elements { combine(UInt64(bitPattern: y)) }
      case .shared(let elements): for y in elements { combine(y.bitPattern) }
      case .bytes: for y in x.integers { combine(UInt64(bitPattern: y)) }
      }
    }
  }

  mutating func combine(_ graph: Graph) {
    let numbers = graph.canonicalNumbers()
    combine(graph.parameters.count)
    for parameter in graph.parameters {
      combine(graph.type(parameter.value))
      combine(parameter.name)
      combine(parameter.role == .state ? 1 : 0)
    }
    combine(graph.nodes.count)
    for node in graph.nodes {
      combine(node.op.name)
      let attributes = node.op.attributes
      combine(attributes.count)
      for attribute in attributes {
        combine(attribute.key)
        combine(attribute.value)
      }
      combine(node.operands.count)
      for operand in node.operands { combine(numbers[operand.id]) }
      combine(node.resultCount)
      for offset in 0..<node.resultCount {
        combine(graph.values[node.firstResult.id + offset].type)
      }
      combine(node.regions.count)
      for region in node.regions { combine(region) }
    }
    combine(graph.outputs.count)
    for output in graph.outputs {
      combine(numbers[output.value.id])
      combine(output.name)
      switch output.role {
      case .result: combine(-1)
      case .assign(let index): combine(index)
      }
    }
  }
}
