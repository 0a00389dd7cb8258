// From the nodes of an ONNX graph to a trace: one walk, in which everything that is known is computed.

import MartletExecution
import MartletIR
import MartletONNXFormat
import MartletOps

/// One import of a model, for certain dimensions and, where the graph depends on them, values.
final class Importer {
  let file: ModelFile
  let limits: ONNXLimits
  /// Where operations are recorded now: the program's trace, the body of a loop, or a scratch trace
  /// in which constants are folded.
  var trace: Trace
  /// The program's trace.
  let root: Trace
  /// The arguments of the program: the value in the trace, the input's name, and its elements if
  /// they are known.
  var arguments: [Value: (name: String, known: HostTensor?)] = [:]
  /// Inputs whose values the program was made for, and no others.
  var specialised: Set<String> = []
  /// What initializers become; constants unless somebody trains them.
  var initializer: (_ name: String, _ value: HostTensor) throws -> ONNXValue = { .constant($1) }
  /// The batch that a file was written for, where it is run with another: shapes in the graph that
  /// begin with it are read as if they began with the new one.
  var writtenBatch: Int?
  /// What must be false after each run, and the node that it is about: loops that were cut off.
  var overruns: [(condition: Tensor, node: String)] = []
  let functions: [String: OnnxFunctionProto]
  private var nodeCount = 0
  /// Bytes of the constants that nodes gave so far: names keep them until the import ends.
  private var heldBytes = 0
  private let deadline: Double?

  init(_ file: ModelFile, trace: Trace) throws {
    self.file = file
    limits = file.limits
    self.trace = trace
    root = trace
    deadline = limits.seconds.map { nowMilliseconds() + $0 * 1e3 }
    var functions: [String: OnnxFunctionProto] = [:]
    for function in file.model.functions {
      functions[Importer.key(function.domain, function.name, function.overload)] = function
    }
    self.functions = functions
  }

  static func key(_ domain: String, _ name: String, _ overload: String = "") -> String {
    "\(Importer.canonical(domain))\u{1}\(name)\u{1}\(overload)"
  }

  /// The default domain has two spellings.
  static func canonical(_ domain: String) -> String { domain == "ai.onnx" ? "" : domain }

  /// The operator versions that a model or function asks for.
  static func versions(_ imports: [OnnxOperatorSetIdProto]) throws -> [String: Int] {
    var versions: [String: Int] = [:]
    for entry in imports {
      guard entry.version > 0, entry.version < 1 << 31 else {
        throw ONNXError(
          .malformed, "the operator set '\(printable(entry.domain))' has version \(entry.version)")
      }
      versions[canonical(entry.domain)] = Int(entry.version)
    }
    return versions
  }

  // MARK: Graphs

  /// The nodes of a graph, whose inputs and initializers the scope holds already.
  func run(_ nodes: [OnnxNodeProto], in scope: Scope) throws {
    guard scope.depth <= limits.depth else {
      throw ONNXError(.limit, "graphs and functions nest more than \(limits.depth) deep")
    }
    for node in nodes { try run(node, in: scope) }
  }

  /// Initializers of a graph; a name that is defined already (a given input) keeps its value.
  func define(initializersOf graph: OnnxGraphProto, in scope: Scope, except given: Set<String>)
    throws
  {
    for tensor in graph.initializer where !given.contains(tensor.name) {
      scope.define(tensor.name, try initializer(tensor.name, try file.tensor(tensor)))
    }
    for tensor in graph.sparseInitializer where !given.contains(tensor.values.name) {
      scope.define(
        tensor.values.name, try initializer(tensor.values.name, try file.tensor(tensor)))
    }
  }

  /// A subgraph's outputs for the values of its inputs; it sees the names around it.
  func outputs(
    of graph: OnnxGraphProto, _ inputs: [ONNXValue], in scope: Scope, node: String
  ) throws -> [ONNXValue] {
    guard inputs.count == graph.input.count else {
      throw ONNXError(
        .malformed, "a body takes \(graph.input.count) inputs, the node gives \(inputs.count)",
        node: node)
    }
    let inner = Scope(inside: scope)
    try define(initializersOf: graph, in: inner, except: [])
    for (info, value) in zip(graph.input, inputs) { inner.define(info.name, value) }
    try run(graph.node, in: inner)
    return try graph.output.map { info in
      guard let value = inner[info.name] else {
        throw ONNXError(
          .malformed, "a body's output '\(printable(info.name))' is not defined", node: node)
      }
      return value
    }
  }

  private func run(_ node: OnnxNodeProto, in scope: Scope) throws {
    nodeCount += 1
    let label = Importer.label(node)
    guard nodeCount <= limits.nodes else {
      throw ONNXError(.limit, "more than \(limits.nodes) nodes, loops unrolled", node: label)
    }
    if let deadline, nowMilliseconds() > deadline {
      throw ONNXError(.limit, "the import takes more than \(limits.seconds ?? 0) s", node: label)
    }
    let inputs = try node.input.map { name -> ONNXValue? in
      if name.isEmpty || scope.isAbsent(name) { return nil }
      guard let value = scope[name] else {
        throw ONNXError(
          .malformed, "the input '\(printable(name))' is not defined", node: label,
          hint: "nodes have to stand in topological order")
      }
      return value
    }
    let results = try apply(node, label, inputs, in: scope)
    guard results.count >= node.output.count || node.output[results.count...].allSatisfy(\.isEmpty)
    else {
      throw ONNXError(
        .malformed, "the node has \(node.output.count) outputs, the operator \(results.count)",
        node: label)
    }
    let isShared =
      Importer.sharing.contains(node.opType)
      || functions[Importer.key(node.domain, node.opType, node.overload)] != nil
    for (name, value) in zip(node.output, results) where !name.isEmpty {
      if !isShared { try hold(value, label) }
      scope.define(name, value)
    }
  }

  /// Operators whose results are values that are held already.
  private static let sharing: Set<String> = [
    "Identity", "If", "Loop", "Scan", "SequenceAt", "SequenceConstruct", "SequenceErase",
    "SequenceInsert", "Optional", "OptionalGetElement",
  ]

  /// Counts the memory of constants: a file of a few bytes may compute many of them.
  private func hold(_ value: ONNXValue, _ label: String) throws {
    switch value {
    case .tensor: return
    case .constant(let x): heldBytes = Importer.sum(heldBytes, x.heldBytes)
    case .sequence(let x): for part in x { try hold(part, label) }
    case .optional(let x): if let x { try hold(x, label) }
    }
    guard heldBytes <= limits.bytes else {
      throw ONNXError(
        .limit, "constants of the graph take more than \(limits.bytes) bytes", node: label,
        hint: "--max-bytes allows more")
    }
  }

  private func apply(
    _ node: OnnxNodeProto, _ label: String, _ inputs: [ONNXValue?], in scope: Scope
  ) throws -> [ONNXValue] {
    let domain = Importer.canonical(node.domain)
    if let function = functions[Importer.key(domain, node.opType, node.overload)] {
      return try call(function, node, label, inputs, in: scope)
    }
    guard let entry = OperatorTable.entry(domain, node.opType),
      (scope.versions[domain] ?? (domain.isEmpty ? 1 : entry.since)) >= entry.since
    else {
      // One message names them all.
      try Importer.checkOperators(file.model, functions)
      throw ONNXError(
        .unsupported,
        "operator \(printable(node.opType)) of version \(scope.versions[domain] ?? 1) is not supported",
        node: label)
    }
    let context = NodeContext(
      node: node, label: label, version: scope.versions[domain] ?? entry.since, inputs: inputs,
      importer: self, scope: scope)
    let isKnown = entry.folds && inputs.allSatisfy { $0?.isConstant ?? true }
    if isKnown, let weights = try naming(label, { try DeferredFloats.result(of: context) }) {
      return [weights]
    }
    if isKnown, let folded = try fold(entry, context) { return folded }
    return try build(entry, context)
  }

  private func build(_ entry: OperatorEntry, _ context: NodeContext) throws -> [ONNXValue] {
    let before = trace.diagnostics.count
    let nodes = trace.graph.nodes.count
    trace.scopes.append(identifier(context.node.name.isEmpty ? context.label : context.node.name))
    defer { trace.scopes.removeLast() }
    // The shortest form: what is thrown names the node.
    let results = try naming(context.label) { try entry.build(context) }
    try checkDiagnostics(since: before, context.label)
    try checkSizes(since: nodes, context.label)
    return results
  }

  func naming<T>(_ label: String, _ body: () throws -> T) throws -> T {
    do {
      return try body()
    } catch var error as ONNXError {
      if error.node.isEmpty { error.node = label }
      throw error
    } catch let error as TypeError {
      throw ONNXError(.type, "\(error.op): \(error.message)", node: label, hint: error.hint ?? "")
    } catch let error as RunError {
      throw ONNXError(.type, error.message, node: label, hint: error.hint)
    }
  }

  private func checkDiagnostics(since count: Int, _ label: String) throws {
    let diagnostics = trace.diagnostics
    guard diagnostics.count > count else { return }
    let first = diagnostics[count]
    let types = first.operandTypes.prefix(3).map(\.description).joined(separator: ", ")
    throw ONNXError(
      .type, "\(first.operation): \(first.message)\(types.isEmpty ? "" : " — got \(types)")",
      node: label)
  }

  private func checkSizes(since nodes: Int, _ label: String) throws {
    let graph = trace.graph
    guard graph.nodes.count > nodes else { return }
    for index in nodes..<graph.nodes.count {
      for value in graph.nodes[index].results
      where graph.type(value).byteCount > limits.bytes || !graph.type(value).shape.isRepresentable {
        throw ONNXError(
          .limit, "a value of type \(graph.type(value)) needs more than \(limits.bytes) bytes",
          node: label, hint: "--max-bytes allows more")
      }
    }
    guard graph.nodes.count <= limits.nodes * 8 else {
      throw ONNXError(.limit, "the graph grows beyond \(limits.nodes * 8) operations", node: label)
    }
  }

  // MARK: Functions

  /// A call of a function of the model: its body, with the call's attributes.
  func call(
    _ function: OnnxFunctionProto, _ node: OnnxNodeProto, _ label: String, _ inputs: [ONNXValue?],
    in scope: Scope
  ) throws -> [ONNXValue] {
    var attributes: [String: OnnxAttributeProto] = [:]
    for attribute in function.attributeProto { attributes[attribute.name] = attribute }
    for attribute in node.attribute {
      if attribute.refAttrName.isEmpty {
        attributes[attribute.name] = attribute
      } else if var bound = scope.attributes[attribute.refAttrName] {
        bound.name = attribute.name
        attributes[attribute.name] = bound
      }
    }
    guard inputs.count <= function.input.count else {
      throw ONNXError(
        .malformed, "the function takes \(function.input.count) inputs, got \(inputs.count)",
        node: label)
    }
    let inner = Scope(
      versions: try Importer.versions(function.opsetImport), attributes: attributes,
      depth: scope.depth + 1)
    for (name, value) in zip(function.input, inputs) {
      if let value { inner.define(name, value) } else { inner.markAbsent(name) }
    }
    for name in function.input.dropFirst(inputs.count) { inner.markAbsent(name) }
    try run(function.node, in: inner)
    return try function.output.map { name in
      guard let value = inner[name] else {
        throw ONNXError(
          .malformed, "the function's output '\(printable(name))' is not defined", node: label)
      }
      return value
    }
  }

  // MARK: Loops that are cut off

  /// Runs `body`, which records the body of a loop or branch; what loops inside of it leave to be
  /// checked is one condition there, which has to be handed out with its other values.
  func collectingOverruns<T>(
    _ body: () throws -> T
  ) rethrows -> (result: T, overrun: (condition: Tensor, node: String)?) {
    let outer = overruns
    overruns = []
    defer { overruns = outer }
    let result = try body()
    guard let first = overruns.first else { return (result, nil) }
    let all = overruns.dropFirst().reduce(first.condition) { $0 .| $1.condition }
    return (result, (all, first.node))
  }

  /// Whether a loop whose length is not known may stand in a graph: one by itself, or in a function.
  func mayOverrun(_ graph: OnnxGraphProto) -> Bool {
    var stack = [graph.node]
    while let nodes = stack.popLast() {
      for node in nodes {
        if node.opType == "Loop"
          || functions[Importer.key(node.domain, node.opType, node.overload)] != nil
        {
          return true
        }
        for attribute in node.attribute {
          if attribute.hasG { stack.append(attribute.g.node) }
          stack += attribute.graphs.map(\.node)
        }
      }
    }
    return false
  }

  // MARK: Names

  /// `Conv 'layer1/conv'`; a node without a name is named after its first output.
  static func label(_ node: OnnxNodeProto) -> String {
    let name = node.name.isEmpty ? node.output.first(where: { !$0.isEmpty }) ?? "" : node.name
    return "\(printable(node.opType)) '\(printable(name))'"
  }
}
