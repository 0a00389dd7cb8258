// The verifier: what every graph promises, checked after each pass in tests and debug builds.

/// A graph broke a rule. This is a bug in whatever made the graph, not in the user's model.
package struct VerifierError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Where: `node 3 (add)`, inside body graphs `node 2 (call) region 0 node 1 (tanh)`, or empty.
  package var path: String
  package var message: String
  package var location: SourceLocation

  package init(path: String, _ message: String, location: SourceLocation = .unknown) {
    self.path = path
    self.message = message
    self.location = location
  }

  package var description: String { path.isEmpty ? message : "\(path): \(message)" }
}

/// Checks a graph and its body graphs; linear in their size.
///
/// - Each value has one definition, a parameter or a result of one node, and is defined before use.
/// - Result types are those that the operation infers, and their sizes are representable.
/// - Outputs exist; an assignment goes to a state parameter of its type, once.
/// - State parameters have different names. Body graphs have neither state nor assignments, and
///   nest at most ``maximumRegionDepth`` deep.
package func verify(_ graph: Graph) throws(VerifierError) {
  try verify(graph, path: "", depth: 0)
}

private func verify(_ graph: Graph, path: String, depth: Int) throws(VerifierError) {
  func fail(_ message: String) -> VerifierError { VerifierError(path: path, message) }

  // Sees values in definition order; what is not marked yet may not be read.
  var defined = [Bool](repeating: false, count: graph.values.count)
  try verifyParameters(graph, path: path, depth: depth, &defined)

  for (index, node) in graph.nodes.enumerated() {
    let nodePath = (path.isEmpty ? "" : path + " ") + "node \(index) (\(node.op.name))"
    try verifyNode(node, index, in: graph, path: nodePath, depth: depth, defined)
    for offset in 0..<node.resultCount { defined[node.firstResult.id + offset] = true }
  }

  if let orphan = defined.firstIndex(of: false) {
    throw fail("value \(orphan) has no definition")
  }
  var assigned = [Bool](repeating: false, count: graph.parameters.count)
  for (index, output) in graph.outputs.enumerated() {
    guard graph.values.indices.contains(output.value.id) else {
      throw fail("output \(index) is value \(output.value.id), which does not exist")
    }
    guard case .assign(let target) = output.role else { continue }
    guard graph.parameters.indices.contains(target) else {
      throw fail("output \(index) assigns parameter \(target), which does not exist")
    }
    let parameter = graph.parameters[target]
    guard parameter.role == .state else {
      throw fail("output \(index) assigns parameter \(target), which is not state")
    }
    let (from, to) = (graph.type(output.value), graph.type(parameter.value))
    guard from == to else {
      throw fail("output \(index) assigns \(from) to parameter \(target), which is \(to)")
    }
    guard !assigned[target] else { throw fail("parameter \(target) is assigned twice") }
    guard depth == 0 else { throw fail("a body graph cannot assign state") }
    assigned[target] = true
  }
}

private func verifyParameters(
  _ graph: Graph, path: String, depth: Int, _ defined: inout [Bool]
) throws(VerifierError) {
  var stateNames: Set<String> = []
  for (index, parameter) in graph.parameters.enumerated() {
    func fail(_ message: String) -> VerifierError {
      VerifierError(path: path, "parameter \(index) " + message)
    }
    let id = parameter.value.id
    guard graph.values.indices.contains(id) else {
      throw fail("is value \(id), which does not exist")
    }
    guard graph.values[id].node == nil else {
      throw fail("is value \(id), which a node defines")
    }
    guard !defined[id] else { throw fail("is value \(id), as is an earlier parameter") }
    defined[id] = true
    do throws(TypeError) {
      try graph.values[id].type.checkSize(op: "parameter")
    } catch {
      throw fail("is refused: \(error.message)")
    }
    if parameter.role == .state {
      guard depth == 0 else { throw fail("is state, which a body graph cannot have") }
      // The state block binds by name.
      guard parameter.name.isEmpty || stateNames.insert(parameter.name).inserted else {
        throw fail("has the name of an earlier state parameter, '\(parameter.name)'")
      }
    }
  }
}

private func verifyNode(
  _ node: Node, _ index: Int, in graph: Graph, path: String, depth: Int, _ defined: [Bool]
) throws(VerifierError) {
  func fail(_ message: String) -> VerifierError {
    VerifierError(path: path, message, location: node.location)
  }
  var operandTypes: [TensorType] = []
  operandTypes.reserveCapacity(node.operands.count)
  for (position, operand) in node.operands.enumerated() {
    guard graph.values.indices.contains(operand.id) else {
      throw fail("operand \(position) is value \(operand.id), which does not exist")
    }
    guard defined[operand.id] else {
      throw fail("operand \(position) is value \(operand.id), which is not defined yet")
    }
    operandTypes.append(graph.type(operand))
  }
  guard node.resultCount > 0 else { throw fail("has no result") }
  let first = node.firstResult.id
  guard first >= 0, first <= graph.values.count - node.resultCount else {
    throw fail("has results that do not exist")
  }
  for offset in 0..<node.resultCount
  where graph.values[first + offset].node != index || defined[first + offset] {
    throw fail("result \(offset) is value \(first + offset), which is defined elsewhere")
  }
  for (position, region) in node.regions.enumerated() {
    guard depth < maximumRegionDepth else {
      throw fail("body graphs nest deeper than \(maximumRegionDepth)")
    }
    try verify(region, path: "\(path) region \(position)", depth: depth + 1)
  }

  let inferred: [TensorType]
  do throws(TypeError) {
    inferred = try node.op.infer(operandTypes, node.regions)
    for type in inferred { try type.checkSize(op: node.op.name) }
  } catch {
    throw fail("is refused: \(error.message)")
  }
  guard inferred.count == node.resultCount else {
    let results = IRText.counted(node.resultCount, "result")
    throw fail("has \(results), its operation gives \(inferred.count)")
  }
  for (offset, type) in inferred.enumerated() where graph.values[first + offset].type != type {
    throw fail("result \(offset) is \(graph.values[first + offset].type), should be \(type)")
  }
}
