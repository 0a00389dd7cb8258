// Under a memory budget: values are computed again near their late uses instead of being kept.
//
//     step 3    y = relu(x · a + t)     read by steps 4 and 90, across the peak at step 50
//     step 90   … contracts y        →  step 89   y′ = relu(x · a + t);  step 90 contracts y′
//
// While the plan's peak is above the budget: the values that are live across the peak and cheapest
// to compute again for the bytes that they take are chosen, their readers behind the peak get a
// copy, and everything is fused, ordered and planned anew. Elementwise chains from what is live
// anyway come first, then contractions and sums. Copies are the same operations on the same shapes,
// so results keep their bits. Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016;
// greedy by cost and size as in Kirisame et al., Dynamic Tensor Rematerialization, 2021.

import MartletIR
import MartletLoops
import MartletOps

package struct Rematerialization {
  /// Lowers a graph so that its arena is at most `budget` bytes. Throws when that cannot be met,
  /// naming the least that was reached.
  package static func lower(
    _ graph: Graph, fuse: Bool, schedule: Bool, reuse: Bool, budget: Int?
  ) throws(CompileError) -> LoweredProgram {
    var repeated = Recomputation(graph, duplicates: fuse)
    var lowering = try Lowering.lower(repeated, fuse: fuse, schedule: schedule)
    guard let budget else { return lowering.out }
    var search = Rematerialization(lowering, reuse: reuse, budget: budget)
    var least = search.arena
    var allowsContractions = false
    var refused: Set<Value> = []
    for _ in 0..<maximumRounds where search.arena > budget {
      guard let choice = search.choose(refused, contractions: allowsContractions) else {
        if allowsContractions { break }
        allowsContractions = true
        refused = []
        continue
      }
      let next = repeated.recomputing(chain: choice.chain, readers: choice.readers)
      let lowered = try Lowering.lower(next, fuse: fuse, schedule: schedule)
      let found = Rematerialization(lowered, reuse: reuse, budget: budget)
      least = min(least, found.arena)
      guard found.excess < search.excess else {
        refused.formUnion(choice.values)
        continue
      }
      (repeated, lowering, search) = (next, lowered, found)
      refused = []
    }
    guard search.arena <= budget else {
      throw CompileError(
        .memoryBudget, stage: .pass,
        "the program cannot run in an arena of \(budget) bytes; the least that was found is \(least)",
        hint: "a smaller batch takes less; parameters, inputs and results are not in the arena")
    }
    return lowering.out
  }

  private static let maximumRounds = 96
  /// Nodes of one copy.
  private static let longestChain = 32

  private let lowering: Lowering
  /// The planned arena.
  private let arena: Int
  /// Live bytes above the budget, summed over the steps: what each round must lower.
  private let excess: Int
  private let live: [Int]
  private let budget: Int

  private init(_ lowering: Lowering, reuse: Bool, budget: Int) {
    self.lowering = lowering
    self.budget = budget
    var schedule = lowering.out.schedule
    MemoryPlanning.run(on: &schedule, reuse: reuse)
    arena = schedule.arenaBytes
    var first = [Int](repeating: Int.max, count: schedule.buffers.count)
    var last = [Int](repeating: -1, count: schedule.buffers.count)
    for (index, step) in schedule.steps.enumerated() {
      for buffer in step.writes + step.reads {
        first[buffer] = min(first[buffer], index)
        last[buffer] = index
      }
    }
    var change = [Int](repeating: 0, count: schedule.steps.count + 1)
    for (index, buffer) in schedule.buffers.enumerated() where last[index] >= 0 {
      guard case .arena = buffer.storage else { continue }
      change[first[index]] += MemoryPlanning.rounded(buffer.byteCount)
      change[last[index] + 1] -= MemoryPlanning.rounded(buffer.byteCount)
    }
    var sum = 0
    live = change.map { delta in
      sum += delta
      return sum
    }
    // The arena counts more than what is live: in-place sharing makes it less, gaps more.
    excess = live.reduce(max(0, arena - budget)) { $0 + max(0, $1 - budget) }
  }

  private struct Candidate {
    var value: Value
    var chain: Set<Int>
    var readers: Set<Int>
    var bytes: Int
    var cost: Int
  }

  /// What is best computed again: nodes to copy, readers of the copies, and their values.
  private func choose(
    _ refused: Set<Value>, contractions: Bool
  ) -> (chain: Set<Int>, readers: Set<Int>, values: [Value])? {
    let graph = lowering.graph
    var readersOf = [[Int]](repeating: [], count: graph.values.count)
    for index in graph.nodes.indices where lowering.plan.groupOfNode[index] != nil {
      for operand in graph.nodes[index].operands {
        let source = lowering.plan.views.source(operand).id
        if readersOf[source].last != index { readersOf[source].append(index) }
      }
    }
    func step(_ node: Int) -> Int {
      lowering.plan.groupOfNode[node].map { lowering.stepOfUnit[$0] } ?? 0
    }
    guard let top = live.max(), let peak = live.firstIndex(of: top) else { return nil }
    let lastRead = readersOf.map { $0.reduce(-1) { max($0, step($1)) } }

    var candidates: [Candidate] = []
    for value in lowering.stored where !refused.contains(value) && !lowering.leaving.contains(value)
    {
      guard let node = graph.values[value.id].node, lowering.plan.groupOfNode[node] != nil,
        let buffer = lowering.bufferOf[.value(value)],
        case .arena = lowering.out.schedule.buffers[buffer].storage
      else { continue }
      let readers = readersOf[value.id]
      let behind = readers.filter { step($0) > peak }
      guard let next = behind.map(step).min(), step(node) < peak,
        !readers.contains(where: { step($0) == peak })
      else { continue }
      let bytes = graph.type(value).byteCount
      guard bytes >= Recomputation.smallest,
        let (chain, cost) = chain(of: node, at: next, lastRead, contractions: contractions, bytes)
      else { continue }
      candidates.append(
        Candidate(value: value, chain: chain, readers: Set(behind), bytes: bytes, cost: cost))
    }
    guard !candidates.isEmpty else { return nil }
    // Most bytes for the least work; products of Doubles, as bytes times operations may overflow.
    candidates.sort {
      let (a, b) = (Double($0.bytes) * Double($1.cost), Double($1.bytes) * Double($0.cost))
      return a != b ? a > b : $0.value < $1.value
    }
    var chain: Set<Int> = []
    var readers: Set<Int> = []
    var values: [Value] = []
    var saved = 0
    for candidate in candidates {
      // What is copied now must not rest on what is let go of now.
      let operands = candidate.chain.flatMap { graph.nodes[$0].operands }
        .map { lowering.plan.views.source($0) }
      let isApart =
        !operands.contains(where: values.contains) && chain.isDisjoint(with: candidate.readers)
        && candidate.chain.isDisjoint(with: readers)
      guard isApart else { continue }
      chain.formUnion(candidate.chain)
      readers.formUnion(candidate.readers)
      values.append(candidate.value)
      saved += candidate.bytes
      // One contraction a round: each changes what the next one may rest on.
      if contractions || saved >= arena - budget { break }
    }
    return (chain, readers, values)
  }

  /// The nodes that give a value from what is there at a step, and about how many operations on
  /// elements they are; nil where that takes too much.
  private func chain(
    of node: Int, at step: Int, _ lastRead: [Int], contractions: Bool, _ bytes: Int
  ) -> (Set<Int>, Int)? {
    let graph = lowering.graph
    var chain: Set<Int> = []
    var cost = 0
    var stack = [node]
    while let next = stack.popLast() {
      guard chain.insert(next).inserted else { continue }
      guard chain.count <= Rematerialization.longestChain else { return nil }
      let count = graph.type(graph.nodes[next].result).count
      switch lowering.plan.views.lowerings[next] {
      case .elementwise(let expression): cost += count * (1 + Recomputation.cost(expression))
      case .view, .identity: break
      case .random, .pad: cost += 8 * count
      case .reduction, .argReduction:
        guard contractions else { return nil }
        cost += 2 * graph.type(graph.nodes[next].operands[0]).count
      case .contraction where contractions:
        let inner =
          graph.type(graph.nodes[next].operands[1]).count
          / max(1, graph.type(graph.nodes[next].result).shape.dimensions.last ?? 1)
        cost += count * max(1, inner)
      case .call where contractions: cost += 16 * count
      default: return nil
      }
      for operand in graph.nodes[next].operands {
        let source = lowering.plan.views.source(operand)
        guard let definition = graph.values[source.id].node,
          !lowering.plan.cloned.contains(definition), !chain.contains(definition)
        else { continue }
        let isThere =
          lowering.stored.contains(source)
          && (lastRead[source.id] >= step || graph.type(source).byteCount * 8 <= bytes)
        if !isThere { stack.append(definition) }
      }
    }
    return (chain, max(1, cost))
  }
}
