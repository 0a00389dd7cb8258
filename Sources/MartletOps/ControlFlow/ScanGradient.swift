// The gradient of a loop: a loop in the other direction.
//
//     forward   h[t] = tanh(p), p = h[t−1] · W + x[t]        stacks h
//     backward  dp = (dh + dy[t]) · (1 − h[t]²)               reads h, stacks dp
//               dh = dp · Wᵀ
//     after     dx = dp, dW = Σt h[t−1]ᵀ · dp[t]              one product over all steps
//
// The body is differentiated where it stands, forward part first; then the graph is cut: what the
// backward part reads of the forward part becomes a scanned input, one step of a stacked output of
// the forward loop, unless it is a view, a literal or the same in each step, which are made again.
// The gradient of a constant of the loop is a sum over the steps. Where a step's share is a product
// or a sum over rows, its operands are stacked and the sum over steps becomes part of it.

import MartletIR

/// Makes the values of a body that its gradient may read results of the loop: a scan that is
/// differentiated then need not run again. Passes drop those that nothing reads. A loop that
/// recomputes needs its carries alone.
package func addResiduals(
  to body: inout Graph, carries: Int, constants firstConstant: Int, recomputes: Bool = false
) {
  if recomputes {
    let known = Set(body.outputs[carries...].map(\.value))
    for output in body.outputs[..<carries] where !known.contains(output.value) {
      if body.values[output.value.id].node != nil { body.addOutput(output.value) }
    }
    return
  }
  let isRemade = remadeNodes(body, constants: firstConstant)
  var known = Set(body.outputs[carries...].map(\.value))
  for (index, node) in body.nodes.enumerated() where !isRemade[index] {
    for result in node.results where known.insert(result).inserted { body.addOutput(result) }
  }
}

/// For each node of a body whether a gradient makes its results again instead of reading them from
/// memory: literals, views, and what is the same in each step.
private func remadeNodes(_ body: Graph, constants firstConstant: Int) -> [Bool] {
  var isSame = [Bool](repeating: false, count: body.values.count)
  for parameter in body.parameters[firstConstant...] { isSame[parameter.value.id] = true }
  return body.nodes.map { node in
    let same = node.operands.allSatisfy { isSame[$0.id] }
    for result in node.results { isSame[result.id] = same }
    if same { return true }
    switch node.op {
    case is Broadcast, is Reshape, is Transpose, is StopGradient: return true
    default: return false
    }
  }
}

extension Scan {
  func pullback(_ v: VJP) -> [Tensor?] {
    guard let body = v.regions.first else { return [] }
    var split = ScanSplit(self, body, v)
    return split.run()
  }
}

/// The forward and backward part of one body, and the cut between them.
private struct ScanSplit {
  let scan: Scan
  let body: Graph
  let v: VJP
  let trace: Trace
  let firstConstant: Int
  /// The body with its derivative behind it: parameters of the body, cotangents, then nodes, the
  /// first of which are the body's own.
  var joint = Graph(name: "joint")
  let isRemade: [Bool]
  var residuals: [Value: Tensor] = [:]
  /// The backward body, and the outer tensors that its parameters stand for.
  var backward = Graph(name: "body")
  var carried: [(parameter: Graph.Parameter, initial: Tensor)] = []
  var scanned: [(parameter: Graph.Parameter, sequence: Tensor)] = []
  var constants: [(parameter: Graph.Parameter, tensor: Tensor)] = []
  var map: [Value: Value] = [:]
  /// What is stacked besides the cotangents of the inputs, and the index of that output.
  var stacked: [Value: Int] = [:]

  /// A gradient of a constant as a sum over steps that is taken after the loop.
  indirect enum Later {
    case zero
    case dot(DotAxes, Value, Value)
    case sum([Int], Value)
    case view(any Op, Later)
    case add(Later, Later)
    /// Nothing better is known: a carry adds the steps' shares.
    case accumulate(Value)

    /// What must be stacked.
    var leaves: [Value] {
      switch self {
      case .zero, .accumulate: []
      case .dot(_, let a, let b): [a, b]
      case .sum(_, let a): [a]
      case .view(_, let inner): inner.leaves
      case .add(let a, let b): a.leaves + b.leaves
      }
    }
    var accumulated: [Value] {
      switch self {
      case .accumulate(let a): [a]
      case .view(_, let inner): inner.accumulated
      case .add(let a, let b): a.accumulated + b.accumulated
      default: []
      }
    }
    /// The same, where a share that is stacked anyway is summed from its stack.
    func summing(_ stacked: Set<Value>) -> Later {
      switch self {
      case .accumulate(let a) where stacked.contains(a): .sum([], a)
      case .view(let op, let inner): .view(op, inner.summing(stacked))
      case .add(let a, let b): .add(a.summing(stacked), b.summing(stacked))
      default: self
      }
    }
  }

  init(_ scan: Scan, _ body: Graph, _ v: VJP) {
    self.scan = scan
    self.body = body
    self.v = v
    trace = innermost(v.results)
    firstConstant = scan.carries + scan.scanned
    isRemade =
      scan.recomputes
      ? body.nodes.map { _ in true } : remadeNodes(body, constants: firstConstant)
  }

  private func isFloat(_ value: Value) -> Bool { body.type(value).dtype.isFloatingPoint }

  mutating func run() -> [Tensor?] {
    let inputs = body.parameters.map(\.value)
    let wrt = inputs.indices.filter { isFloat(inputs[$0]) }
    let floatCarries = (0..<scan.carries).filter { isFloat(inputs[$0]) }
    let outputs = (scan.carries..<body.outputs.count).filter {
      v.cotangents[$0] != nil && isFloat(body.outputs[$0].value)
    }
    guard !wrt.isEmpty else { return inputs.map { _ in nil } }

    // The body and its derivative, one behind the other.
    let scratch = Trace(bodyOf: trace, name: "joint")
    let parameters = body.parameters.map { scratch.argument(body.type($0.value), name: $0.name) }
    var forward = [Tensor?](repeating: nil, count: body.values.count)
    for (value, tensor) in zip(inputs, parameters) { forward[value.id] = tensor }
    let carryCotangents = floatCarries.map {
      scratch.argument(body.type(inputs[$0]), name: "dcarry\($0)")
    }
    let stepCotangents = outputs.map {
      scratch.argument(body.type(body.outputs[$0].value), name: "dy\($0 - scan.carries)")
    }
    for node in body.nodes {
      guard let op = node.op as? any Op else { continue }
      let results = scratch.record(
        op, node.operands.compactMap { forward[$0.id] }, regions: node.regions, at: node.location)
      for (value, result) in zip(node.results, results) { forward[value.id] = result }
    }
    let seeds = (floatCarries + outputs).compactMap { forward[body.outputs[$0].value.id] }
    let gradients = v.pullback(
      seeds, carryCotangents + stepCotangents, wrt.map { parameters[$0] }
    ).map { scratch.local($0)?.value }
    joint = scratch.graph
    scratch.endBody()
    let values = gradients.compactMap { $0 }
    guard values.count == wrt.count, joint.nodes.count >= body.nodes.count else {
      return inputs.map { _ in nil }
    }

    let isSame = sameInEachStep()
    var later: [Int: Later] = [:]
    for (index, value) in zip(wrt, values) where index >= firstConstant {
      later[index] = self.later(value, isSame)
    }
    let order = later.keys.sorted()
    let leaves = order.flatMap { later[$0]?.leaves ?? [] }
    later = later.mapValues { [stacks = Set(leaves)] in $0.summing(stacks) }
    let accumulated = order.flatMap { later[$0]?.accumulated ?? [] }
    let carriedOut = zip(wrt, values).filter { $0.0 < scan.carries }.map(\.1)
    let steps = zip(wrt, values).filter { $0.0 >= scan.carries && $0.0 < firstConstant }.map(\.1)

    let live = findLive(carriedOut + steps + leaves + accumulated)
    makeResiduals(live)

    // The backward body.
    for (index, tensor) in zip(floatCarries, carryCotangents) {
      let initial = v.cotangents[index] ?? zerosLike(v.results[index])
      addCarry(tensor, initial)
    }
    for (index, tensor) in zip(outputs, stepCotangents) {
      guard let sequence = v.cotangents[index], let value = tensor.value else { continue }
      map[value] = addScanned(sequence)
    }
    for value in joint.parameters.map(\.value) where live.contains(value) && map[value] == nil {
      guard let index = parameters.firstIndex(where: { $0.value == value }) else { continue }
      if index >= firstConstant {
        map[value] = addConstant(v.inputs[index])
      } else if index >= scan.carries {
        map[value] = addScanned(v.inputs[index])
      } else if isKept(index) {
        map[value] = addConstant(v.inputs[index])
      } else {
        map[value] = addScanned(sequence(ofCarry: index))
      }
    }
    for (index, node) in joint.nodes.enumerated() where node.results.contains(where: live.contains)
    {
      if index < body.nodes.count, !isRemade[index] {
        for (offset, result) in node.results.enumerated() where live.contains(result) {
          let own = body.nodes[index].results[offset]
          if let sequence = residuals[own] { map[result] = addScanned(sequence) }
        }
        continue
      }
      let results = backward.append(
        node.op, node.operands.compactMap { map[$0] }, types: node.results.map { joint.type($0) },
        regions: node.regions, location: node.location)
      for (old, new) in zip(node.results, results) { map[old] = new }
    }
    return finish(wrt, carriedOut, steps, accumulated, leaves, later)
  }

  // MARK: Analysis

  /// Which values of the joint graph do not change from step to step.
  private func sameInEachStep() -> [Bool] {
    var isSame = [Bool](repeating: false, count: joint.values.count)
    for parameter in joint.parameters[..<body.parameters.count][firstConstant...] {
      isSame[parameter.value.id] = true
    }
    for node in joint.nodes where node.operands.allSatisfy({ isSame[$0.id] }) {
      for result in node.results { isSame[result.id] = true }
    }
    return isSame
  }

  private func later(_ value: Value, _ isSame: [Bool]) -> Later {
    // Stacking the operands of a segment's product would be what is to be saved.
    if scan.recomputes { return isZero(value) ? .zero : .accumulate(value) }
    guard let index = joint.values[value.id].node, index >= body.nodes.count else {
      return .accumulate(value)
    }
    let node = joint.nodes[index]
    switch node.op {
    case let op as Dot where !isSame[node.operands[0].id] && !isSame[node.operands[1].id]:
      return .dot(op.axes, node.operands[0], node.operands[1])
    case let op as ReduceSum where !isSame[node.operands[0].id]:
      return .sum(op.axes, node.operands[0])
    case is Broadcast, is Reshape, is Transpose:
      if isZero(value) { return .zero }
      guard let op = node.op as? any Op else { return .accumulate(value) }
      let inner = later(node.operands[0], isSame)
      if case .accumulate = inner { return .accumulate(value) }
      return .view(op, inner)
    case is Add:
      let (a, b) = (later(node.operands[0], isSame), later(node.operands[1], isSame))
      if case .accumulate = a, case .accumulate = b { return .accumulate(value) }
      return .add(a, b)
    default: return .accumulate(value)
    }
  }

  private func isZero(_ value: Value) -> Bool {
    var value = value
    while let node = joint.definition(value) {
      if let constant = node.op as? Constant {
        return constant.array.splatValue.map { $0.double(at: 0) == 0 } ?? false
      }
      guard node.op is Broadcast || node.op is Reshape, let next = node.operands.first else {
        return false
      }
      value = next
    }
    return false
  }

  /// What the backward part needs, as far as the cut.
  private func findLive(_ roots: [Value]) -> Set<Value> {
    var live = Set(roots)
    for index in joint.nodes.indices.reversed() {
      let node = joint.nodes[index]
      guard node.results.contains(where: live.contains) else { continue }
      if index < body.nodes.count, !isRemade[index] { continue }
      live.formUnion(node.operands)
    }
    return live
  }

  /// A carry that no step changes.
  private func isKept(_ index: Int) -> Bool {
    body.outputs[index].value == body.parameters[index].value
  }

  /// The value of the body whose stack gives a carry's value before each step, and whether the stack
  /// is shifted by one step for it.
  private func source(ofCarry index: Int) -> (value: Value, isShifted: Bool) {
    let next = body.outputs[index].value
    if body.values[next.id].node != nil { return (next, true) }
    if body.parameters[scan.carries..<firstConstant].contains(where: { $0.value == next }) {
      return (next, true)
    }
    return (body.parameters[index].value, false)
  }

  /// Finds the stacks of what is live on the forward side; a loop whose results lack one runs again
  /// with it.
  private mutating func makeResiduals(_ live: Set<Value>) {
    var wanted: [Value] = []
    for index in 0..<scan.carries
    where live.contains(joint.parameters[index].value) && !isKept(index) {
      wanted.append(source(ofCarry: index).value)
    }
    for (index, node) in body.nodes.enumerated() where !isRemade[index] {
      for (own, copy) in zip(node.results, joint.nodes[index].results) where live.contains(copy) {
        wanted.append(own)
      }
    }
    for (index, output) in body.outputs.enumerated().dropFirst(scan.carries) {
      residuals[output.value] = v.results[index]
    }
    for index in scan.carries..<firstConstant {
      residuals[body.parameters[index].value] = v.inputs[index]
    }
    var extended = body
    var missing: [Value] = []
    for value in wanted where residuals[value] == nil && !missing.contains(value) {
      missing.append(value)
      extended.addOutput(value)
    }
    guard !missing.isEmpty else { return }
    let again = trace.record(scan, v.inputs, regions: [extended])
    for (value, tensor) in zip(missing, again.suffix(missing.count)) { residuals[value] = tensor }
  }

  /// A carry's values before each step, stacked.
  private func sequence(ofCarry index: Int) -> Tensor {
    let (value, isShifted) = source(ofCarry: index)
    let initial = v.inputs[index]
    let first = initial.reshaped(Shape([1] + initial.shape.dimensions))
    guard let stack = residuals[value] else { return first }
    if !isShifted { return stack }
    if scan.length == 1 { return first }
    let (from, to) = scan.isReversed ? (1, scan.length) : (0, scan.length - 1)
    let rest = stack.sliced(
      start: [from] + initial.shape.dimensions.map { _ in 0 },
      limit: [to] + initial.shape.dimensions)
    return concatenate(scan.isReversed ? [rest, first] : [first, rest], axis: 0)
  }

  // MARK: The backward loop

  private mutating func addCarry(_ tensor: Tensor, _ initial: Tensor) {
    let value = backward.addParameter(initial.type, name: "carry\(carried.count)")
    if let old = tensor.value { map[old] = value }
    carried.append((backward.parameters[backward.parameters.count - 1], initial))
  }

  private mutating func addScanned(_ sequence: Tensor) -> Value {
    let type = TensorType(sequence.dtype, Shape(Array(sequence.shape.dimensions.dropFirst())))
    let value = backward.addParameter(type, name: "x\(scanned.count)")
    scanned.append((backward.parameters[backward.parameters.count - 1], sequence))
    return value
  }

  private mutating func addConstant(_ tensor: Tensor) -> Value {
    let value = backward.addParameter(tensor.type, name: "captured\(constants.count)")
    constants.append((backward.parameters[backward.parameters.count - 1], tensor))
    return value
  }

  private mutating func finish(
    _ wrt: [Int], _ carriedOut: [Value], _ steps: [Value], _ accumulated: [Value],
    _ leaves: [Value], _ later: [Int: Later]
  ) -> [Tensor?] {
    var sums: [Value: Int] = [:]
    var next: [Value] = carriedOut.compactMap { map[$0] }
    for value in accumulated where sums[value] == nil {
      guard let share = map[value] else { continue }
      let type = joint.type(value)
      sums[value] = carried.count
      let zero = trace.constant(0, type.dtype).broadcasted(to: type.shape)
      let old = backward.addParameter(type, name: "sum\(sums.count)")
      carried.append((backward.parameters[backward.parameters.count - 1], zero))
      next += backward.append(Add(), [old, share], types: [type])
    }
    for value in next { backward.addOutput(value) }
    for value in steps { if let own = map[value] { backward.addOutput(own) } }
    // A leaf that is a scanned input is stacked already.
    var sequences: [Value: Tensor] = [:]
    for item in scanned { sequences[item.parameter.value] = item.sequence }
    for leaf in leaves where stacked[leaf] == nil {
      guard let own = map[leaf], sequences[own] == nil else { continue }
      stacked[leaf] = backward.outputs.count
      backward.addOutput(own)
    }
    backward.parameters =
      carried.map(\.parameter) + scanned.map(\.parameter) + constants.map(\.parameter)
    addResiduals(
      to: &backward, carries: carried.count, constants: carried.count + scanned.count,
      recomputes: scan.recomputes)
    let op = Scan(
      length: scan.length, carries: carried.count, scanned: scanned.count,
      isReversed: !scan.isReversed, recomputes: scan.recomputes)
    guard !backward.outputs.isEmpty else { return v.inputs.map { _ in nil } }
    let results = trace.record(
      op, carried.map(\.initial) + scanned.map(\.sequence) + constants.map(\.tensor),
      regions: [backward])
    guard results.count == backward.outputs.count else { return v.inputs.map { _ in nil } }

    func sequence(_ leaf: Value) -> Tensor {
      if let index = stacked[leaf] { return results[index] }
      return map[leaf].flatMap { sequences[$0] } ?? results[0]
    }
    func value(_ later: Later) -> Tensor? {
      switch later {
      case .zero: return nil
      case .accumulate(let value): return sums[value].map { results[$0] }
      case .dot(let axes, let a, let b):
        func shifted(_ list: [Int]) -> [Int] { list.map { $0 + 1 } }
        return record(
          Dot(
            DotAxes(
              leftBatch: shifted(axes.leftBatch), rightBatch: shifted(axes.rightBatch),
              leftContract: [0] + shifted(axes.leftContract),
              rightContract: [0] + shifted(axes.rightContract))), sequence(a), sequence(b))
      case .sum(let axes, let a):
        return record(ReduceSum(axes: [0] + axes.map { $0 + 1 }), sequence(a))
      case .view(let op, let inner): return value(inner).map { record(op, $0) }
      case .add(let a, let b):
        guard let x = value(a) else { return value(b) }
        return value(b).map { x + $0 } ?? x
      }
    }
    var gradients = [Tensor?](repeating: nil, count: body.parameters.count)
    var carry = 0
    var step = carried.count
    for index in wrt {
      if index < scan.carries {
        gradients[index] = results[carry]
        carry += 1
      } else if index < firstConstant {
        gradients[index] = results[step]
        step += 1
      } else {
        gradients[index] = later[index].flatMap(value)
      }
    }
    return gradients
  }
}
