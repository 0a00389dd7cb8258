// The Swift type of a model as text.

extension ModelInterface {
  /// The whole file.
  func swiftText() throws -> String {
    let stem = String(file.prefix { $0 != "." })
    let type = Names.type(stem)
    var names = Names()
    let ports = inputs.map { (port: $0, name: names.fresh($0.name)) }
    var outputNames = Names()
    let results = outputs.map { (port: $0, name: outputNames.fresh($0.name)) }
    for (port, _) in ports + results where port.element == nil {
      throw InterfaceError("\(file): '\(port.name)' is no tensor; call MartletONNX yourself")
    }
    var dimensionNames = Names()
    let dimensions = symbols.map { (symbol: $0, name: dimensionNames.fresh($0)) }

    var text = """
      // Written by Martlet's plugin from \(Names.comment(file)); not to be edited.

      import Foundation
      import Martlet
      \(isONNX ? "import MartletONNX\n" : "")
      /// The model in \(Names.comment(file)), compiled in this process when a value is made.
      ///
      /// One caller at a time: make another value for another thread.
      public final class \(type) {

      """
    if case .classifier(let classes) = kind {
      text += "  /// The classes in the order of the outputs.\n"
      text +=
        "  public static let classes = [\(classes.map(Names.literal).joined(separator: ", "))]\n\n"
    }
    text += outputStruct(results)
    text += isONNX ? onnxBody(dimensions) : classifierBody(dimensions)
    text += call(ports, results)
    return text + "}\n"
  }

  private var isONNX: Bool {
    if case .onnx = kind { return true }
    return false
  }

  /// The names of open dimensions, in order of appearance.
  private var symbols: [String] {
    var found: [String] = []
    for port in inputs {
      for symbol in (port.extents ?? []).compactMap(\.symbol) where !found.contains(symbol) {
        found.append(symbol)
      }
    }
    return found
  }

  private func outputStruct(_ results: [(port: Port, name: String)]) -> String {
    var text = "  /// What a run gives, in row-major order.\n  public struct Output: Sendable {\n"
    for (port, name) in results {
      text += "    /// \(Names.comment(port.name)): \(shape(port))\n"
      text += "    public let \(name): \(Element(port.element).array)\n"
    }
    return text + "  }\n\n"
  }

  private func parameters(_ dimensions: [(symbol: String, name: String)]) -> String {
    dimensions.map { "\($0.name): Int\($0.symbol == "batch" ? " = 1" : ""), " }.joined()
  }

  private func location() -> String {
    let dot = file.lastIndex { $0 == "." } ?? file.endIndex
    return """
          let found = path ?? Bundle.module.url(
            forResource: \(Names.literal(String(file[..<dot]))), withExtension: \(Names.literal(String(file[dot...].dropFirst())))
          )?.path
          guard let found else {
            throw RunError(.file, \(Names.literal("no resource \(file)")), hint: "resources: [.copy(\\"\(Names.inside(file))\\")]")
          }

      """
  }

  private func classifierBody(_ dimensions: [(symbol: String, name: String)]) -> String {
    """
      private let classifier: Classifier
      private let program: Function
      private let batch: Int

      /// Reads and compiles the model.
      ///
      /// - Parameters:
      ///   - batch: samples in one run.
      ///   - threads: threads of a run, the caller's included; nil for as many as there are.
      ///   - path: where the model is, if not among the target's resources.
      public init(batch: Int = 1, threads: Int? = nil, path: String? = nil) throws {
        guard batch > 0 else { throw RunError(.input, "a batch of \\(batch)") }
    \(location())    var options = try CompileOptions()
        if let threads { options.threads = threads }
        classifier = try Classifier(directory: found)
        program = try classifier.prediction(batch: batch, options: options)
        self.batch = batch
      }


    """
  }

  private func onnxBody(_ dimensions: [(symbol: String, name: String)]) -> String {
    var text = "  private let program: ONNXProgram\n"
    for (_, name) in dimensions { text += "  private let \(name): Int\n" }
    text += """

        /// Reads and compiles the model.
        ///
        /// - Parameters:

      """
    for (symbol, name) in dimensions {
      text += "  ///   - \(name): the extent `\(Names.comment(symbol))`.\n"
    }
    var named: Set<String> = []
    var placed: [Port] = []
    for port in inputs {
      for extent in port.extents ?? [] {
        if case .named(let symbol) = extent { named.insert(symbol) }
      }
      let isPlaced = port.extents?.contains { if case .place = $0 { true } else { false } }
      if isPlaced == true { placed.append(port) }
    }
    let table = dimensions.filter { named.contains($0.symbol) }
      .map { "\(Names.literal($0.symbol)): \($0.name)" }.joined(separator: ", ")
    text += """
        ///   - threads: threads of a run, the caller's included; nil for as many as there are.
        ///   - path: where the model is, if not among the target's resources.
        public init(\(parameters(dimensions))threads: Int? = nil, path: String? = nil) throws {
      \(location())    var options = try CompileOptions()
          if let threads { options.threads = threads }
          let model = try ONNXModel(contentsOf: found)

      """
    for (_, name) in dimensions { text += "    self.\(name) = \(name)\n" }
    text += "    program = try model.compile(\n"
    text += "      dimensions: [\(table.isEmpty ? ":" : table)],"
    // Extents that have no name are told by an array.
    let values = placed.map { port -> String in
      let shape = array(port, "").split(separator: "shape: ").last ?? "[])"
      return "\(Names.literal(port.name)): try NDArray(zeros: "
        + "\(shape.dropLast().split(separator: "self.").joined()), .\(Element(port.element).dtype))"
    }
    if !values.isEmpty { text += "\n      values: [\(values.joined(separator: ", "))]," }
    text += " options: options)\n"
    return text + "  }\n\n"
  }

  private func call(
    _ ports: [(port: Port, name: String)], _ results: [(port: Port, name: String)]
  ) -> String {
    var text = "  /// One run. Elements are in row-major order.\n  ///\n  /// - Parameters:\n"
    for (port, name) in ports {
      text += "  ///   - \(name): \(Names.comment(port.name)), \(shape(port))\n"
    }
    text += "  public func callAsFunction("
    text += ports.map { "\($0.name): \(type(of: $0.port))" }.joined(separator: ", ")
    text += ") throws -> Output {\n"
    let arrays = ports.map { array($0.port, $0.name) }
    if isONNX {
      text += "    let results = try program.run([\(ports.isEmpty ? ":" : "")\n"
      for ((port, _), value) in zip(ports, arrays) {
        text += "      \(Names.literal(port.name)): \(value),\n"
      }
      text += "    ])\n"
      text += "    func result(_ name: String) throws -> NDArray {\n"
      text +=
        "      guard let array = results[name] else { throw RunError(.mismatch, \"no output '\\(name)'\") }\n"
      text += "      return array\n    }\n"
    } else {
      text += "    let results = try program.run([\(arrays.joined(separator: ", "))])\n"
    }
    text += "    return Output("
    text += results.enumerated().map { index, result in
      let value =
        isONNX ? "try result(\(Names.literal(result.port.name)))" : "results[\(index)]"
      return "\n      \(result.name): \(Element(result.port.element).elements(value))"
    }.joined(separator: ",")
    return text + ")\n  }\n"
  }

  /// The type of a parameter: a number for an input of rank 0.
  private func type(of port: Port) -> String {
    let element = Element(port.element)
    return port.extents == [] ? element.swift ?? element.array : element.array
  }

  /// `NDArray(images, shape: [batch, 28, 28, 1])`
  private func array(_ port: Port, _ name: String) -> String {
    guard Element(port.element).swift != nil, let extents = port.extents,
      !extents.contains(.unknown)
    else { return name }
    if extents.isEmpty { return "try NDArray(scalar: \(name))" }
    var names = Names()
    let known = Dictionary(
      symbols.map { ($0, names.fresh($0)) }, uniquingKeysWith: { first, _ in first })
    let shape = extents.map { extent -> String in
      if case .fixed(let n) = extent { return "\(n)" }
      return "self.\(known[extent.symbol ?? ""] ?? "batch")"
    }
    return "try NDArray(\(name), shape: [\(shape.joined(separator: ", "))])"
  }

  private func shape(_ port: Port) -> String {
    let extents = port.extents.map { extents in
      "["
        + extents.map { extent -> String in
          if case .fixed(let n) = extent { return "\(n)" }
          return extent.symbol.map(Names.comment) ?? "?"
        }.joined(separator: ", ") + "]"
    }
    return "\(Element(port.element).dtype)\(extents ?? " of any shape")"
  }
}

/// An element type of ONNX in Swift.
struct Element {
  let dtype: String
  /// Nil where Swift has none that an array can be made of.
  let swift: String?

  init(_ number: Int?) {
    switch number {
    case 1: (dtype, swift) = ("float32", "Float")
    case 2: (dtype, swift) = ("uint8", "UInt8")
    case 6: (dtype, swift) = ("int32", "Int32")
    case 7: (dtype, swift) = ("int64", "Int64")
    case 9: (dtype, swift) = ("bool", "Bool")
    case 11: (dtype, swift) = ("float64", "Double")
    default: (dtype, swift) = ("element type \(number ?? 0) of ONNX", nil)
    }
  }

  /// The type of a parameter or of a property.
  var array: String { swift.map { "[\($0)]" } ?? "NDArray" }

  func elements(_ value: String) -> String {
    swift.map { "\(value).elements(as: \($0).self)" }.map {
      value.hasPrefix("try ") ? $0 : "try \($0)"
    } ?? value
  }
}

/// Names from files as Swift's: letters, digits and `_` alone reach the text as code.
struct Names {
  private var taken: Set<String> = ["threads", "path", "program", "classifier", "options", "found"]

  private static let keywords: Set<String> = [
    "as", "break", "case", "catch", "class", "continue", "default", "defer", "deinit", "do", "else",
    "enum", "extension", "fallthrough", "false", "for", "func", "guard", "if", "import", "in",
    "init",
    "inout", "internal", "is", "let", "nil", "operator", "private", "protocol", "public", "repeat",
    "return", "self", "static", "struct", "subscript", "super", "switch", "throw", "throws", "true",
    "try", "typealias", "var", "where", "while", "Any", "Self", "Type", "results", "result",
    "model",
  ]

  private static func word(_ name: String) -> String {
    var word = ""
    for byte in name.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        word.append(Character(UnicodeScalar(byte)))
      default: if word.last != "_" { word.append("_") }
      }
    }
    while word.last == "_" { word.removeLast() }
    if word.isEmpty || word.first?.isNumber == true { word = "_" + word }
    return word == "_" ? "value" : word
  }

  /// A name that was not given before.
  mutating func fresh(_ name: String) -> String {
    let word = Names.word(name)
    let base = Names.keywords.contains(word) || taken.contains(word) ? word + "_" : word
    var candidate = base
    var number = 2
    while taken.contains(candidate) {
      candidate = "\(base)\(number)"
      number += 1
    }
    taken.insert(candidate)
    return candidate
  }

  /// `learning_rate` → `learningRate`
  static func camel(_ name: String) -> String {
    let parts = name.split(separator: "_")
    return parts.prefix(1).joined()
      + parts.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
  }

  /// `digits-v2` → `DigitsV2`
  static func type(_ name: String) -> String {
    let parts = word(name).split(separator: "_")
    let joined = parts.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    return joined.first?.isLetter == true ? joined : "Model\(joined)"
  }

  /// A text inside of a comment: one line of printable characters.
  static func comment(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.prefix(200).map {
          $0.isASCII && $0.value >= 32 && $0.value < 127 && $0 != "`" ? $0 : "?"
        }))
  }

  /// The inside of a string literal.
  static func inside(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      if scalar.isASCII, scalar.value >= 32, scalar.value < 127, scalar != "\\", scalar != "\"" {
        result.unicodeScalars.append(scalar)
      } else {
        result += "\\u{\(String(scalar.value, radix: 16))}"
      }
    }
    return result
  }

  /// A string literal.
  static func literal(_ text: String) -> String { "\"\(inside(text))\"" }
}
