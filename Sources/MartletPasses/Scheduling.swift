// The order of the steps.

import MartletIR
import MartletLoops
import MartletOps

extension Lowering {
  /// Groups in an order that respects data and updates in place; updates last, where launches of one
  /// kernel become one step; then the copies of results.
  mutating func order(finals: [(from: Value, map: IndexMap, to: Int)]) {
    let count = plan.groups.count
    var waiting = [Int](repeating: 0, count: count)
    var followers = [[Int]](repeating: [], count: count)
    for group in 0..<count {
      let before = predecessors(group)
      waiting[group] = before.count
      for predecessor in before { followers[predecessor].append(group) }
    }
    // A copy made for the first group that needs it serves later ones: keep groups in their order
    // where dependences allow, by always taking the ready group with the smallest index.
    var ready = Heap((0..<count).filter { waiting[$0] == 0 }.map { priority($0) })
    var sequence: [Int] = []
    while let next = ready.pop() {
      let group = next & 0xFFFF_FFFF
      sequence.append(group)
      for follower in followers[group] {
        waiting[follower] -= 1
        if waiting[follower] == 0 { ready.push(priority(follower)) }
      }
    }
    for group in sequence { append(steps[group]) }
    // Sources that are state must be read before any of them is overwritten.
    var second: [Schedule.Step] = []
    let stateValues = Set(graph.parameters.filter { $0.role == .state }.map(\.value))
    for final in finals {
      let source = plan.views[final.from, graph]
      let dtype = graph.type(final.from).dtype
      if final.map.count == 0 { continue }
      if stateValues.contains(source.value), finals.count > 1 {
        let bytes = graph.type(final.from).byteCount
        let temporary = addBuffer(bytes, dtype, .arena(offset: 0), "state copy")
        append([copyStep(buffer(of: source.value), final.map, to: temporary, dtype)])
        let identity = IndexMap.identity([final.map.count])
        second.append(copyStep(temporary, identity, to: final.to, dtype))
      } else {
        second.append(copyStep(buffer(of: source.value), final.map, to: final.to, dtype))
      }
    }
    append(second)
  }

  func priority(_ group: Int) -> Int {
    (plan.groups[group].isUpdate ? 1 << 60 : 0) | (plan.groups[group].minNode << 32) | group
  }

  /// Appends steps; a launch of the kernel of the step before, over other buffers, joins it.
  mutating func append(_ list: [Schedule.Step]) {
    for step in list {
      if case .launch(let launches) = step.work, let last = out.schedule.steps.last,
        case .launch(let before) = last.work, launches[0].kernel == before[0].kernel,
        Set(last.writes).isDisjoint(with: step.reads + step.writes),
        Set(last.reads).isDisjoint(with: step.writes)
      {
        var merged = last
        merged.work = .launch(before + launches)
        merged.writes += step.writes
        merged.reads += step.reads
        merged.bytes += step.bytes
        out.schedule.steps[out.schedule.steps.count - 1] = merged
      } else {
        out.schedule.steps.append(step)
      }
    }
  }
}

/// A binary heap of integers, smallest first.
struct Heap {
  private var items: [Int] = []
  init(_ items: [Int]) { for item in items { push(item) } }
  mutating func push(_ item: Int) {
    items.append(item)
    var child = items.count - 1
    while child > 0, items[(child - 1) / 2] > items[child] {
      items.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }
  mutating func pop() -> Int? {
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
