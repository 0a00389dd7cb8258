// Where numbers begin that are none: a graph is run once more on what it was given, with a look at
// every value, and into the bodies of loops.

import MartletIR
import MartletOps
import MartletPasses

/// A graph and the values of its parameters.
struct FiniteSearch {
  private let graph: Graph
  private let inputs: [NDArray]
  private let options: CompileOptions

  /// The first operation whose result is not finite though its operands are.
  struct Origin {
    var message: String
    var location: SourceLocation
  }

  init(_ graph: Graph, _ inputs: [NDArray], _ options: CompileOptions) {
    self.graph = graph
    self.inputs = inputs
    self.options = options
  }

  /// A NaN's sign says nothing.
  static func text(_ number: Double) -> String { number.isNaN ? "nan" : "\(number)" }

  /// Where a value that is not finite comes from; nil when that cannot be found out.
  func explain(_ value: Value) -> Origin? {
    guard let isBad = try? badValues(), let origin = origin(of: value, isBad) else { return nil }
    if let parameter = graph.parameters.first(where: { $0.value == origin }) {
      let kind = parameter.role == .state ? "the state" : "the input"
      return Origin(
        message: "\(kind) '\(parameter.name)' was not finite when the step began",
        location: SourceLocation(scope: ""))
    }
    guard let node = graph.definition(origin) else { return nil }
    if let scan = node.op as? Scan, let inner = try? inside(scan, node) { return inner }
    let types = node.operands.prefix(4).map { graph.type($0).description }.joined(separator: ", ")
    var message = "first in \(node.op.name)(\(types))"
    if let found = try? values([origin] + node.operands), let array = found.first,
      let bad = array.firstNonFinite
    {
      message += ", which gave \(FiniteSearch.text(bad.value))"
      // Element by element, the operands say why.
      let operands = found.dropFirst().filter { $0.count == array.count }
      if array.count > 1 { message += " at position \(bad.position)" }
      if operands.count == node.operands.count, !operands.isEmpty {
        let values = operands.map { FiniteSearch.text($0.double(at: bad.position)) }
        message += " from " + values.joined(separator: ", ")
      }
    }
    return Origin(message: message, location: node.location)
  }

  // MARK: Into a loop

  /// Takes the steps of a loop one by one until one gives a number that is none.
  private func inside(_ scan: Scan, _ node: Node) throws -> Origin? {
    let body = node.regions[0]
    let operands = try run { graph in
      for (index, value) in node.operands.enumerated() { graph.addOutput(value, name: "\(index)") }
    }
    let step = try FiniteSearch(body, [], options).program { graph in
      for output in body.outputs { graph.addOutput(output.value, name: "\(graph.outputs.count)") }
    }
    var carries = Array(operands[..<scan.carries])
    for iteration in 0..<scan.length {
      let place = scan.isReversed ? scan.length - 1 - iteration : iteration
      var arguments = carries
      for operand in operands[scan.carries..<(scan.carries + scan.scanned)] {
        arguments.append(
          try operand.rows(place..<(place + 1)).reshaped(
            Shape(Array(operand.shape.dimensions.dropFirst()))))
      }
      arguments += operands[(scan.carries + scan.scanned)...]
      let results = try Session(step).run(arguments)
      if let bad = results.firstIndex(where: { $0.hostArray.firstNonFinite != nil }) {
        var origin = FiniteSearch(body, arguments, options).explain(body.outputs[bad].value)
        origin?.message += ", in step \(place) of a loop of \(scan.length)"
        return origin
      }
      carries = Array(results[..<scan.carries])
    }
    return nil
  }

  // MARK: The step once more

  /// The graph with other outputs, everything it reads given by the caller.
  private func program(_ outputs: (inout Graph) throws -> Void) throws -> Program {
    var graph = graph
    graph.outputs = []
    for index in graph.parameters.indices {
      graph.parameters[index].role = .argument
      graph.parameters[index].name = "parameter\(index)"
    }
    try outputs(&graph)
    var options = options
    options.stopsAtNonFinite = false
    options.checks = false
    options.profiles = false
    options.logLevel = 0
    options.dumpDirectory = nil
    options.memoryBudget = nil
    // The graph as it ran: no rule may take x − x for 0.
    for pass in Pipeline.optimization { options.disabledPasses.insert(type(of: pass).name) }
    return try Compiler.compile(graph, state: [], written: [], options: options)
  }

  private func run(_ outputs: (inout Graph) throws -> Void) throws -> [NDArray] {
    try Session(program(outputs)).run(inputs)
  }

  /// Whether each value of the graph is not finite somewhere.
  private func badValues() throws -> [Bool] {
    // A literal infinity is meant, also a repeated one.
    func isLiteral(_ node: Node?) -> Bool {
      guard let node else { return false }
      return node.op is Constant
        || node.op is Broadcast && graph.definition(node.operands[0])?.op is Constant
    }
    let values = graph.values.indices.filter { index in
      let type = graph.values[index].type
      return type.dtype.isFloatingPoint && type.count > 0
        && !isLiteral(graph.definition(Value(index)))
    }
    let sums = try run { graph in
      for index in values {
        var value = Value(index)
        if graph.type(value).dtype != .float64, graph.type(value).dtype != .float32 {
          value = try graph.append(Convert(to: .float32), [value])[0]
        }
        let difference = try graph.append(Subtract(), [value, value])[0]
        let axes = Array(0..<graph.type(difference).shape.rank)
        graph.addOutput(try graph.append(ReduceSum(axes: axes), [difference])[0], name: "\(index)")
      }
    }
    var isBad = [Bool](repeating: false, count: graph.values.count)
    for (index, sum) in zip(values, sums) { isBad[index] = try sum.item() != 0 }
    return isBad
  }

  private func origin(of value: Value, _ isBad: [Bool]) -> Value? {
    guard isBad[value.id] else { return nil }
    var value = value
    // Operands come before their node, so that this ends.
    while let node = graph.definition(value),
      let operand = node.operands.first(where: { isBad[$0.id] })
    { value = operand }
    return value
  }

  private func values(_ values: [Value]) throws -> [HostArray] {
    try run { graph in
      for (index, value) in values.enumerated() { graph.addOutput(value, name: "\(index)") }
    }.map(\.hostArray)
  }
}

extension HostArray {
  fileprivate var firstNonFinite: (position: Int, value: Double)? {
    doubles.firstIndex { !$0.isFinite }.map { ($0, double(at: $0)) }
  }
}
