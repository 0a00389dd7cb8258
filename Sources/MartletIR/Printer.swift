// Graphs as text. Parser.swift has the grammar and reads back what this prints.

/// What a printed graph shows.
package struct PrintOptions: Hashable, Sendable {
  /// Ends each node's line with `// scope  file:line`.
  package var locations: Bool
  /// Literals with more elements print as `f32[784,10](…)`. Such text is for people: the parser
  /// refuses it. Nil prints every element.
  package var maximumElements: Int?

  package init(locations: Bool = false, maximumElements: Int? = nil) {
    self.locations = locations
    self.maximumElements = maximumElements
  }
}

extension Graph: CustomStringConvertible {
  /// The graph in canonical text form: values numbered densely, parameters first.
  ///
  ///     graph g(%0: f32[4] "x", %1: state f32[4] "w") {
  ///       %2: f32[4] = multiply %0, %1
  ///       return %2, %1 <- %2
  ///     }
  package func printed(_ options: PrintOptions = PrintOptions()) -> String {
    var printer = Printer(options)
    printer.printGraph(self)
    return printer.text
  }

  @usableFromInline package var description: String {
    printed(PrintOptions(locations: true, maximumElements: 16))
  }
}

extension AttributeValue: CustomStringConvertible {
  /// The literal form of IR text.
  @usableFromInline package var description: String {
    switch self {
    case .integer(let x): String(x)
    case .integers(let x): "[" + x.map(String.init).joined(separator: ",") + "]"
    case .float(let x): IRText.float(x)
    case .bool(let x): x ? "true" : "false"
    case .string(let x): IRText.quoted(x)
    case .dtype(let x): x.rawValue
    case .array(let x): x.printed(maximumElements: nil)
    }
  }
}

extension HostArray: CustomStringConvertible {
  @usableFromInline package var description: String { printed(maximumElements: 16) }

  /// `f32[2](0x1p+0, nan)`, or `f32[64](=0x1p-1)` when all elements are the same.
  fileprivate func printed(maximumElements: Int?) -> String {
    if count > 1, let splat = splatValue { return "\(type)(=\(splat.element(0)))" }
    if let maximumElements, count > maximumElements { return "\(type)(…)" }
    var text = "\(type)("
    for index in 0..<count {
      if index > 0 { text += ", " }
      text += element(index)
    }
    return text + ")"
  }

  private func element(_ index: Int) -> String {
    switch storage {
    case .float(let x): IRText.float(x[index])
    case .shared(let x): IRText.float(x[index])
    case .bytes(let x): dtype == .int8 ? String(Int8(bitPattern: x[index])) : String(x[index])
    case .integer(let x):
      switch dtype {
      case .bool: x[index] != 0 ? "true" : "false"
      case .uint64: String(UInt64(bitPattern: x[index]))
      default: String(x[index])
      }
    }
  }
}

/// The spellings that printer and parser share.
enum IRText {
  /// A hex float: exact, and never mistaken for an integer. NaNs other than the default one keep
  /// their bits, because literals compare by bits.
  static func float(_ x: Double) -> String {
    if x.isNaN {
      let bits = x.bitPattern
      return bits == Double.nan.bitPattern ? "nan" : "nan(0x\(String(bits, radix: 16)))"
    }
    let sign = x.sign == .minus ? "-" : ""
    if x.isInfinite { return sign + "inf" }
    if x == 0 { return sign + "0x0p+0" }
    let exponent = (x.exponent < 0 ? "" : "+") + String(x.exponent)
    // `significand` lies in 1..<2, for subnormals too.
    var fraction = x.significand.magnitude.significandBitPattern
    guard fraction != 0 else { return "\(sign)0x1p\(exponent)" }
    var digits = 13
    while fraction & 15 == 0 {
      fraction >>= 4
      digits -= 1
    }
    let hex = String(fraction, radix: 16)
    let padding = String(repeating: "0", count: digits - hex.utf8.count)
    return "\(sign)0x1.\(padding)\(hex)p\(exponent)"
  }

  /// A string literal. Control characters are escaped, so that a name never ends its line.
  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      default:
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator:
          result += "\\u{" + String(scalar.value, radix: 16) + "}"
        default: result.unicodeScalars.append(scalar)
        }
      }
    }
    return result + "\""
  }

  static func isIdentifier(_ text: String) -> Bool {
    guard let first = text.utf8.first, isLetter(first) else { return false }
    return text.utf8.allSatisfy { isLetter($0) || isDigit($0) }
  }

  static func isLetter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "_"):
      true
    default: false
    }
  }

  static func isDigit(_ byte: UInt8) -> Bool {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
  }

  /// `1 result`, `2 results`.
  static func counted(_ count: Int, _ noun: String) -> String {
    "\(count) \(noun)\(count == 1 ? "" : "s")"
  }

  /// `hidden/relu  main.swift:5`; parts with blanks or quotes are quoted.
  static func location(_ location: SourceLocation) -> String {
    func word(_ text: String) -> String {
      let plain = text.unicodeScalars.allSatisfy { scalar in
        scalar.isASCII && scalar.value > 0x20 && scalar.value < 0x7F && scalar != "\""
          && scalar != "\\"
      }
      return plain ? text : quoted(text)
    }
    let line = "\(word(location.file)):\(location.line)"
    return location.scope.isEmpty ? line : "\(word(location.scope))  \(line)"
  }
}

private struct Printer {
  private(set) var text = ""
  let options: PrintOptions

  init(_ options: PrintOptions) { self.options = options }

  mutating func printGraph(_ graph: Graph) {
    text += "graph "
    text += IRText.isIdentifier(graph.name) ? graph.name : IRText.quoted(graph.name)
    let numbers = graph.canonicalNumbers()
    printParameters(graph, numbers, indent: "")
    text += " {\n"
    printBody(graph, numbers, indent: "  ", depth: 0)
    text += "}\n"
  }

  private mutating func printParameters(_ graph: Graph, _ numbers: [Int], indent: String) {
    let items = graph.parameters.map { parameter in
      var item = name(parameter.value, numbers)
      item += parameter.role == .state ? ": state " : ": "
      // A parameter out of range has no type; the verifier reports it, printing must not trap.
      item +=
        graph.values.indices.contains(parameter.value.id)
        ? graph.type(parameter.value).description : "?"
      if !parameter.name.isEmpty { item += " " + IRText.quoted(parameter.name) }
      return item
    }
    text += "("
    printList(items, indent: indent + "  ")
    text += ")"
  }

  /// A comma-separated list: on one line while it is short, else one item a line.
  private mutating func printList(_ items: [String], indent: String) {
    if items.count > 1, items.reduce(0, { $0 + $1.utf8.count + 2 }) > 90 {
      text += "\n" + indent + items.joined(separator: ",\n" + indent)
    } else {
      text += items.joined(separator: ", ")
    }
  }

  private func name(_ value: Value, _ numbers: [Int]) -> String {
    guard numbers.indices.contains(value.id), numbers[value.id] >= 0 else { return "%?" }
    return "%" + String(numbers[value.id])
  }

  private mutating func printBody(
    _ graph: Graph, _ numbers: [Int], indent: String, depth: Int
  ) {
    for node in graph.nodes {
      text += indent
      printNode(node, in: graph, numbers, indent: indent, depth: depth)
      if options.locations, node.location != .unknown {
        text += "  // " + IRText.location(node.location)
      }
      text += "\n"
    }
    let outputs = graph.outputs.map { output in
      var item = name(output.value, numbers)
      if case .assign(let index) = output.role {
        let target =
          graph.parameters.indices.contains(index)
          ? name(graph.parameters[index].value, numbers) : "%?"
        item = target + " <- " + item
      }
      if !output.name.isEmpty { item += " " + IRText.quoted(output.name) }
      return item
    }
    text += indent + (outputs.isEmpty ? "return" : "return ")
    printList(outputs, indent: indent + "  ")
    text += "\n"
  }

  private mutating func printNode(
    _ node: Node, in graph: Graph, _ numbers: [Int], indent: String, depth: Int
  ) {
    for offset in 0..<node.resultCount {
      if offset > 0 { text += ", " }
      let value = Value(node.firstResult.id + offset)
      text += name(value, numbers) + ": " + graph.type(value).description
    }
    text += " = " + node.op.name
    let attributes = node.op.attributes
    if !attributes.isEmpty {
      let items = attributes.map { attribute in
        guard case .array(let array) = attribute.value else {
          return "\(attribute.key)=\(attribute.value)"
        }
        return "\(attribute.key)=\(array.printed(maximumElements: options.maximumElements))"
      }
      text += " {" + items.joined(separator: ", ") + "}"
    }
    for (index, operand) in node.operands.enumerated() {
      text += (index == 0 ? " " : ", ") + name(operand, numbers)
    }
    for region in node.regions {
      guard depth < maximumRegionDepth else {
        text += " {…}"
        continue
      }
      let regionNumbers = region.canonicalNumbers()
      text += " {"
      if !region.parameters.isEmpty {
        text += " "
        printParameters(region, regionNumbers, indent: indent + "  ")
      }
      text += "\n"
      printBody(region, regionNumbers, indent: indent + "  ", depth: depth + 1)
      text += indent + "}"
    }
  }
}
