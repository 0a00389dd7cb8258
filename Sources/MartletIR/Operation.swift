// What the graph knows of an operation: a name, attributes to print, and a type rule.

/// An operation as the ground floor sees it. MartletOps refines it with evaluation, lowering and
/// gradient. `Hashable` synthesis over the attributes gives CSE its keys.
@usableFromInline
package protocol Operation: Hashable, Sendable {
  /// The IR spelling, lower camel: `reduceSum`.
  static var name: String { get }
  /// Attributes in printing order.
  var attributes: [Attribute] { get }
  /// Rebuilds the operation from printed attributes.
  init(_ attributes: AttributeReader) throws(TypeError)
  /// Result types for these operands, or why they are refused.
  func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  /// True when two nodes with equal operands always give equal results. Random operations are
  /// functions of their operands (seed, step) and stream, so they are pure too.
  var isPure: Bool { get }
}

extension Operation {
  package var attributes: [Attribute] { [] }
  package var isPure: Bool { true }
  package var name: String { Self.name }

  package func isEqual(to other: any Operation) -> Bool {
    guard let other = other as? Self else { return false }
    return self == other
  }
}

/// One named attribute.
@usableFromInline
package struct Attribute: Hashable, Sendable {
  package var key: String
  package var value: AttributeValue
  package init(_ key: String, _ value: AttributeValue) {
    self.key = key
    self.value = value
  }
}

/// Attribute values with a literal form in IR text.
@usableFromInline
package enum AttributeValue: Hashable, Sendable {
  case integer(Int)
  case integers([Int])
  case float(Double)
  case bool(Bool)
  case string(String)
  case dtype(DType)
  case array(HostArray)
}

/// Reads attributes by key; a missing or mistyped one is a `TypeError`, an unread one too.
@usableFromInline
package struct AttributeReader: Sendable {
  package let op: String
  package let values: [String: AttributeValue]

  package init(op: String, _ attributes: [Attribute]) {
    self.op = op
    values = Dictionary(attributes.map { ($0.key, $0.value) }, uniquingKeysWith: { a, _ in a })
  }

  /// Throws when the text names an attribute that the operation does not have.
  package func allow(_ keys: [String]) throws(TypeError) {
    for key in values.keys.sorted() where !keys.contains(key) {
      throw TypeError(op: op, "no attribute named '\(key)'")
    }
  }

  package func integer(_ key: String) throws(TypeError) -> Int {
    guard case .integer(let x)? = values[key] else { throw missing(key, "an integer") }
    return x
  }
  package func integers(_ key: String) throws(TypeError) -> [Int] {
    guard case .integers(let x)? = values[key] else { throw missing(key, "a list of integers") }
    return x
  }
  package func float(_ key: String) throws(TypeError) -> Double {
    switch values[key] {
    case .float(let x)?: return x
    case .integer(let x)?: return Double(x)
    default: throw missing(key, "a number")
    }
  }
  package func bool(_ key: String) throws(TypeError) -> Bool {
    guard case .bool(let x)? = values[key] else { throw missing(key, "true or false") }
    return x
  }
  package func string(_ key: String) throws(TypeError) -> String {
    guard case .string(let x)? = values[key] else { throw missing(key, "a string") }
    return x
  }
  package func dtype(_ key: String) throws(TypeError) -> DType {
    guard case .dtype(let x)? = values[key] else { throw missing(key, "a dtype") }
    return x
  }
  package func array(_ key: String) throws(TypeError) -> HostArray {
    guard case .array(let x)? = values[key] else { throw missing(key, "a literal array") }
    return x
  }

  private func missing(_ key: String, _ kind: String) -> TypeError {
    TypeError(op: op, "attribute '\(key)' must be \(kind)")
  }
}
