import MartletIR
import MartletLoops
import MartletOps

/// Makes loops small: what nothing reads leaves them, what does not change is computed once.
///
///     %3, %4, %5 = scan %h, %x, %w { … }     →     %6 = exp %w
///       two of three outputs unread                %3 = scan %h, %x, %6 { … }
///       exp %w in the body
///
/// Drops unread outputs, carries, inputs and constants, and carries that no step changes; merges
/// equal ones; takes literals and views of constants into the body, where they cost nothing and
/// other rules see them; and moves what is the same in each step out of it. Keeps: types, bits,
/// order of outputs. Runs after dead code is gone (unread results show) and before the other rules.
package struct LoopSimplification: Pass {
  package static let name = "loops"
  package init() {}

  package func run(on graph: inout Graph, _ context: PassContext) throws(CompileError) {
    guard graph.nodes.contains(where: { $0.op is Scan }) else { return }
    let uses = graph.useCounts()
    var changed = false
    graph = GraphRewriter.run(graph) { rewriter, node in
      guard let scan = node.op as? Scan, let body = node.regions.first else { return nil }
      var loop = LoopParts(scan, body, node, uses, rewriter)
      let replacement = loop.simplify(&rewriter)
      changed = true
      return replacement
    }
    if changed { removeDeadNodes(&graph) }
  }
}

/// A scan taken apart.
private struct LoopParts {
  var scan: Scan
  var body: Graph
  let node: Node
  /// Operands in the rewritten graph.
  var operands: [Value]
  /// For each carry and output that is left, which result of the node it gives.
  var results: [Int]
  let isRead: [Bool]
  /// Results that are no results of the loop any more.
  var replaced: [Int: Value] = [:]
  /// Results that equal another one.
  var merged: [Int: Int] = [:]

  init(_ scan: Scan, _ body: Graph, _ node: Node, _ uses: [Int], _ rewriter: GraphRewriter) {
    self.scan = scan
    self.body = body
    self.node = node
    operands = node.operands.compactMap { rewriter[$0] }
    results = Array(0..<node.resultCount)
    isRead = node.results.map { uses[$0.id] > 0 }
  }

  private var firstConstant: Int { scan.carries + scan.scanned }

  mutating func simplify(_ rewriter: inout GraphRewriter) -> [Value] {
    dropUnread()
    mergeOutputs()
    keptCarriesBecomeConstants()
    takeLiteralsAndViews(&rewriter)
    mergeOperands()
    hoist(&rewriter)
    dropUnread()
    let made = rewriter.graph.append(
      scan, operands, types: types(rewriter.graph), regions: [body], location: node.location)
    var values = [Value](repeating: made.first ?? Value(0), count: node.resultCount)
    for (index, result) in results.enumerated() { values[result] = made[index] }
    for (result, value) in replaced { values[result] = value }
    for (result, first) in merged { values[result] = values[first] }
    // Unread results of dropped carries and outputs get any value of the right type, if they must.
    for index in values.indices
    where replaced[index] == nil && merged[index] == nil && !results.contains(index) {
      values[index] = made.first ?? Value(0)
    }
    return values
  }

  private func types(_ graph: Graph) -> [TensorType] {
    body.outputs.enumerated().map { index, output in
      let type = body.type(output.value)
      return index < scan.carries
        ? type : TensorType(type.dtype, Shape([scan.length] + type.shape.dimensions))
    }
  }

  /// Outputs that stack one value are one.
  private mutating func mergeOutputs() {
    var seen: [Value: Int] = [:]
    var kept: [Int] = []
    for index in body.outputs.indices {
      let value = body.outputs[index].value
      if index >= scan.carries, let first = seen[value] {
        merged[results[index]] = results[first]
      } else {
        if index >= scan.carries { seen[value] = index }
        kept.append(index)
      }
    }
    body.outputs = kept.map { body.outputs[$0] }
    results = kept.map { results[$0] }
  }

  /// A carry that no step changes is a constant, and its last value the first.
  private mutating func keptCarriesBecomeConstants() {
    for index in (0..<scan.carries).reversed()
    where body.outputs[index].value == body.parameters[index].value && body.outputs.count > 1 {
      replaced[results[index]] = operands[index]
      results.remove(at: index)
      body.outputs.remove(at: index)
      body.parameters.append(body.parameters.remove(at: index))
      operands.append(operands.remove(at: index))
      scan.carries -= 1
    }
  }

  /// A constant that is a literal or a view is made in the body, from what it is a view of.
  private mutating func takeLiteralsAndViews(_ rewriter: inout GraphRewriter) {
    var position = firstConstant
    while position < operands.count {
      guard let inner = rewriter.graph.definition(operands[position]), isTaken(inner, rewriter)
      else {
        position += 1
        continue
      }
      let parameter = body.parameters.remove(at: position)
      operands.remove(at: position)
      var copy = Graph(name: body.name)
      var map = [Value?](repeating: nil, count: body.values.count)
      for other in body.parameters {
        map[other.value.id] = copy.addParameter(
          body.type(other.value), name: other.name, role: other.role)
      }
      // The literal, or the parameter that the view is of, then the view.
      var inputs: [Value] = []
      for operand in inner.operands {
        inputs.append(
          copy.addParameter(rewriter.graph.type(operand), name: "\(parameter.name)v"))
        operands.append(operand)
      }
      map[parameter.value.id] =
        copy.append(
          inner.op, inputs, types: [body.type(parameter.value)], location: inner.location)[0]
      for node in body.nodes {
        let made = copy.append(
          node.op, node.operands.compactMap { map[$0.id] },
          types: node.results.map { body.type($0) }, regions: node.regions, location: node.location)
        for (old, new) in zip(node.results, made) { map[old.id] = new }
      }
      for output in body.outputs {
        if let value = map[output.value.id] { copy.addOutput(value, name: output.name) }
      }
      body = copy
    }
  }

  private func isTaken(_ node: Node, _ rewriter: GraphRewriter) -> Bool {
    switch node.op {
    case let constant as Constant: constant.array.count <= ConstantFolding.maximumElements
    case is Broadcast, is Reshape, is Transpose: true
    default: false
    }
  }

  /// Equal sequences and equal constants are one.
  private mutating func mergeOperands() {
    var seen: [Value: Value] = [:]
    var equal: [Value: Value] = [:]
    for index in (scan.carries..<operands.count) {
      if index == firstConstant { seen = [:] }
      let parameter = body.parameters[index].value
      if let first = seen[operands[index]] {
        equal[parameter] = first
      } else {
        seen[operands[index]] = parameter
      }
    }
    guard !equal.isEmpty else { return }
    var rewriter = GraphRewriter(body)
    for (old, new) in equal { if let value = rewriter[new] { rewriter.replace(old, with: value) } }
    for node in body.nodes { rewriter.copy(node) }
    body = rewriter.finish()
  }

  /// Moves nodes that read constants alone in front of the loop. Views and literals stay: they cost
  /// nothing where they are.
  private mutating func hoist(_ rewriter: inout GraphRewriter) {
    // The outer value of what is the same in each step.
    var outer = [Value?](repeating: nil, count: body.values.count)
    for index in firstConstant..<operands.count {
      outer[body.parameters[index].value.id] = operands[index]
    }
    var isMoved = [Bool](repeating: false, count: body.nodes.count)
    var isView = [Bool](repeating: false, count: body.nodes.count)
    var moves = false
    // A literal alone is no reason; something that reads a constant of the loop is.
    var isLiteral = [Bool](repeating: false, count: body.values.count)
    for (index, node) in body.nodes.enumerated() {
      guard node.op.isPure, node.operands.allSatisfy({ outer[$0.id] != nil || isLiteral[$0.id] })
      else { continue }
      if node.operands.allSatisfy({ isLiteral[$0.id] }) {
        for result in node.results { isLiteral[result.id] = true }
        continue
      }
      isMoved[index] = true
      switch node.op {
      case is Broadcast, is Reshape, is Transpose, is StopGradient: isView[index] = true
      default: moves = true
      }
      for result in node.results { outer[result.id] = result }  // its outer value comes below
    }
    guard moves else { return }
    // Copy what moves, with the literals that it reads, in front of the loop.
    var map = [Value?](repeating: nil, count: body.values.count)
    for index in firstConstant..<operands.count {
      map[body.parameters[index].value.id] = operands[index]
    }
    var captured: [Value: Value] = [:]
    let first = body
    for (index, node) in first.nodes.enumerated() {
      let literal = node.results.allSatisfy { isLiteral[$0.id] }
      guard isMoved[index] || literal else { continue }
      let made = rewriter.graph.append(
        node.op, node.operands.compactMap { map[$0.id] },
        types: node.results.map { first.type($0) }, regions: node.regions, location: node.location)
      for (old, new) in zip(node.results, made) { map[old.id] = new }
    }
    // The body reads the results of the last moved ones as constants.
    var copy = GraphRewriter(first)
    func constant(_ value: Value) -> Value? {
      if let known = captured[value] { return known }
      guard let moved = map[value.id] else { return nil }
      let made = copy.graph.addParameter(first.type(value), name: "invariant\(captured.count)")
      captured[value] = made
      operands.append(moved)
      return made
    }
    for (index, node) in first.nodes.enumerated() {
      if isMoved[index], !isView[index] {
        for result in node.results {
          if let value = constant(result) { copy.replace(result, with: value) }
        }
        continue
      }
      copy.copy(node)
    }
    body = copy.finish()
  }

  /// Drops what nothing reads: outputs, carries (also those that only feed themselves), operands.
  private mutating func dropUnread() {
    var live = Set<Value>()
    var isKept = [Bool](repeating: false, count: body.outputs.count)
    for index in body.outputs.indices where isRead[results[index]] { isKept[index] = true }
    if !isKept.contains(true), !isKept.isEmpty { isKept[isKept.count - 1] = true }
    while true {
      for (index, output) in body.outputs.enumerated() where isKept[index] {
        live.insert(output.value)
      }
      for node in body.nodes.reversed() where node.results.contains(where: live.contains) {
        live.formUnion(node.operands)
      }
      var changed = false
      for index in 0..<scan.carries
      where !isKept[index] && live.contains(body.parameters[index].value) {
        isKept[index] = true
        changed = true
      }
      if !changed { break }
    }
    let carries = (0..<scan.carries).filter { isKept[$0] }
    let outputs = body.outputs.indices.filter { isKept[$0] }
    let scanned = (scan.carries..<firstConstant).filter { live.contains(body.parameters[$0].value) }
    let constants = (firstConstant..<operands.count).filter {
      live.contains(body.parameters[$0].value)
    }
    let kept = carries + scanned + constants
    guard kept.count < operands.count || outputs.count < body.outputs.count else { return }
    results = outputs.map { results[$0] }
    operands = kept.map { operands[$0] }
    body.outputs = outputs.map { body.outputs[$0] }
    body.parameters = kept.map { body.parameters[$0] }
    scan.carries = carries.count
    scan.scanned = scanned.count
    // Nodes that read a dropped parameter are dead.
    var clean = Graph(name: body.name)
    var map = [Value?](repeating: nil, count: body.values.count)
    for parameter in body.parameters {
      map[parameter.value.id] = clean.addParameter(
        body.type(parameter.value), name: parameter.name, role: parameter.role)
    }
    for node in body.nodes where node.results.contains(where: live.contains) {
      let made = clean.append(
        node.op, node.operands.compactMap { map[$0.id] },
        types: node.results.map { body.type($0) }, regions: node.regions, location: node.location)
      for (old, new) in zip(node.results, made) { map[old.id] = new }
    }
    for output in body.outputs {
      if let value = map[output.value.id] { clean.addOutput(value, name: output.name) }
    }
    body = clean
  }
}
