// IR text into graphs. The inverse of Printer.swift; docs/ir.md shows the language by example.
//
//     graph   ::= "graph" name params "{" body "}"            name ::= word | string
//     params  ::= "(" [param ("," param)*] ")"
//     param   ::= value ":" ["state"] type [string]           value ::= "%" digits
//     body    ::= line* "return" [output ("," output)*]
//     line    ::= result ("," result)* "=" op [attrs] [operand ("," operand)*] region*
//     result  ::= value ":" type                        type ::= dtype "[" [int ("," int)*] "]"
//     operand ::= value | number                              op   ::= word
//     region  ::= "{" [params] body "}"
//     output  ::= [value "<-"] value [string]
//     attrs   ::= "{" [key "=" literal ("," key "=" literal)*] "}"
//     literal ::= number | "true" | "false" | string | dtype | "[" [int ("," int)*] "]" | array
//     array   ::= type "(" [element ("," element)*] ")" | type "(" "=" element ")"
//     element ::= number | "true" | "false"
//     number  ::= ["-"] (digits | decimal | hex-float | "inf") | "nan" ["(" hex ")"]
//     string  ::= '"' (character | '\"' | '\\' | '\n' | '\t' | '\u{' hex '}')* '"'
//     comment ::= "//" to the end of the line; "//" [scope "  "] file ":" int locates its node
//
// A line ends with a new line or ";". New lines may follow "(", "{" and ",". A value is a label:
// any number, defined once, before its use, in its own body. An operand written as a number is a
// `constant` of the type of the line's first result. `value "<-"` names the state parameter that
// an output is assigned to.

/// Makes operations from their printed names and attributes.
package struct OpTable: Sendable {
  private let types: [String: any Operation.Type]

  /// A table of these operations; of two with one name the first counts.
  package init(_ types: [any Operation.Type]) {
    self.types = Dictionary(types.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The operation with this name, or nil when there is none.
  package func callAsFunction(
    _ name: String, _ attributes: AttributeReader
  ) throws(TypeError) -> (any Operation)? {
    guard let type = types[name] else { return nil }
    return try type.init(attributes)
  }
}

extension Graph {
  /// Reads a graph from text. Result types are checked against what the operations infer, so a
  /// parsed graph is a valid one but for what ``verify(_:)`` says of state and assignments.
  ///
  /// The text may come from anywhere: depth of body graphs and size of literals are bounded.
  package init(
    parsing text: String, ops: OpTable, limits: ParserLimits = ParserLimits()
  ) throws(ParseError) {
    var parser = Parser(scanner: try Scanner(text, limits), ops: ops)
    self = try parser.graph()
  }
}

private struct Parser {
  var scanner: Scanner
  let ops: OpTable

  /// The values that a body has defined so far, by label.
  typealias Labels = [Int: Value]

  mutating func graph() throws(ParseError) -> Graph {
    scanner.skipLines()
    guard scanner.accept(word: "graph") else { throw scanner.expected("'graph'") }
    scanner.skipBlanks()
    let name =
      scanner.next == UInt8(ascii: "\"")
      ? try scanner.string() : try scanner.word("the graph's name")
    var graph = Graph(name: name)
    var labels = Labels()
    scanner.skipBlanks()
    try parameters(of: &graph, &labels)
    scanner.skipLines()
    try scanner.expect("{")
    try body(of: &graph, &labels, depth: 0)
    scanner.skipSeparators()
    guard scanner.isAtEnd else { throw scanner.expected("the end of the text") }
    return graph
  }

  private mutating func parameters(
    of graph: inout Graph, _ labels: inout Labels
  ) throws(ParseError) {
    try scanner.expect("(")
    scanner.skipLines()
    if scanner.accept(")") { return }
    repeat {
      scanner.skipLines()
      let start = scanner.position
      let label = try self.label()
      try colon()
      let role = scanner.accept(word: "state") ? Graph.ParameterRole.state : .argument
      scanner.skipBlanks()
      let type = try scanner.type()
      scanner.skipBlanks()
      let name = try optionalName()
      try define(label, graph.addParameter(type, name: name, role: role), &labels, at: start)
      scanner.skipLines()
    } while scanner.accept(",")
    try scanner.expect(")")
  }

  /// Everything behind the opening brace and the parameters, with the closing brace.
  private mutating func body(
    of graph: inout Graph, _ labels: inout Labels, depth: Int
  ) throws(ParseError) {
    scanner.skipSeparators()
    while !scanner.accept(word: "return") {
      guard scanner.next == UInt8(ascii: "%") else {
        throw scanner.expected("a line or 'return'")
      }
      try line(of: &graph, &labels, depth: depth)
      scanner.skipSeparators()
    }
    try outputs(of: &graph, labels)
    scanner.skipSeparators()
    try scanner.expect("}")
  }

  private mutating func outputs(of graph: inout Graph, _ labels: Labels) throws(ParseError) {
    scanner.skipBlanks()
    if scanner.next == UInt8(ascii: "%") {
      try output(of: &graph, labels)
      while scanner.accept(",") {
        scanner.skipLines()
        try output(of: &graph, labels)
      }
    }
    _ = try scanner.endLine()
  }

  private mutating func output(of graph: inout Graph, _ labels: Labels) throws(ParseError) {
    let start = scanner.position
    var value = try self.value(labels)
    var role = Graph.OutputRole.result
    scanner.skipBlanks()
    if scanner.accept("<") {
      try scanner.expect("-")
      // Parameters come first in a parsed graph, so a value's number is its parameter's.
      guard value.id < graph.parameters.count, graph.parameters[value.id].role == .state else {
        throw scanner.error("only a state parameter can be assigned", at: start)
      }
      role = .assign(value.id)
      scanner.skipBlanks()
      value = try self.value(labels)
      scanner.skipBlanks()
    }
    graph.addOutput(value, name: try optionalName(), role: role)
    scanner.skipBlanks()
  }

  // MARK: - Lines

  private struct Result {
    var label: Int
    var type: TensorType
    var position: Int
  }

  private enum Operand {
    case value(Value)
    case literal(HostArray, position: Int)
  }

  private mutating func line(
    of graph: inout Graph, _ labels: inout Labels, depth: Int
  ) throws(ParseError) {
    var results = [try result()]
    while scanner.accept(",") {
      scanner.skipLines()
      results.append(try result())
    }
    try scanner.expect("=")
    scanner.skipBlanks()
    let opPosition = scanner.position
    let name = try scanner.word("an operation")
    scanner.skipBlanks()
    let attributes = scanner.isAtAttributes ? try self.attributes() : []
    let op = try operation(name, attributes, at: opPosition)
    scanner.skipBlanks()
    let operands = try self.operands(labels, literalType: results[0].type)
    var regions: [Graph] = []
    while scanner.next == UInt8(ascii: "{") {
      regions.append(try region(depth: depth + 1))
      scanner.skipBlanks()
    }
    let location = try scanner.endLine()

    var values: [Value] = []
    values.reserveCapacity(operands.count)
    for operand in operands {
      switch operand {
      case .value(let value): values.append(value)
      case .literal(let array, let position):
        let constant = try operation(
          "constant", [Attribute("value", .array(array))], at: position)
        values += try append(constant, [], [], location, at: position, to: &graph)
      }
    }
    let new = try append(op, values, regions, location, at: opPosition, to: &graph)
    guard new.count == results.count else {
      throw scanner.error(
        "\(name) gives \(IRText.counted(new.count, "result")), not \(results.count)",
        at: results[0].position)
    }
    for (result, value) in zip(results, new) {
      guard graph.type(value) == result.type else {
        throw scanner.error(
          "%\(result.label) is declared \(result.type), but \(name) gives \(graph.type(value))",
          at: result.position)
      }
      try define(result.label, value, &labels, at: result.position)
    }
  }

  private mutating func result() throws(ParseError) -> Result {
    let position = scanner.position
    let label = try self.label()
    try colon()
    let type = try scanner.type()
    scanner.skipBlanks()
    return Result(label: label, type: type, position: position)
  }

  private mutating func operands(
    _ labels: Labels, literalType: TensorType
  ) throws(ParseError) -> [Operand] {
    var operands: [Operand] = []
    func isAtOperand(_ byte: UInt8) -> Bool {
      byte == UInt8(ascii: "%") || byte == UInt8(ascii: "-") || IRText.isDigit(byte)
        || IRText.isLetter(byte)
    }
    guard isAtOperand(scanner.next) else { return [] }
    repeat {
      scanner.skipLines()
      let position = scanner.position
      if scanner.next == UInt8(ascii: "%") {
        operands.append(.value(try value(labels)))
      } else {
        let array = try scanner.splat(try scanner.number(), literalType, at: position)
        operands.append(.literal(array, position: position))
      }
      scanner.skipBlanks()
    } while scanner.accept(",")
    return operands
  }

  private mutating func region(depth: Int) throws(ParseError) -> Graph {
    guard depth <= maximumRegionDepth else {
      throw scanner.error("body graphs nest deeper than \(maximumRegionDepth)")
    }
    try scanner.expect("{")
    var graph = Graph(name: "")
    var labels = Labels()
    scanner.skipLines()
    if scanner.next == UInt8(ascii: "(") { try parameters(of: &graph, &labels) }
    try body(of: &graph, &labels, depth: depth)
    return graph
  }

  private func operation(
    _ name: String, _ attributes: [Attribute], at position: Int
  ) throws(ParseError) -> any Operation {
    do throws(TypeError) {
      if let op = try ops(name, AttributeReader(op: name, attributes)) { return op }
    } catch {
      throw scanner.error("\(error.op): \(error.message)", at: position)
    }
    throw scanner.error("unknown operation '\(name)'", at: position)
  }

  private func append(
    _ op: any Operation, _ operands: [Value], _ regions: [Graph], _ location: SourceLocation,
    at position: Int, to graph: inout Graph
  ) throws(ParseError) -> [Value] {
    do throws(TypeError) {
      return try graph.append(op, operands, regions: regions, location: location)
    } catch {
      throw scanner.error("\(error.op): \(error.message)", at: position)
    }
  }

  // MARK: - Values and attributes

  private mutating func label() throws(ParseError) -> Int {
    try scanner.expect("%")
    return try scanner.natural("a value's number")
  }

  private mutating func value(_ labels: Labels) throws(ParseError) -> Value {
    let start = scanner.position
    let label = try self.label()
    guard let value = labels[label] else {
      throw scanner.error("%\(label) is not defined before this line", at: start)
    }
    return value
  }

  private func define(
    _ label: Int, _ value: Value, _ labels: inout Labels, at position: Int
  ) throws(ParseError) {
    guard labels.updateValue(value, forKey: label) == nil else {
      throw scanner.error("%\(label) is defined twice", at: position)
    }
  }

  private mutating func colon() throws(ParseError) {
    scanner.skipBlanks()
    try scanner.expect(":")
    scanner.skipBlanks()
  }

  private mutating func optionalName() throws(ParseError) -> String {
    scanner.next == UInt8(ascii: "\"") ? try scanner.string() : ""
  }

  private mutating func attributes() throws(ParseError) -> [Attribute] {
    try scanner.expect("{")
    scanner.skipLines()
    if scanner.accept("}") { return [] }
    var attributes: [Attribute] = []
    var keys: Set<String> = []
    repeat {
      scanner.skipLines()
      let position = scanner.position
      let key = try scanner.word("an attribute's name")
      guard keys.insert(key).inserted else {
        throw scanner.error("attribute '\(key)' is given twice", at: position)
      }
      scanner.skipBlanks()
      try scanner.expect("=")
      scanner.skipBlanks()
      attributes.append(Attribute(key, try attributeValue()))
      scanner.skipLines()
    } while scanner.accept(",")
    try scanner.expect("}")
    return attributes
  }

  private mutating func attributeValue() throws(ParseError) -> AttributeValue {
    switch scanner.next {
    case UInt8(ascii: "\""): return .string(try scanner.string())
    case UInt8(ascii: "["): return .integers(try integers())
    default: break
    }
    let start = scanner.position
    if scanner.accept(word: "true") { return .bool(true) }
    if scanner.accept(word: "false") { return .bool(false) }
    var probe = scanner
    if let word = probe.word(), let dtype = DType(rawValue: word) {
      scanner = probe
      guard scanner.next == UInt8(ascii: "[") else { return .dtype(dtype) }
      let type = try scanner.type(dtype, from: start)
      return .array(try scanner.array(type))
    }
    let number = try scanner.number()
    if case .float(let x) = number { return .float(x) }
    guard let integer = Scanner.signed(number) else {
      throw scanner.error("the integer does not fit in 64 bits", at: start)
    }
    return .integer(Int(integer))
  }

  private mutating func integers() throws(ParseError) -> [Int] {
    try scanner.expect("[")
    scanner.skipLines()
    if scanner.accept("]") { return [] }
    var integers: [Int] = []
    repeat {
      scanner.skipLines()
      integers.append(try scanner.integer())
      scanner.skipLines()
    } while scanner.accept(",")
    try scanner.expect("]")
    return integers
  }
}
