// What must be stored, and where results and assigned state are bound.

import MartletIR
import MartletLoops
import MartletOps

extension Lowering {
  mutating func findStored() {
    for (index, node) in graph.nodes.enumerated() {
      // Views and recomputed scalars read nothing themselves; their users do.
      guard plan.groupOfNode[index] != nil else { continue }
      for operand in node.operands {
        let source = plan.views[operand, graph]
        guard let definition = graph.values[source.value.id].node,
          let producer = plan.groupOfNode[definition]
        else { continue }
        if plan.groupOfNode[index] != producer { stored.insert(source.value) }
      }
    }
    for output in graph.outputs { stored.insert(plan.views[output.value, graph].value) }
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
          inPlace.append((target, group))
        } else {
          finals.append((output.value, source.map, place))
        }
      }
    }
    return finals
  }

  func canUpdateInPlace(_ target: Value, _ value: Value, _ group: Int) -> Bool {
    let info = plan.groups[group]
    guard info.kind == .kernel, !plan.terminal.contains(value) else { return false }
    // The kernel may read the old value only at the same place.
    for member in info.members {
      for operand in graph.nodes[member].operands {
        let source = plan.views[operand, graph]
        if source.value == target, !source.isIdentity || graph.type(value) != graph.type(target) {
          return false
        }
        if source.value == target, graph.type(graph.nodes[member].result).count != graph.type(value).count {
          return false
        }
      }
    }
    // No reader of the old value may depend on the group.
    for reader in readers(of: target) where reader != group {
      if depends(reader, on: group) { return false }
    }
    for output in graph.outputs where plan.views[output.value, graph].value == target {
      return false
    }
    return true
  }

  func readers(of value: Value) -> Set<Int> {
    var groups: Set<Int> = []
    for (index, node) in graph.nodes.enumerated() {
      guard let group = plan.groupOfNode[index] else { continue }
      if node.operands.contains(where: { reads($0, value) }) { groups.insert(group) }
    }
    return groups
  }

  /// True when an operand reads a value, also through scalars that are recomputed in place.
  func reads(_ operand: Value, _ value: Value) -> Bool {
    let source = plan.views[operand, graph].value
    if source == value { return true }
    guard let definition = graph.values[source.id].node, plan.cloned.contains(definition) else {
      return false
    }
    return graph.nodes[definition].operands.contains { reads($0, value) }
  }

  func depends(_ group: Int, on other: Int) -> Bool {
    var stack = [group]
    var seen: Set<Int> = [group]
    while let next = stack.popLast() {
      for predecessor in predecessors(next) where seen.insert(predecessor).inserted {
        if predecessor == other { return true }
        stack.append(predecessor)
      }
    }
    return false
  }

  /// Data dependences, and the readers that an update in place must wait for.
  func predecessors(_ group: Int) -> Set<Int> {
    var result = plan.groups[group].predecessors
    for update in inPlace where update.group == group {
      result.formUnion(readers(of: update.target).subtracting([group]))
    }
    return result
  }
}
