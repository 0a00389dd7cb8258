// A Swift class over the C that `martlet compile` wrote, from its header.

import Foundation

/// What the header NAME.h declares.
struct HeaderInterface {
  struct Parameter {
    let name: String
    /// `Float` for `float`.
    let swift: String
    let isArray: Bool
    let isOutput: Bool
    let count: Int
  }
  let name: String
  let stateBytes: Int
  let arenaBytes: Int
  let run: [Parameter]?
  let train: [Parameter]?

  init(header: URL) throws {
    let text = try String(contentsOf: header, encoding: .utf8)
    let name = header.deletingPathExtension().lastPathComponent
    let upper = name.uppercased()
    self.name = name
    var numbers: [String: String] = [:]
    for line in text.split(separator: "\n") where line.hasPrefix("#define ") {
      let words = line.split(separator: " ", maxSplits: 2)
      if words.count == 3 { numbers[String(words[1])] = String(words[2]) }
    }
    stateBytes = HeaderInterface.value(numbers["\(upper)_STATE_BYTES"]) ?? 0
    guard let arena = HeaderInterface.value(numbers["\(upper)_ARENA_BYTES"]) else {
      throw InterfaceError(
        "\(header.path): no \(upper)_ARENA_BYTES; not a header of martlet compile")
    }
    arenaBytes = arena
    guard numbers["\(upper)_WEIGHTS_BYTES"] == nil else {
      throw InterfaceError("\(header.path): the weights are a file; compile with --weights embed")
    }
    func signature(_ function: String, _ middle: String) throws -> [Parameter]? {
      let start = "int \(name)_\(function)("
      guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(start) }) else {
        return nil
      }
      let inside = line.dropFirst(start.count).prefix { $0 != ")" }
      return try inside.components(separatedBy: ", ").dropFirst().map { part in
        let words = part.replacingOccurrences(of: "*", with: "* ").split(separator: " ")
        guard let last = words.last,
          let swift = HeaderInterface.types[
            words.dropLast().filter { $0 != "const" && $0 != "*" }.joined(separator: " ")]
        else { throw InterfaceError("\(header.path): cannot read '\(part)'") }
        let isPointer = words.contains("*")
        let macro = "\(upper)\(middle)_\(last.uppercased())_COUNT"
        return Parameter(
          name: String(last), swift: swift, isArray: isPointer,
          isOutput: isPointer && !words.contains("const"),
          count: HeaderInterface.value(numbers[macro]) ?? 1)
      }
    }
    run = try signature("run", "")
    train = try signature("train_step", "_TRAIN")
  }

  private static let types = [
    "float": "Float", "double": "Double", "int8_t": "Int8", "int16_t": "Int16",
    "int32_t": "Int32", "int64_t": "Int64", "uint8_t": "UInt8", "uint16_t": "UInt16",
    "uint32_t": "UInt32", "uint64_t": "UInt64", "unsigned char": "UInt8",
  ]

  /// `128`, or `(1024 + MARTLET_THREADS * 64)` for one thread.
  private static func value(_ text: String?) -> Int? {
    guard let text else { return nil }
    let words = text.replacingOccurrences(of: "(", with: "").replacingOccurrences(of: ")", with: "")
      .split(separator: " ").prefix { $0 != "/*" }
    var sum = 0
    for word in words where word != "+" && word != "MARTLET_THREADS" && word != "*" {
      guard let number = Int(word) else { return nil }
      sum += number
    }
    return words.isEmpty ? nil : sum
  }

  /// The class as text; `module` is the C target.
  func swiftText(module: String) -> String {
    let type = Names.type(name) + "Model"
    var text = """
      // Written by `swift package compile-model`; not to be edited.

      import \(module)

      /// The model `\(name)`, compiled ahead of time. One caller at a time: make a value for each thread.
      public final class \(type) {
        /// A call that failed.
        public struct Failure: Error, CustomStringConvertible {
          /// The status in \(name).h.
          public let status: Int32
          /// The status in words.
          public var description: String { String(cString: \(name)_message(status)) }
        }

        private var context = \(name)_context()
        private let arena = UnsafeMutableRawPointer.allocate(byteCount: \(arenaBytes), alignment: 64)

      """
    if stateBytes > 0 {
      text += """
          private let state = UnsafeMutableRawPointer.allocate(byteCount: \(stateBytes), alignment: 64)

        """
    }
    let blocks = stateBytes > 0 ? "state, \(stateBytes), " : ""
    text += """

        /// The model with its first weights.
        public init() throws {
          try check(\(name)_init(&context, \(blocks)arena, \(arenaBytes)))
        }

        deinit {
          arena.deallocate()
      \(stateBytes > 0 ? "    state.deallocate()\n" : "")  }

        private func check(_ status: Int32) throws {
          if status != 0 { throw Failure(status: status) }
        }


      """
    if let run { text += function("run", "run", "From inputs to results.", run) }
    if let train {
      text += function(
        "train_step", "trainStep", "One training step; the loss of the batch before it.", train)
    }
    if stateBytes > 0 {
      text += """
          /// Parameters, optimizer's state and counters as bytes to keep.
          public func save() throws -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: \(stateBytes))
            try check(\(name)_save(&context, &bytes, bytes.count))
            return bytes
          }

          /// Goes on from such bytes. Throws, and changes nothing, for others.
          public func load(_ bytes: [UInt8]) throws {
            try check(\(name)_load(&context, bytes, bytes.count))
          }

        """
    }
    return text + "}\n"
  }

  private func function(
    _ cName: String, _ swiftName: String, _ summary: String, _ parameters: [Parameter]
  ) -> String {
    var names = Names()
    let all = parameters.map { (parameter: $0, name: names.fresh(Names.camel($0.name))) }
    let outputs = all.filter(\.parameter.isOutput)
    let inputs = all.filter { !$0.parameter.isOutput }
    func type(_ p: Parameter) -> String { p.isArray && p.count != 1 ? "[\(p.swift)]" : p.swift }
    let result =
      outputs.count == 1
      ? type(outputs[0].parameter)
      : "(" + outputs.map { "\($0.name): \(type($0.parameter))" }.joined(separator: ", ") + ")"
    var text = "  /// \(summary)\n  ///\n"
    text += "  /// An array of the wrong length is `\(name.uppercased())_ERROR_SIZE`.\n"
    text += "  public func \(swiftName)("
    text += inputs.map { "\($0.name): \(type($0.parameter))" }.joined(separator: ", ")
    text += ") throws -> \(result) {\n"
    let arrays = inputs.filter { $0.parameter.isArray && $0.parameter.count != 1 }
    if !arrays.isEmpty {
      let conditions = arrays.map { "\($0.name).count == \($0.parameter.count)" }
      text += "    guard \(conditions.joined(separator: ", ")) else {\n"
      text +=
        "      throw Failure(status: Int32(\(name.uppercased())_ERROR_SIZE.rawValue))\n    }\n"
    }
    for (parameter, name) in outputs {
      let value =
        parameter.count != 1
        ? "[\(parameter.swift)](repeating: 0, count: \(parameter.count))"
        : "\(parameter.swift)(0)"
      text += "    var \(name) = \(value)\n"
    }
    let arguments = all.map { parameter, name -> String in
      if parameter.isOutput { return "&\(name)" }
      return parameter.isArray && parameter.count == 1 ? "[\(name)]" : name
    }
    text += "    try check(\(name)_\(cName)(&context, \(arguments.joined(separator: ", "))))\n"
    text += "    return "
    text +=
      outputs.count == 1
      ? outputs[0].name : "(" + outputs.map(\.name).joined(separator: ", ") + ")"
    return text + "\n  }\n\n"
  }
}
