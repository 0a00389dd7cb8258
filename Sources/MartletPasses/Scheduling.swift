// The order of the steps: chosen for the arena's peak, and for values that are still in the cache.
//
//     dy ─▶ filter gradient ─▶ update        the filter gradient first: it is the last reader of x,
//      └──▶ input gradient ─▶ dx             and dx may take x's bytes
//     x ───▶ filter gradient
//
// Three orders are made, each in time linear in the steps but for a heap, and the one whose plan
// takes the least memory wins: the graph's own; the graph's own, where a step that frees at least
// what it takes runs as soon as it can (a consumer right after its producer); and the greediest,
// which always takes the step that frees most. Results do not depend on the order.
// Greedy list scheduling by register pressure: Goodman and Hsu, Code Scheduling and Register
// Allocation in Large Basic Blocks, 1988.

import MartletIR
import MartletLoops
import MartletOps

package enum Scheduling {
  package static let name = "schedule"
  /// Updates that write less than this stay at the end, where they are one step together.
  static let smallUpdate = 256 << 10
}

extension Lowering {
  /// Puts groups and copies in an order that respects data and updates in place, then the copies of
  /// results.
  mutating func order(
    finals: [(from: Value, map: IndexMap, to: Int)], choosesOrder: Bool
  ) {
    let last = lastSteps(finals)
    let before = steps.indices.map { dependences.predecessors($0) }
    guard choosesOrder, steps.count > 2 else {
      (out.schedule.steps, stepOfUnit) = joined(sequence(before, .asWritten), last)
      return
    }
    // The least memory wins, then the fewest steps, then the first: among equals a consumer right
    // after its producer is best, unless launches come apart.
    var least: (arena: Int, steps: Int)?
    for rule in [OrderRule.early, .asWritten, .greedy] {
      var candidate = out.schedule
      let places: [Int]
      (candidate.steps, places) = joined(sequence(before, rule), last)
      // No plan is below its bound: who cannot win is not placed.
      let limit = least.map { $0.arena - (candidate.steps.count < $0.steps ? 0 : 1) }
      var planned = candidate
      MemoryPlanning.run(on: &planned, unlessAbove: limit ?? Int.max)
      let found = (arena: planned.arenaBytes, steps: planned.steps.count)
      if let least, found >= least { continue }
      least = found
      out.schedule = candidate
      stepOfUnit = places
    }
  }

  enum OrderRule { case asWritten, early, greedy }

  /// An order of the units (groups and copies) under a rule.
  private func sequence(_ before: [[Int]], _ rule: OrderRule) -> [Int] {
    var waiting = before.map(\.count)
    var followers = [[Int]](repeating: [], count: before.count)
    for unit in before.indices {
      for predecessor in before[unit] { followers[predecessor].append(unit) }
    }
    var memory = LiveBytes(steps, out.schedule)
    var done = [Bool](repeating: false, count: before.count)
    let positions = before.indices.map(position)

    // Keys only ever fall, as readers finish: an entry with another key than its unit's is stale.
    func key(_ unit: Int) -> Int {
      if isLate(unit) { return Int.max }
      switch rule {
      case .asWritten: return 0
      case .early: return memory.growth[unit] <= 0 ? 0 : 1
      case .greedy: return memory.growth[unit]
      }
    }
    var ready = Heap<OrderEntry>()
    for unit in before.indices where waiting[unit] == 0 {
      ready.push(OrderEntry(key: key(unit), position: positions[unit], unit: unit))
    }
    var result: [Int] = []
    result.reserveCapacity(before.count)
    while let entry = ready.pop() {
      let unit = entry.unit
      guard !done[unit], entry.key == key(unit) else { continue }
      done[unit] = true
      result.append(unit)
      for changed in memory.finish(unit) where waiting[changed] == 0 && !done[changed] {
        ready.push(OrderEntry(key: key(changed), position: positions[changed], unit: changed))
      }
      for follower in followers[unit] {
        waiting[follower] -= 1
        if waiting[follower] == 0 {
          ready.push(
            OrderEntry(key: key(follower), position: positions[follower], unit: follower))
        }
      }
    }
    return result
  }

  /// Where a unit is in the graph as written; a copy is where its first reader is.
  private func position(_ unit: Int) -> Int {
    guard unit < plan.groups.count else { return position(firstUser[unit] ?? 0) }
    return (plan.groups[unit].isUpdate ? 1 << 60 : 0) | (plan.groups[unit].minNode << 28) | unit
  }

  private func isLate(_ unit: Int) -> Bool {
    guard unit < plan.groups.count, plan.groups[unit].isUpdate else { return false }
    return steps[unit].reduce(0) { $0 + $1.bytes } < Scheduling.smallUpdate
  }

  /// The copies of results that are neither computed in their place nor updated in it.
  private mutating func lastSteps(
    _ finals: [(from: Value, map: IndexMap, to: Int)]
  ) -> [Schedule.Step] {
    // Sources that are state must be read before any of them is overwritten.
    var first: [Schedule.Step] = []
    var second: [Schedule.Step] = []
    let stateValues = Set(graph.parameters.filter { $0.role == .state }.map(\.value))
    for final in finals {
      let source = plan.views[final.from, graph]
      let dtype = graph.type(final.from).dtype
      if final.map.count == 0 { continue }
      if stateValues.contains(source.value), finals.count > 1 {
        let bytes = graph.type(final.from).byteCount
        let temporary = addBuffer(bytes, dtype, .arena(offset: 0), "state copy")
        first.append(copyStep(buffer(of: source.value), final.map, to: temporary, dtype))
        let identity = IndexMap.identity([final.map.count])
        second.append(copyStep(temporary, identity, to: final.to, dtype))
      } else {
        second.append(copyStep(buffer(of: source.value), final.map, to: final.to, dtype))
      }
    }
    return first + second
  }

  /// The steps of units in an order; a launch of the kernel of the step before, over other buffers,
  /// joins it.
  private func joined(
    _ sequence: [Int], _ last: [Schedule.Step]
  ) -> (steps: [Schedule.Step], places: [Int]) {
    var places = [Int](repeating: 0, count: steps.count)
    var result: [Schedule.Step] = []
    var kernel = -1
    var written: Set<Int> = []
    var read: Set<Int> = []
    func add(_ step: Schedule.Step) {
      guard case .launch(let launches) = step.work else {
        kernel = -1
        result.append(step)
        return
      }
      if launches[0].kernel == kernel, case .launch(let before)? = result.last?.work,
        step.reads.allSatisfy({ !written.contains($0) }),
        step.writes.allSatisfy({ !written.contains($0) && !read.contains($0) })
      {
        let end = result.count - 1
        // In place: a step of thousands of segments grows by one.
        var all = before
        result[end].work = .launch([])
        all += launches
        result[end].work = .launch(all)
        result[end].writes += step.writes
        result[end].reads += step.reads
        result[end].bytes += step.bytes
      } else {
        kernel = launches[0].kernel
        written = []
        read = []
        result.append(step)
      }
      written.formUnion(step.writes)
      read.formUnion(step.reads)
    }
    for unit in sequence {
      for step in steps[unit] { add(step) }
      places[unit] = max(0, result.count - 1)
    }
    for step in last { add(step) }
    return (result, places)
  }
}

/// How many bytes of the arena each unit would take or free if it ran next.
private struct LiveBytes {
  /// Bytes that a unit's results take, less those of which it is the last reader.
  private(set) var growth: [Int]
  private var readers: [[Int]]
  private var readersLeft: [Int]
  private var bytes: [Int]
  private var readBy: [[Int]]
  private var isDone: [Bool]

  init(_ steps: [[Schedule.Step]], _ schedule: Schedule) {
    growth = [Int](repeating: 0, count: steps.count)
    readers = [[Int]](repeating: [], count: schedule.buffers.count)
    readBy = [[Int]](repeating: [], count: steps.count)
    isDone = [Bool](repeating: false, count: steps.count)
    bytes = schedule.buffers.map { buffer in
      guard case .arena = buffer.storage else { return 0 }
      return MemoryPlanning.rounded(buffer.byteCount)
    }
    var writer = [Int](repeating: -1, count: schedule.buffers.count)
    for (unit, list) in steps.enumerated() {
      for step in list {
        for buffer in step.writes where bytes[buffer] > 0 && writer[buffer] < 0 {
          writer[buffer] = unit
          growth[unit] += bytes[buffer]
        }
      }
    }
    for (unit, list) in steps.enumerated() {
      for step in list {
        for buffer in step.reads where bytes[buffer] > 0 && readers[buffer].last != unit {
          // What a unit writes for itself alone is gone when it has run.
          if writer[buffer] == unit { continue }
          readers[buffer].append(unit)
          readBy[unit].append(buffer)
        }
      }
    }
    readersLeft = readers.map(\.count)
    for buffer in readers.indices {
      if readersLeft[buffer] == 1 {
        growth[readers[buffer][0]] -= bytes[buffer]
      } else if readersLeft[buffer] == 0, writer[buffer] >= 0 {
        growth[writer[buffer]] -= bytes[buffer]
      }
    }
  }

  /// Notes that a unit has run; gives the units that have become last readers.
  mutating func finish(_ unit: Int) -> [Int] {
    isDone[unit] = true
    var changed: [Int] = []
    for buffer in readBy[unit] {
      readersLeft[buffer] -= 1
      guard readersLeft[buffer] == 1,
        let last = readers[buffer].first(where: { !isDone[$0] })
      else { continue }
      growth[last] -= bytes[buffer]
      changed.append(last)
    }
    return changed
  }
}

private struct OrderEntry: Comparable {
  var key: Int
  var position: Int
  var unit: Int
  static func < (a: OrderEntry, b: OrderEntry) -> Bool {
    (a.key, a.position) < (b.key, b.position)
  }
}

/// A binary heap, smallest first.
struct Heap<Element: Comparable> {
  private var items: [Element] = []

  mutating func push(_ item: Element) {
    items.append(item)
    var child = items.count - 1
    while child > 0, items[child] < items[(child - 1) / 2] {
      items.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func pop() -> Element? {
    guard let top = items.first else { return nil }
    let last = items.removeLast()
    guard !items.isEmpty else { return top }
    items[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < items.count {
        if items[child] < items[least] { least = child }
      }
      if least == parent { return top }
      items.swapAt(parent, least)
      parent = least
    }
  }
}
