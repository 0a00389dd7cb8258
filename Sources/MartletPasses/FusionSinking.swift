// After nodes have been placed: work that a group does only for one later group moves there.
//
//     group 1: conv2dInputGradient → select → multiply     stores the product, for a sum
//     group 2: reduceSum                                   reads it
//
// becomes
//
//     group 1: conv2dInputGradient → select
//     group 2: multiply → reduceSum
//
// where that moves fewer bytes: what is stored anyway is read instead of the product.

import MartletIR
import MartletLoops
import MartletOps

extension Fusion {
  /// Moves nodes to their readers' groups, and merges groups that then read the same value.
  mutating func sink() {
    var readersOf = [[Int]](repeating: [], count: graph.values.count)
    for index in graph.nodes.indices {
      for operand in graph.nodes[index].operands {
        let source = views.source(operand).id
        if readersOf[source].last != index { readersOf[source].append(index) }
      }
    }
    for output in graph.outputs { inMemory.insert(views.source(output.value)) }
    var touched: [Int] = []
    for index in graph.nodes.indices.reversed() {
      guard let from = groupOfNode[index], let to = target(of: index, from, readersOf),
        let cone = cone(of: index, from, readersOf),
        bytesMoved(cone, index, from, to, readersOf) < 0
      else { continue }
      for member in cone { move(member, from, to) }
      touched.append(to)
    }
    for index in late.keys { if let group = groupOfNode[index] { touched.append(group) } }
    for group in touched.sorted() { mergeSibling(group) }
  }

  /// The one other kernel that reads a node, in place; nil if there are more readers.
  private mutating func target(of index: Int, _ from: Int, _ readersOf: [[Int]]) -> Int? {
    let result = graph.nodes[index].result
    guard case .elementwise = views.lowerings[index],
      groups[from]?.members.first != index
        || groups[from]?.kind == .kernel, !inMemory.contains(result), !terminal.contains(result),
      let group = groups[from], graph.type(result).count == group.count,
      !readersOf[result.id].isEmpty
    else { return nil }
    var found: Int?
    for reader in readersOf[result.id] {
      guard let to = groupOfNode[reader], to != from, found == nil || found == to else {
        return nil
      }
      found = to
    }
    guard let to = found, let other = groups[to], other.kind == .kernel,
      other.count == group.count, mayTake(to, isUpdate: isUpdate[index]),
      group.cols == nil || other.cols == nil || group.cols == other.cols,
      other.members.count + 8 < Fusion.maxMembers
    else { return nil }
    for reader in readersOf[result.id] {
      switch views.lowerings[reader] {
      case .elementwise:
        guard graph.type(graph.nodes[reader].result).count == other.count else { return nil }
      case .reduction(_, let axes):
        // Over axes in the middle a kernel reads its operand from memory, in another order.
        let rank = graph.type(graph.nodes[reader].operands[0]).shape.rank
        let ascending = axes.sorted()
        guard ascending == Array(0..<axes.count) || ascending == Array((rank - axes.count)..<rank)
        else { return nil }
      default: return nil
      }
      for operand in graph.nodes[reader].operands
      where views.source(operand) == result && !views[operand, graph].isIdentity {
        return nil
      }
    }
    return to
  }

  /// A node and what its group computes for it alone; nil where that is more than elementwise.
  private func cone(of index: Int, _ from: Int, _ readersOf: [[Int]]) -> [Int]? {
    var cone = [index]
    var next = 0
    while next < cone.count {
      for operand in graph.nodes[cone[next]].operands {
        let source = views[operand, graph]
        guard let definition = graph.values[source.value.id].node,
          groupOfNode[definition] == from, !cone.contains(definition)
        else { continue }
        guard graph.type(source.value).count == graph.type(graph.nodes[index].result).count else {
          return nil
        }
        guard case .elementwise = views.lowerings[definition], !inMemory.contains(source.value),
          readersOf[source.value.id].allSatisfy(cone.contains)
        else { continue }
        cone.append(definition)
      }
      next += 1
      if cone.count > 8 { return nil }
    }
    return cone
  }

  /// Bytes that are written and read more when a cone moves (fewer if negative).
  private func bytesMoved(
    _ cone: [Int], _ index: Int, _ from: Int, _ to: Int, _ readersOf: [[Int]]
  ) -> Int {
    let own = graph.type(graph.nodes[index].result).byteCount
    var change = -2 * own
    var seen: Set<Value> = []
    for member in cone {
      for operand in graph.nodes[member].operands {
        let leaf = views.source(operand)
        guard seen.insert(leaf).inserted else { continue }
        let definition = graph.values[leaf.id].node
        if let definition, cone.contains(definition) || cloned.contains(definition) { continue }
        let bytes = graph.type(leaf).byteCount
        func reads(_ group: Int, but excluded: [Int]) -> Bool {
          readersOf[leaf.id].contains { groupOfNode[$0] == group && !excluded.contains($0) }
        }
        if !reads(to, but: []) { change += bytes }
        if let definition, groupOfNode[definition] == from {
          let isStored =
            inMemory.contains(leaf)
            || readersOf[leaf.id].contains { groupOfNode[$0] != from }
          if !isStored { change += bytes }
        } else if !reads(from, but: cone) {
          change -= bytes
        }
      }
    }
    return change
  }

  private mutating func move(_ index: Int, _ from: Int, _ to: Int) {
    groupOfNode[index] = to
    groups[from]?.members.removeAll { $0 == index }
    groups[to]?.members.append(index)
    groups[to]?.members.sort()
    for operand in graph.nodes[index].operands {
      let source = views[operand, graph]
      if let definition = graph.values[source.value.id].node,
        let producer = groupOfNode[definition], producer != to
      {
        dependences.connect(producer, before: to)
      }
      if source.isIdentity { readers[source.value, default: []].append(to) }
    }
    // A group that is left without members goes: nothing reads it.
    if groups[from]?.members.isEmpty ?? false { groups[from] = nil }
  }

  /// Merges a group with one that reads the same value at the same places.
  private mutating func mergeSibling(_ touched: Int) {
    let id = dependences.find(touched)
    guard let group = groups[id], group.members.allSatisfy({ !pinned.contains($0) }) else { return }
    for member in group.members {
      for operand in graph.nodes[member].operands {
        let source = views[operand, graph]
        guard source.isIdentity, graph.type(source.value).count == group.count else { continue }
        for reader in readers[source.value] ?? [] {
          let other = dependences.find(reader)
          guard other != id, let sibling = groups[other], sibling.kind == .kernel,
            sibling.count == group.count,
            sibling.members.allSatisfy({ !pinned.contains($0) })
          else { continue }
          if merge(other, into: id) { return mergeSibling(id) }
        }
      }
    }
  }
}
