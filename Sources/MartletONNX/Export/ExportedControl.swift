// Loops and choices in ONNX: bodies as graphs of attributes, which see the names around them.

import MartletIR
import MartletONNXFormat
import MartletOps

extension GraphExporter {
  /// A body's parameter: an input of the ONNX graph, or a value of around it.
  enum BodyInput {
    case input
    case outer(String)
  }

  /// If: the branches read what they need from around.
  func exportConditional(_ node: Node) throws {
    let operands = try node.operands.map { try plain($0) }
    let inputs = operands.dropFirst().map { BodyInput.outer($0) }
    let branches = try zip(["then_branch", "else_branch"], node.regions).map { name, region in
      GraphExporter.attribute(name, try body(region, Array(inputs), "\(scope)/\(name)"))
    }
    emitMany("If", [operands[0]], branches, node)
  }

  /// Scan: carries and steps are inputs of the body, constants are read from around.
  func exportScan(_ node: Node, _ op: MartletOps.Scan) throws {
    let operands = try node.operands.map { try plain($0) }
    let own = op.carries + op.scanned
    let inputs = operands.indices.map { $0 < own ? BodyInput.input : .outer(operands[$0]) }
    let graph = try body(node.regions[0], inputs, "\(scope)/step")
    var attributes = [
      GraphExporter.attribute("body", graph),
      GraphExporter.attribute("num_scan_inputs", op.scanned),
    ]
    if op.isReversed {
      let outputs = graph.output.count - op.carries
      attributes.append(
        GraphExporter.attribute(
          "scan_input_directions", [Int](repeating: 1, count: op.scanned)))
      if outputs > 0 {
        attributes.append(
          GraphExporter.attribute("scan_output_directions", [Int](repeating: 1, count: outputs)))
      }
    }
    guard op.scanned > 0 else { return try exportCounted(node, op, operands, graph) }
    emitMany("Scan", Array(operands.prefix(own)), attributes, node)
  }

  /// A loop over no input is a Loop of so many steps: its body takes the step and a condition first.
  private func exportCounted(
    _ node: Node, _ op: MartletOps.Scan, _ operands: [String], _ graph: OnnxGraphProto
  ) throws {
    var graph = graph
    let (step, goesOn) = (unique("\(scope)/step"), unique("\(scope)/condition"))
    graph.input.insert(info(step, TensorType(.int64, [])), at: 0)
    graph.input.insert(info(goesOn, TensorType(.bool, [])), at: 1)
    var identity = OnnxNodeProto()
    (identity.opType, identity.input) = ("Identity", [goesOn])
    identity.output = [unique("\(scope)/condition")]
    identity.name = unique("\(scope)/Identity")
    graph.node.append(identity)
    graph.output.insert(info(identity.output[0], TensorType(.bool, [])), at: 0)
    guard !op.isReversed || graph.output.count == 1 + op.carries else {
      throw ONNXError(.unsupported, "a reversed loop over no input that stacks outputs")
    }
    let count = initializer(
      "\(scope)/count", try .init(HostArray(TensorType(.int64, []), [Int64(op.length)])))
    emitMany(
      "Loop", [count, ""] + operands.prefix(op.carries), [GraphExporter.attribute("body", graph)],
      node)
  }

  /// Loop: the condition is computed in front of the first step, and behind each for the next.
  func exportWhile(_ node: Node, _ op: MartletOps.While) throws {
    let operands = try node.operands.map { try plain($0) }
    let (condition, step) = (node.regions[0], node.regions[1])
    // One body: the step, then the condition on what it gives.
    var joined = Graph(name: "loop")
    let parameters = step.parameters.map { joined.addParameter(step.type($0.value), name: $0.name) }
    let next = GraphExporter.copy(step, parameters, into: &joined)
    let goesOn = GraphExporter.copy(
      condition, next + parameters.dropFirst(op.carries), into: &joined)
    for value in goesOn + next { joined.addOutput(value) }
    let inputs = operands.indices.map {
      $0 < op.carries ? BodyInput.input : .outer(operands[$0])
    }
    var graph = try body(joined, inputs, "\(scope)/step")
    graph.input.insert(info(unique("\(scope)/step"), TensorType(.int64, [])), at: 0)
    graph.input.insert(info(unique("\(scope)/condition"), TensorType(.bool, [])), at: 1)
    let first = try inlined(condition, operands)
    let count = initializer(
      "\(scope)/count", try .init(HostArray(TensorType(.int64, []), [Int64(op.maximum)])))
    emitMany(
      "Loop", [count, first[0]] + operands.prefix(op.carries),
      [GraphExporter.attribute("body", graph)], node)
  }

  private static func copy(_ body: Graph, _ operands: [Value], into graph: inout Graph) -> [Value] {
    var map: [Value: Value] = [:]
    for (parameter, operand) in zip(body.parameters, operands) { map[parameter.value] = operand }
    for node in body.nodes {
      let results = graph.append(
        node.op, node.operands.compactMap { map[$0] }, types: node.results.map { body.type($0) },
        regions: node.regions, location: node.location)
      for (old, new) in zip(node.results, results) { map[old] = new }
    }
    return body.outputs.compactMap { map[$0.value] }
  }

  /// A node of several results.
  private func emitMany(
    _ type: String, _ inputs: [String], _ attributes: [OnnxAttributeProto], _ node: Node
  ) {
    let outputs = node.results.indices.map { unique("\(scope)/\(type):\($0)") }
    emit(type, inputs, attributes, outputs: outputs)
    for (result, name) in zip(node.results, outputs) { define(result, name) }
  }
}
