// What must be stored, and where results and assigned state are bound.

import MartletIR
import MartletLoops
import MartletOps

extension Lowering {
  mutating func findStored() {
    for index in graph.nodes.indices {
      // Views and recomputed scalars read nothing themselves; their users do.
      guard let group = plan.groupOfNode[index] else { continue }
      for operand in graph.nodes[index].operands {
        let source = plan.views.source(operand)
        guard let definition = graph.values[source.id].node,
          let producer = plan.groupOfNode[definition]
        else { continue }
        if group != producer { stored.insert(source) }
      }
    }
    for output in graph.outputs { stored.insert(plan.views.source(output.value)) }
    for value in plan.views.materialized { stored.insert(value) }
  }

  /// Binds results to their slots and assigned state to its place where that is safe; what is left
  /// is copied when everything else has run.
  mutating func bindOutputs() -> [(from: Value, map: IndexMap, to: Int)] {
    var finals: [(from: Value, map: IndexMap, to: Int)] = []
    var taken: Set<Value> = Set(graph.parameters.map(\.value))
    for output in graph.outputs {
      let source = plan.views[output.value, graph]
      let type = graph.type(output.value)
      let definition = graph.values[source.value.id].node
      let group = definition.flatMap { plan.groupOfNode[$0] }
      switch output.role {
      case .result:
        let slot = nextSlot
        nextSlot += 1
        let index = addBuffer(
          type.byteCount, type.dtype, .bound(slot), output.name.isEmpty ? "result" : output.name)
        out.resultSlots.append(slot)
        if group != nil, source.isIdentity, taken.insert(source.value).inserted {
          bufferOf[.value(source.value)] = index
        } else {
          finals.append((output.value, source.map, index))
        }
      case .assign(let parameter):
        let target = graph.parameters[parameter].value
        guard let place = bufferOf[.value(target)] else { continue }
        if source.value == target, source.isIdentity { continue }
        if let group, source.isIdentity, !taken.contains(source.value),
          canUpdateInPlace(target, source.value, group)
        {
          taken.insert(source.value)
          bufferOf[.value(source.value)] = place
          // Every other reader of the old value runs before it.
          for reader in stateReaders[target] ?? [] { dependences.connect(reader, before: group) }
        } else {
          finals.append((output.value, source.map, place))
        }
      }
    }
    return finals
  }

  private mutating func canUpdateInPlace(_ target: Value, _ value: Value, _ group: Int) -> Bool {
    let info = plan.groups[group]
    if info.kind == .call { return canChangeInPlace(target, value, info.members[0], group) }
    guard info.kind == .kernel || info.kind == .contraction, !plan.terminal.contains(value) else {
      return false
    }
    // What a contraction reads, it reads until it ends.
    if info.kind == .contraction,
      graph.nodes[info.members[0]].operands.contains(where: { plan.views.source($0) == target })
    {
      return false
    }
    // The kernel may read the old value only at the same place.
    for member in info.members {
      for operand in graph.nodes[member].operands {
        let source = plan.views[operand, graph]
        if source.value == target, !source.isIdentity || graph.type(value) != graph.type(target) {
          return false
        }
        if source.value == target,
          graph.type(graph.nodes[member].result).count != graph.type(value).count
        {
          return false
        }
      }
    }
    // No reader of the old value may depend on the group.
    for reader in stateReaders[target] ?? [] where reader != group {
      if dependences.isNeeded(group, by: reader) { return false }
    }
    return !leaving.contains(target)
  }

  /// Calls that begin with a copy of their base and then change parts of it (scatter) change the state
  /// itself, where it is the base and nobody reads the old value later: the copy falls away.
  private mutating func canChangeInPlace(
    _ target: Value, _ value: Value, _ index: Int, _ group: Int
  ) -> Bool {
    let node = graph.nodes[index]
    guard case .call(let makeCalls) = plan.views.lowerings[index], value == node.result,
      let base = node.operands.first, case let source = plan.views[base, graph],
      source.value == target, source.isIdentity,
      node.operands.dropFirst().allSatisfy({ plan.views.source($0) != target })
    else { return false }
    let calls = makeCalls(node.operands.map { graph.type($0) }, node.results.map { graph.type($0) })
    guard calls.first?.copiesBase == true,
      calls.dropFirst().allSatisfy({ !$0.arguments.contains(.operand(0)) })
    else { return false }
    for reader in stateReaders[target] ?? [] where reader != group {
      if dependences.isNeeded(group, by: reader) { return false }
    }
    return !leaving.contains(target)
  }

  /// The groups that read each assigned piece of state, also through scalars that they recompute.
  mutating func findStateReaders() {
    var targets: Set<Value> = []
    for output in graph.outputs {
      leaving.insert(plan.views.source(output.value))
      if case .assign(let parameter) = output.role {
        targets.insert(graph.parameters[parameter].value)
      }
    }
    var readByClone: [Int: Set<Value>] = [:]
    for index in graph.nodes.indices {
      let isCloned = plan.cloned.contains(index)
      let group = plan.groupOfNode[index]
      guard isCloned || group != nil else { continue }
      var read: Set<Value> = []
      for operand in graph.nodes[index].operands {
        let source = plan.views.source(operand)
        if targets.contains(source) { read.insert(source) }
        if let definition = graph.values[source.id].node, let more = readByClone[definition] {
          read.formUnion(more)
        }
      }
      if isCloned {
        if !read.isEmpty { readByClone[index] = read }
      } else if let group {
        for value in read where stateReaders[value]?.last != group {
          stateReaders[value, default: []].append(group)
        }
      }
    }
  }
}
