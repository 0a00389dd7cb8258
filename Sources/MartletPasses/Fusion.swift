// Fusion: partitions the nodes into groups, each of which becomes one kernel, one contraction with
// an epilogue, or one library call.
//
//     %2 = dot %0, %1                    group 0: dot + add + maximum   (units: rows of the result)
//     %3 = add %2, %b                    group 1: reduceMax … divide    (a softmax: rows × cols)
//     %4 = maximum %3, %z
//     %5 … %9 = softmax %4
//
// Looks only at lowering cases, never at names. A node joins the group of an operand when every
// element it needs is at the same place of the group's domain (or one a row, or one a column), and
// when no other operand depends on that group; groups therefore never form a cycle. Placed after
// CSE (a merged value shows its true number of users) and before scheduling.

import MartletIR
import MartletLoops
import MartletOps

/// One group of nodes that run together.
package struct FusionGroup {
  package enum Kind: Hashable {
    /// Elementwise operations and reductions over one domain.
    case kernel
    /// `members[0]` is the contraction, the rest its epilogue.
    case contraction
    /// One library call.
    case call
    /// A long sum cut into blocks of 4,096: partial results, then a combining call.
    case blocked
  }
  package var kind: Kind
  /// Node indices, ascending.
  package var members: [Int]
  /// Elements of the domain.
  package var count: Int
  /// Columns, once a reduction or contraction has fixed them.
  package var cols: Int?
  /// Reads of other groups' values that must be complete before this group starts.
  package var predecessors: [Int] = []
  /// True when the group only computes new values of state.
  package var isUpdate = false
  /// Why the group ended where it did, for the dumps.
  package var note = ""
  package var minNode: Int
  package var maxNode: Int
}

package struct FusionPlan {
  package var groups: [FusionGroup]
  /// For each node, its group; nil for views, constants and cloned nodes.
  package var groupOfNode: [Int?]
  /// Nodes that are recomputed wherever they are used instead of being stored.
  package var cloned: Set<Int>
  package var views: ViewResolution
  /// Values that leave their group only when it has ended (column sums, indices of blocks, calls).
  package var terminal: Set<Value>
  /// How much fusion searched, for the test that compile time is linear.
  package var visits = 0
}

package struct Fusion {
  package static let name = "fuse"
  /// Longest row that a kernel keeps in one tile.
  static let maxRow = 16384
  /// Elements in a block of a long reduction (the runtime's fixed order).
  package static let block = 4096
  /// Bound on the nodes of a group, so that scratch and C text stay small.
  static let maxMembers = 96
  /// Bytes of a parameter above which its update joins its gradient's contraction.
  static let largeUpdate = 256 << 10
  /// Bound on the instructions that recompute a scalar.
  static let maxCloneCost = 32

  let graph: Graph
  let enabled: Bool
  /// Copies of nodes, which must not be computed where their operands are, and the first node of
  /// the groups that they may join; those that no other group takes.
  let late: [Int: Int]
  let pinned: Set<Int>
  var groups: [FusionGroup?] = []
  var groupOfNode: [Int?]
  var cloned: Set<Int> = []
  var views: ViewResolution
  var terminal: Set<Value> = []
  /// Groups that read a leaf with the identity map, for joining siblings.
  var readers: [Value: [Int]] = [:]
  var dependences = GroupGraph()
  var isUpdate: [Bool]
  /// For scalars that are recomputed where they are used: how many instructions that takes.
  private var cloneCost: [Int: Int] = [:]
  /// Values that something reads from memory: outputs, operands of contractions and calls.
  var inMemory: Set<Value> = []

  package static func plan(_ graph: Graph, enabled: Bool = true) -> FusionPlan {
    plan(Recomputation(graph, duplicates: false), enabled: enabled)
  }

  /// Partitions a graph; its copies stay with their readers.
  static func plan(_ repeated: Recomputation, enabled: Bool) -> FusionPlan {
    var fusion = Fusion(repeated, enabled: enabled)
    return fusion.run()
  }

  private init(_ repeated: Recomputation, enabled: Bool) {
    let graph = repeated.graph
    self.graph = graph
    late = repeated.late
    pinned = repeated.pinned
    self.enabled = enabled
    groupOfNode = [Int?](repeating: nil, count: graph.nodes.count)
    isUpdate = [Bool](repeating: false, count: graph.nodes.count)
    views = ViewResolution(graph)
  }

  private mutating func run() -> FusionPlan {
    findUpdates()
    findMemoryReads()
    for index in graph.nodes.indices { place(index) }
    if enabled { sink() }
    // Outputs that are views with a map of their own need a buffer: the lowering copies them.
    let order = groups.indices.filter { groups[$0] != nil }
    var renumber = [Int](repeating: -1, count: groups.count)
    for (new, old) in order.enumerated() { renumber[old] = new }
    var finished: [FusionGroup] = []
    for old in order {
      guard var group = groups[old] else { continue }
      group.predecessors = dependences.predecessors(old).map { renumber[$0] }
        .filter { $0 >= 0 }.sorted()
      finished.append(group)
    }
    return FusionPlan(
      groups: finished, groupOfNode: groupOfNode.map { $0.map { renumber[$0] } },
      cloned: cloned, views: views, terminal: terminal, visits: dependences.visits)
  }

  /// Elementwise nodes all of whose uses end in assignments to state: the optimizer's update. They
  /// stay out of contractions' epilogues, so that one kernel updates all parameters.
  private mutating func findUpdates() {
    var endsInState = [Bool](repeating: true, count: graph.values.count)
    var used = [Bool](repeating: false, count: graph.values.count)
    for output in graph.outputs {
      used[output.value.id] = true
      if case .result = output.role { endsInState[output.value.id] = false }
    }
    for index in graph.nodes.indices.reversed() {
      switch views.lowerings[index] {
      case .elementwise, .view, .identity:
        let result = graph.nodes[index].result.id
        isUpdate[index] = endsInState[result] && used[result]
      default: break
      }
      for operand in graph.nodes[index].operands {
        used[operand.id] = true
        if !isUpdate[index] { endsInState[operand.id] = false }
      }
    }
  }

  private mutating func findMemoryReads() {
    for output in graph.outputs { inMemory.insert(views.source(output.value)) }
    for index in graph.nodes.indices {
      switch views.lowerings[index] {
      case .contraction, .call, .region:
        for operand in graph.nodes[index].operands { inMemory.insert(views.source(operand)) }
      case .pad: inMemory.insert(views.source(graph.nodes[index].operands[0]))
      default: break
      }
    }
  }

  // MARK: Placing one node

  private mutating func place(_ index: Int) {
    let node = graph.nodes[index]
    switch views.lowerings[index] {
    case nil: break
    case .constant, .iota:
      cloned.insert(index)
    case .view, .identity:
      if views.materialized.contains(node.result) { placeElementwise(index) }
    case .elementwise:
      if isCheapScalar(index) { cloned.insert(index) } else { placeElementwise(index) }
    case .random, .pad:
      // They read nothing in place; their users merge this group into theirs.
      open(index, kind: .kernel, count: graph.type(node.result).count, cols: nil)
    case .reduction(_, let axes):
      placeReduction(index, axes: axes)
    case .argReduction(_, let axis):
      placeReduction(index, axes: [axis])
    case .contraction(let contraction):
      placeContraction(index, contraction)
    case .call, .inlined, .region:
      open(index, kind: .call, count: graph.type(node.result).count, cols: nil)
      for result in node.results { terminal.insert(result) }
    }
  }

  /// A scalar computed from inputs, literals and such scalars alone: cheaper to recompute in each
  /// kernel than to store (learning rates, bias corrections). A long computation is stored.
  private mutating func isCheapScalar(_ index: Int) -> Bool {
    let result = graph.nodes[index].result
    guard graph.type(result).count == 1, !inMemory.contains(result) else { return false }
    var cost = 1
    for operand in graph.nodes[index].operands {
      let source = views.source(operand)
      guard graph.type(source).count == 1 else { return false }
      guard let definition = graph.values[source.id].node else { continue }
      guard cloned.contains(definition) else { return false }
      cost += cloneCost[definition] ?? 1
    }
    guard cost <= Fusion.maxCloneCost else { return false }
    cloneCost[index] = cost
    return true
  }

  private mutating func placeElementwise(_ index: Int) {
    let node = graph.nodes[index]
    let count = graph.type(node.result).count
    var candidates: [Int] = []
    if enabled {
      for operand in node.operands {
        guard let group = joinable(operand, count: count, for: index) else { continue }
        if !candidates.contains(group) { candidates.append(group) }
      }
      if candidates.isEmpty, late[index] == nil {
        candidates = siblings(node, count: count, cols: nil, for: index)
      }
    }
    join(index, candidates: candidates, count: count, cols: nil)
  }

  private mutating func placeReduction(_ index: Int, axes: [Int]) {
    let node = graph.nodes[index]
    let operand = graph.type(node.operands[0])
    let count = operand.count
    let reduced = axes.reduce(1) { $0 * operand.shape[$1] }
    let isTrailing = axes.sorted() == Array((operand.shape.rank - axes.count)..<operand.shape.rank)
    let isLeading = axes.sorted() == Array(0..<axes.count)
    let isArgument = if case .argReduction = views.lowerings[index] { true } else { false }
    if isTrailing, reduced > Fusion.maxRow, !isArgument,
      reduced == count || reduced % Fusion.block == 0
    {
      // Cut into blocks; elementwise work on the operand stays in the group.
      var candidates: [Int] = []
      if enabled, reduced == count,
        let group = joinable(node.operands[0], count: count, for: index),
        let existing = groups[group], existing.kind == .kernel, existing.cols == nil
      {
        candidates = [group]
      }
      if let group = candidates.first {
        add(index, to: group)
        groups[group]?.cols = Fusion.block
        groups[group]?.kind = .blocked
      } else {
        open(index, kind: .blocked, count: count, cols: Fusion.block)
      }
      terminal.insert(node.result)
      return
    }
    if isTrailing, reduced <= Fusion.maxRow || isArgument {
      var candidates: [Int] = []
      if enabled {
        if let group = joinable(node.operands[0], count: count, for: index) { candidates = [group] }
        if candidates.isEmpty {
          candidates = siblings(node, count: count, cols: reduced, for: index)
        }
      }
      candidates = candidates.filter { accepts($0, cols: reduced) && groups[$0]?.count == count }
      join(index, candidates: candidates, count: count, cols: reduced)
      return
    }
    if isLeading, !isArgument {
      let cols = reduced == 0 ? 1 : count / reduced
      var candidates: [Int] = []
      if enabled, cols > 0, cols <= Fusion.maxRow {
        if let group = joinable(node.operands[0], count: count, for: index) { candidates = [group] }
        if candidates.isEmpty { candidates = siblings(node, count: count, cols: cols, for: index) }
      }
      candidates = candidates.filter {
        accepts($0, cols: cols) && groups[$0]?.kind == .kernel && groups[$0]?.count == count
      }
      join(index, candidates: candidates, count: count, cols: cols)
      terminal.insert(node.result)
      return
    }
    // Axes in the middle: rows are read through a permuted view, from a complete operand.
    open(index, kind: .kernel, count: count, cols: reduced)
    groups[groups.count - 1]?.note = "reduces middle axes: reads through a permuted view"
  }

  private mutating func placeContraction(_ index: Int, _ contraction: Contraction) {
    let node = graph.nodes[index]
    let type = graph.type(node.result)
    let cols: Int
    switch contraction {
    case .dot(let axes):
      let right = graph.type(node.operands[1]).shape
      cols = axes.rightFree(right.rank).reduce(1) { $0 * right[$1] }
    case .conv2d, .conv2dInputGradient, .conv2dFilterGradient, .integerDot, .integerConv2d:
      cols = type.shape.dimensions.last ?? 1
    }
    open(index, kind: .contraction, count: type.count, cols: cols)
  }

  // MARK: Joining

  /// The group of an operand's source, if a node over `count` elements can read it in place.
  private func joinable(_ operand: Value, count: Int, for index: Int) -> Int? {
    let source = views[operand, graph]
    guard let definition = graph.values[source.value.id].node,
      let id = groupOfNode[definition], let group = groups[id], group.kind != .call,
      group.kind != .blocked,
      !terminal.contains(source.value), group.members.count < Fusion.maxMembers,
      group.minNode >= late[index] ?? 0
    else { return nil }
    if !mayTake(id, isUpdate: isUpdate[index]) { return nil }
    let sourceCount = graph.type(source.value).count
    let isFull = sourceCount == group.count && !isRowLevel(source.value, group)
    if isFull {
      return source.isIdentity && count == group.count ? id : nil
    }
    // One value a row.
    guard let cols = group.cols, cols > 1, sourceCount * cols == group.count else { return nil }
    if count == sourceCount { return source.isIdentity ? id : nil }
    guard count == group.count else { return nil }
    return Fusion.isRowExpansion(source.map, rows: sourceCount, cols: cols) ? id : nil
  }

  /// Updates run together at the end of a step, but a large parameter's is part of the contraction
  /// that gives its gradient: the gradient is then never read from memory.
  func mayTake(_ id: Int, isUpdate: Bool) -> Bool {
    guard let group = groups[id] else { return false }
    if isUpdate == group.isUpdate { return true }
    guard isUpdate, group.kind == .contraction, let root = group.members.first else { return false }
    return graph.type(graph.nodes[root].result).byteCount > Fusion.largeUpdate
  }

  private func isRowLevel(_ value: Value, _ group: FusionGroup) -> Bool {
    guard let cols = group.cols, cols != 1 else { return false }
    return graph.type(value).count != group.count
  }

  /// True when flat index i of rows × cols reads element i / cols.
  package static func isRowExpansion(_ map: IndexMap, rows: Int, cols: Int) -> Bool {
    let c = map.collapsed
    guard c.offset == 0 else { return false }
    if rows == 1 { return c.strides.allSatisfy { $0 == 0 } }
    if cols == 1 { return c.dims == [rows] && c.strides == [1] }
    return c.dims == [rows, cols] && c.strides == [1, 0]
  }

  private func accepts(_ id: Int, cols: Int) -> Bool {
    guard let group = groups[id] else { return false }
    return group.cols == nil || group.cols == cols
  }

  /// Groups that read the same leaf at the same places: one pass over memory serves both.
  private mutating func siblings(_ node: Node, count: Int, cols: Int?, for index: Int) -> [Int] {
    guard count >= 64 else { return [] }
    for operand in node.operands {
      let source = views[operand, graph]
      guard source.isIdentity, graph.type(source.value).count == count else { continue }
      for reader in readers[source.value] ?? [] {
        let id = dependences.find(reader)
        guard let group = groups[id], group.kind == .kernel, group.count == count,
          group.members.count < Fusion.maxMembers, group.isUpdate == isUpdate[index],
          cols == nil || group.cols == nil || group.cols == cols
        else { continue }
        return [id]
      }
    }
    return []
  }

  private mutating func join(_ index: Int, candidates: [Int], count: Int, cols: Int?) {
    let full = Swift.max(count, 0)
    // The latest group first: earlier ones can only be among its predecessors.
    var chosen: Int?
    for id in candidates.sorted(by: { (groups[$0]?.maxNode ?? 0) > (groups[$1]?.maxNode ?? 0) }) {
      guard let group = groups[id] else { continue }
      if let cols, let existing = group.cols, existing != cols { continue }
      // A flat chain that takes rows must have all of its elements at full level.
      if group.count != full && !(group.cols.map { $0 > 1 && full * $0 == group.count } ?? false) {
        continue
      }
      if let already = chosen {
        guard allInPlace(id, index) else { continue }
        if group.kind == .contraction, groups[already]?.kind == .kernel {
          // The chain becomes part of the contraction's epilogue.
          if merge(already, into: id) { chosen = id }
        } else {
          merge(id, into: already)
        }
      } else if canTake(id, index) {
        chosen = id
      }
    }
    guard let id = chosen else {
      open(index, kind: .kernel, count: full, cols: cols)
      return
    }
    add(index, to: id)
    if let cols { groups[id]?.cols = cols }
  }

  /// True when none of the node's other operands depends on the group.
  private mutating func canTake(_ id: Int, _ index: Int) -> Bool {
    for operand in graph.nodes[index].operands {
      let source = views[operand, graph]
      guard let definition = graph.values[source.value.id].node,
        let producer = groupOfNode[definition]
      else { continue }
      if producer == id {
        if terminal.contains(source.value) || !readsInPlace(source, index, id) { return false }
      } else if depends(producer, on: id) {
        return false
      }
    }
    return true
  }

  /// True when every operand that the group computes is read in place.
  private func allInPlace(_ id: Int, _ index: Int) -> Bool {
    graph.nodes[index].operands.allSatisfy { operand in
      let source = views[operand, graph]
      guard let definition = graph.values[source.value.id].node, groupOfNode[definition] == id
      else { return true }
      return !terminal.contains(source.value) && readsInPlace(source, index, id)
    }
  }

  /// True when the node can take the value from within the group.
  private func readsInPlace(_ source: ViewResolution.Source, _ index: Int, _ id: Int) -> Bool {
    guard let group = groups[id] else { return false }
    let count = nodeCount(index)
    let sourceCount = graph.type(source.value).count
    if sourceCount == group.count && !isRowLevel(source.value, group) {
      return source.isIdentity && count == group.count
    }
    guard let cols = group.cols, cols > 1, sourceCount * cols == group.count else { return false }
    if count == sourceCount { return source.isIdentity }
    return count == group.count
      && Fusion.isRowExpansion(source.map, rows: sourceCount, cols: cols)
  }

  /// The number of elements a node works over: a reduction's is its operand's.
  private func nodeCount(_ index: Int) -> Int {
    switch views.lowerings[index] {
    case .reduction, .argReduction: graph.type(graph.nodes[index].operands[0]).count
    default: graph.type(graph.nodes[index].result).count
    }
  }

  /// True when `group` needs a result of `other`, directly or not.
  private mutating func depends(_ group: Int, on other: Int) -> Bool {
    // Nodes are in topological order.
    guard let a = groups[group], let b = groups[other], a.maxNode > b.minNode else { return false }
    return dependences.isNeeded(other, by: group)
  }

  @discardableResult
  mutating func merge(_ from: Int, into to: Int) -> Bool {
    guard from != to, let a = groups[from], let b = groups[to], a.kind == .kernel,
      mayTake(to, isUpdate: a.isUpdate),
      a.count == b.count, a.cols == nil || b.cols == nil || a.cols == b.cols,
      a.members.count + b.members.count < Fusion.maxMembers,
      !depends(from, on: to), !depends(to, on: from),
      // Column sums cannot join a contraction: its epilogue sees rows in no fixed chunks.
      b.kind == .kernel
        || (b.kind == .contraction
          && !a.members.contains { terminal.contains(graph.nodes[$0].result) }
          && (a.cols == nil || a.cols == b.cols))
    else { return false }
    groups[to]?.members = (a.members + b.members).sorted()
    if b.kind == .contraction, let root = b.members.first {
      // The contraction stays in front.
      groups[to]?.members = [root] + (a.members + b.members.dropFirst()).sorted()
    }
    groups[to]?.minNode = min(a.minNode, b.minNode)
    groups[to]?.maxNode = max(a.maxNode, b.maxNode)
    groups[to]?.cols = a.cols ?? b.cols
    for member in a.members { groupOfNode[member] = to }
    dependences.merge(from, into: to)
    groups[from] = nil
    return true
  }

  private mutating func open(_ index: Int, kind: FusionGroup.Kind, count: Int, cols: Int?) {
    groups.append(
      FusionGroup(
        kind: kind, members: [], count: count, cols: cols, minNode: index, maxNode: index))
    dependences.add()
    groups[groups.count - 1]?.isUpdate = isUpdate[index]
    add(index, to: groups.count - 1)
  }

  private mutating func add(_ index: Int, to id: Int) {
    groupOfNode[index] = id
    groups[id]?.members.append(index)
    // Nodes are placed in order.
    groups[id]?.maxNode = index
    for operand in graph.nodes[index].operands {
      let source = views[operand, graph]
      if let definition = graph.values[source.value.id].node, let producer = groupOfNode[definition]
      {
        if producer == id { continue }
        dependences.connect(producer, before: id)
      }
      if source.isIdentity { readers[source.value, default: []].append(id) }
    }
  }
}
