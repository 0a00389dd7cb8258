// The model's inputs: shapes from dimensions and from given values.

import MartletExecution
import MartletIR
import MartletONNXFormat
import MartletOps

extension Importer {
  struct Imported {
    /// The inputs that the program takes, in order; tensors of the trace are its arguments.
    var inputs: [(name: String, value: ONNXValue)]
    var outputs: [ONNXValue]
  }

  /// The whole model, or the part of it that gives values of the main graph by their names.
  func importModel(
    _ model: ONNXModel, dimensions: [String: Int], known: [String: ONNXValue],
    outputs names: [String]? = nil
  ) throws -> Imported {
    let graph = file.model.graph
    let versions = try Importer.versions(file.model.opsetImport)
    let scope = Scope(versions: versions)
    try model.check(dimensions, known)
    var dimensions = dimensions
    let ports = graph.input.map { ONNXPort(name: $0.name, kind: ONNXPort.Kind($0.type)) }
    for name in known.keys where !ports.contains(where: { $0.name == name }) {
      throw ONNXError(
        .input, "the model has no input '\(printable(name))'",
        hint: "inputs: " + ports.map { printable($0.name) }.joined(separator: ", "))
    }
    // Given shapes bind names, which then size the inputs that are not given.
    for port in ports {
      if let value = known[port.name] { try bind(port.kind, value, port.name, &dimensions) }
    }
    let required = Set(model.inputs.map(\.name))
    var inputs: [(name: String, value: ONNXValue)] = []
    for port in ports where required.contains(port.name) || known[port.name] != nil {
      let value = try argument(port, known[port.name], dimensions)
      inputs.append((port.name, value))
      scope.define(port.name, value)
    }
    try define(
      initializersOf: graph, in: scope, except: Set(inputs.map(\.name)))
    try run(names.map { Importer.nodes(of: graph, giving: $0) } ?? graph.node, in: scope)
    let outputs = try (names ?? graph.output.map(\.name)).map { name -> ONNXValue in
      guard let value = scope[name] else {
        throw ONNXError(.malformed, "the output '\(printable(name))' is not defined")
      }
      return value
    }
    return Imported(inputs: inputs, outputs: outputs)
  }

  /// The nodes that values depend on, in the graph's order.
  static func nodes(of graph: OnnxGraphProto, giving names: [String]) -> [OnnxNodeProto] {
    var wanted = Set(names)
    var kept: [OnnxNodeProto] = []
    for node in graph.node.reversed() where node.output.contains(where: wanted.contains) {
      kept.append(node)
      wanted.formUnion(reads(node))
    }
    return kept.reversed()
  }

  /// The names that a node and the graphs inside of it read.
  static func reads(_ node: OnnxNodeProto) -> Set<String> {
    var names = Set(node.input)
    var stack = [node]
    while let next = stack.popLast() {
      for attribute in next.attribute {
        for graph in (attribute.hasG ? [attribute.g] : []) + attribute.graphs {
          names.formUnion(graph.output.map(\.name))
          for inner in graph.node {
            names.formUnion(inner.input)
            stack.append(inner)
          }
        }
      }
    }
    names.remove("")
    return names
  }

  /// Notes what a given value says about symbolic dimensions; throws where it contradicts the file.
  private func bind(
    _ kind: ONNXPort.Kind, _ value: ONNXValue, _ name: String, _ dimensions: inout [String: Int]
  ) throws {
    func refuse(_ expected: String) -> ONNXError {
      ONNXError(
        .input,
        "the input '\(printable(name))' is \(value.description), the model takes \(expected)")
    }
    switch (kind, value) {
    case (.tensor(let type, let expected), _) where value.shape != nil:
      let shape = value.shape ?? []
      guard value.elementType == type else { throw refuse(kind.description) }
      guard let expected else { return }
      guard expected.count == shape.rank else { throw refuse(kind.description) }
      for (dimension, extent) in zip(expected, shape.dimensions) {
        switch dimension {
        case .fixed(let n): guard n == extent else { throw refuse(kind.description) }
        case .symbolic(let symbol):
          // Exporters name dimensions carelessly: two inputs of one symbol may differ in extent, and
          // the graph then says whether that fits.
          if dimensions[symbol] == nil { dimensions[symbol] = extent }
        case .unknown: break
        }
      }
    case (.sequence(let kind), .sequence(let values)):
      for value in values {
        var own = dimensions
        try bind(kind, value, name, &own)
      }
    case (.optional(let kind), .optional(let inner)):
      if let inner { try bind(kind, inner, name, &dimensions) }
    case (.optional(let kind), _): try bind(kind, value, name, &dimensions)
    default: throw refuse(kind.description)
    }
  }

  private func argument(
    _ port: ONNXPort, _ given: ONNXValue?, _ dimensions: [String: Int]
  ) throws -> ONNXValue {
    if let given { return try argument(port.name, given) }
    guard case .tensor(let element, let declared) = port.kind else {
      if case .optional = port.kind { return .optional(nil) }
      throw ONNXError(
        .input, "the input '\(printable(port.name))' is a \(port.kind): its value has to be given")
    }
    guard let declared else {
      throw ONNXError(
        .input, "the input '\(printable(port.name))' has no shape",
        hint: "give its value: --input NAME=FILE.npy")
    }
    guard let dtype = element.carrier else {
      throw ONNXError(
        .input, "the input '\(printable(port.name))' is \(element.name): its value has to be given")
    }
    let shape = try declared.map { dimension -> Int in
      switch dimension {
      case .fixed(let n): return n
      case .symbolic(let name):
        guard let n = dimensions[name] else {
          throw ONNXError(
            .input,
            "the dimension '\(printable(name))' of the input '\(port)' is not bound",
            hint: "--dim '\(printable(name))=1', or give the input")
        }
        return n
      case .unknown:
        throw ONNXError(
          .input, "the input '\(port)' has a dimension without a name",
          hint: "give its value: --input NAME=FILE.npy")
      }
    }
    return try argument(port.name, TensorType(dtype, Shape(shape)), element, nil)
  }

  private func argument(_ name: String, _ given: ONNXValue) throws -> ONNXValue {
    switch given {
    case .tensor: return given
    case .constant(let x):
      guard let type = x.type else {
        // Strings are no data of a program.
        specialised.insert(name)
        return given
      }
      return try argument(name, type, x.elementType, x)
    case .sequence(let x): return .sequence(try x.map { try argument(name, $0) })
    case .optional(let x):
      return .optional(try x.map { try argument(name, $0) })
    }
  }

  private func argument(
    _ name: String, _ type: TensorType, _ element: ElementType, _ known: HostTensor?
  ) throws -> ONNXValue {
    guard type.shape.isRepresentable, type.byteCount >= 0, type.byteCount <= limits.bytes else {
      throw ONNXError(
        .limit,
        "the input '\(printable(name))' of type \(printable(type.description)) is too large",
        hint: "--max-bytes allows more")
    }
    var spelled = identifier(name)
    // These two names are the program's own.
    if spelled == "seed" || spelled == "step" { spelled += "_" }
    let tensor = trace.argument(type, name: spelled)
    if let value = tensor.value { arguments[value] = (name, known) }
    return .tensor(tensor, as: element.isNative ? nil : element)
  }
}

extension ONNXModel {
  /// Throws for dimensions that the model does not have, that are negative, or that a given value
  /// contradicts.
  package func check(_ dimensions: [String: Int], _ values: [String: ONNXValue]) throws {
    guard !dimensions.isEmpty else { return }
    let ports = file.model.graph.input.map { ONNXPort(name: $0.name, kind: ONNXPort.Kind($0.type)) }
    let symbols = Set(ports.flatMap { $0.kind.symbols })
    for (name, extent) in dimensions.sorted(by: { $0.key < $1.key }) {
      guard symbols.contains(name) else {
        throw ONNXError(
          .input, "the model has no dimension '\(printable(name))'",
          hint: symbols.isEmpty
            ? "its inputs name none"
            : "dimensions: " + symbols.sorted().map { printable($0) }.joined(separator: ", "))
      }
      guard extent >= 0 else {
        throw ONNXError(.input, "the dimension '\(printable(name))' is \(extent)")
      }
    }
    for port in ports {
      guard case .tensor(_, let declared?) = port.kind, let value = values[port.name],
        let shape = value.shape, shape.rank == declared.count
      else { continue }
      for (dimension, extent) in zip(declared, shape.dimensions) {
        guard case .symbolic(let name) = dimension, let wanted = dimensions[name],
          wanted != extent
        else { continue }
        throw ONNXError(
          .input,
          "the input '\(printable(port.name))' is \(value.description), but the dimension "
            + "'\(printable(name))' was given as \(wanted)")
      }
    }
  }
}

extension ONNXPort.Kind {
  /// The names of dimensions.
  fileprivate var symbols: [String] {
    switch self {
    case .tensor(_, let dimensions):
      (dimensions ?? []).compactMap { if case .symbolic(let name) = $0 { name } else { nil } }
    case .sequence(let kind), .optional(let kind): kind.symbols
    case .other: []
    }
  }
}
