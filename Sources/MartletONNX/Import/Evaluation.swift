// Values that are needed while the graph is built: constants folded by the oracles, and values that
// depend on given inputs.

import MartletExecution
import MartletIR
import MartletOps

extension Importer {
  /// Elements up to which a node on constants is computed here; beyond, the compiler has it.
  private static let largestFold = 1 << 20

  /// A node over constants alone, computed by the oracles of what it records. Nil when that would
  /// be large: then the node is recorded like any other.
  func fold(_ entry: OperatorEntry, _ context: NodeContext) throws -> [ONNXValue]? {
    let outer = trace
    let scratch = Trace(name: "fold", isTraining: false)
    trace = scratch
    defer {
      trace = outer
      scratch.release()
    }
    let results = try naming(context.label) { try entry.build(context) }
    if let first = scratch.diagnostics.first {
      throw ONNXError(
        .type, "\(first.operation): \(first.message)", node: context.label, hint: first.hint)
    }
    let leaves = results.flatMap(\.leaves)
    if leaves.isEmpty { return results }
    guard !scratch.usesRandom else { return nil }
    if Importer.cost(scratch.graph) <= Importer.largestFold {
      return try results.map { result in
        try result.mapTensors { tensor, type in
          .constant(HostTensor(try self.interpreted(tensor, node: context.label), as: type))
        }
      }
    }
    // Large ones (weights that are unpacked) run as a program, unless they would only grow.
    let sizes = context.inputs.reduce(0) { Importer.sum($0, $1?.shape?.count ?? 0) }
    let grown = leaves.reduce(0) { Importer.sum($0, $1.count) }
    guard grown / 4 <= sizes, leaves.allSatisfy({ $0.value != nil }) else { return nil }
    var graph = scratch.graph
    for leaf in leaves { if let value = leaf.value { graph.addOutput(value, name: "folded") } }
    var options = try CompileOptions()
    options.logLevel = 0
    let program = try Compiler.compile(graph, state: [], written: [], options: options)
    try checkMemory(program, node: context.label)
    var arrays = try Session(program).run([])[...]
    return results.map { result in
      result.mapTensors { _, type in .constant(HostTensor(arrays.removeFirst(), as: type)) }
    }
  }

  /// How many elements a graph's nodes read and write, contractions by their products.
  private static func cost(_ graph: Graph) -> Int {
    var total = 0
    for node in graph.nodes {
      var largest = 0
      var product = 1
      for value in node.operands + node.results {
        let count = graph.type(value).count
        largest = max(largest, count)
        product =
          product.multipliedReportingOverflow(by: max(1, count)).overflow
          ? Int.max : product * max(1, count)
      }
      switch (node.op as? any Op)?.lowering {
      case .contraction, .call, .region: total = Importer.sum(total, min(product, largest << 10))
      case .constant: continue
      default: total = Importer.sum(total, largest)
      }
    }
    return total
  }

  static func sum(_ a: Int, _ b: Int) -> Int {
    let (result, overflow) = a.addingReportingOverflow(b)
    return overflow ? Int.max : result
  }

  /// The elements of a value of the trace, from those of the inputs it depends on; nil when one of
  /// them is not known. The program then is one for these inputs alone.
  func evaluated(_ tensor: Tensor, node: String) throws -> HostArray? {
    guard let value = tensor.value else { return nil }
    let (part, sources) = Importer.part(of: tensor.trace.graph, giving: value)
    var inputs: [HostArray] = []
    for source in sources {
      if tensor.trace === root {
        guard let argument = arguments[source], let elements = argument.known?.array else {
          return nil
        }
        specialised.insert(argument.name)
        inputs.append(elements)
      } else {
        // In the body of a loop: a value of around it, unless it is another one in each iteration.
        guard let origin = tensor.trace.origins[source],
          origin.type == tensor.trace.graph.type(source),
          let elements = try evaluated(origin, node: node)
        else { return nil }
        inputs.append(elements)
      }
    }
    if Importer.cost(part) <= Importer.largestFold * 4 {
      return try naming(node) { try Interpreter().run(part, inputs)[0] }
    }
    var options = try CompileOptions()
    options.threads = 1
    let program = try Compiler.compile(part, state: [], written: [], options: options)
    try checkMemory(program, node: node)
    return try Session(program, threads: 1).run(inputs.map { try NDArray($0) })[0].hostArray
  }

  /// A program's own memory against the limit.
  func checkMemory(_ program: Program, node: String = "") throws {
    let bytes = program.report.arenaBytes + program.report.stateBytes + program.report.scratchBytes
    guard bytes <= limits.bytes else {
      throw ONNXError(
        .limit, "the program needs \(bytes) bytes, more than \(limits.bytes)", node: node,
        hint: "--max-bytes allows more")
    }
  }

  /// The elements of a value whose graph has no arguments, by the oracles.
  func interpreted(
    _ tensor: Tensor, node: String
  ) throws -> HostArray {
    guard let value = tensor.value else {
      throw ONNXError(.unknownValue, "a value cannot be computed", node: node)
    }
    let (part, sources) = Importer.part(of: tensor.trace.graph, giving: value)
    guard sources.isEmpty else {
      throw ONNXError(.unknownValue, "a value is not known at compile time", node: node)
    }
    return try naming(node) { try Interpreter().run(part, [])[0] }
  }

  /// The part of a graph that gives one value, and the parameters that it reads.
  private static func part(of graph: Graph, giving value: Value) -> (Graph, [Value]) {
    var nodes: Set<Int> = []
    var sources: Set<Value> = []
    var stack = [value]
    while let next = stack.popLast() {
      guard let index = graph.values[next.id].node else {
        sources.insert(next)
        continue
      }
      if nodes.insert(index).inserted { stack += graph.nodes[index].operands }
    }
    var part = Graph(name: "value")
    var map: [Value: Value] = [:]
    let ordered = sources.sorted()
    for (index, source) in ordered.enumerated() {
      map[source] = part.addParameter(graph.type(source), name: "input\(index)")
    }
    for index in nodes.sorted() {
      let node = graph.nodes[index]
      let results = part.append(
        node.op, node.operands.compactMap { map[$0] }, types: node.results.map { graph.type($0) },
        regions: node.regions, location: node.location)
      for (old, new) in zip(node.results, results) { map[old] = new }
    }
    if let result = map[value] { part.addOutput(result, name: "value") }
    return (part, ordered)
  }
}
