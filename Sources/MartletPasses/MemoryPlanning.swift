// Memory planning: offsets in one arena from live ranges, with in-place reuse.
//
//     step 0 writes b4        b4: [0, 1]      b5 may take b4's bytes: step 1 reads each element of
//     step 1 reads b4         b5: [1, 2]      b4 before it writes the same element of b5
//            writes b5
//
// Ranges that share a slot are one interval; intervals are placed largest first at the lowest free
// offset (Pisarchyk and Lee, Efficient Memory Management for Deep Neural Net Inference, 2020).

import MartletIR
import MartletLoops

package struct MemoryPlanning {
  package static let name = "plan"
  package static let alignment = 64

  static func rounded(_ bytes: Int) -> Int { (bytes + alignment - 1) / alignment * alignment }

  /// Sets arena offsets, `arenaBytes` and `arenaLowerBound`.
  ///
  /// With `guarded` no bytes serve twice and 64 bytes lie unused behind each buffer, at
  /// `schedule.guards`: whoever writes there wrote out of bounds.
  package static func run(
    on schedule: inout Schedule, reuse: Bool = true, guarded: Bool = false
  ) {
    run(on: &schedule, reuse: reuse, guarded: guarded, unlessAbove: Int.max)
  }

  /// The same; a schedule whose bound is above `limit` is not placed: `arenaBytes` is its bound then.
  static func run(
    on schedule: inout Schedule, reuse: Bool = true, guarded: Bool = false, unlessAbove limit: Int
  ) {
    let count = schedule.buffers.count
    var first = [Int](repeating: Int.max, count: count)
    var last = [Int](repeating: -1, count: count)
    for (index, step) in schedule.steps.enumerated() {
      for buffer in step.writes + step.reads {
        first[buffer] = min(first[buffer], index)
        last[buffer] = max(last[buffer], index)
      }
    }
    func isArena(_ buffer: Int) -> Bool {
      if case .arena = schedule.buffers[buffer].storage { return last[buffer] >= 0 }
      return false
    }

    // Chains of buffers that share bytes.
    var slot = Array(0..<count)
    var slotFirst = first
    var slotLast = last
    var slotBytes = schedule.buffers.map { rounded($0.byteCount) }
    if guarded { slotBytes = slotBytes.map { $0 + alignment } }
    if reuse, !guarded {
      var kernels = [[(Int, Int)]?](repeating: nil, count: schedule.kernels.count)
      for (index, step) in schedule.steps.enumerated() {
        var used: Set<Int> = []
        for (output, input) in sharable(step, schedule, &kernels) {
          guard isArena(output), isArena(input), first[output] == index, last[input] == index,
            slot[output] == output, used.insert(slot[input]).inserted,
            slotLast[slot[input]] == index,
            schedule.buffers[output].byteCount <= schedule.buffers[input].byteCount
          else { continue }
          let target = slot[input]
          slot[output] = target
          slotLast[target] = max(slotLast[target], last[output])
          slotBytes[target] = max(slotBytes[target], slotBytes[output])
          slotFirst[target] = min(slotFirst[target], first[output])
        }
      }
    }

    let slots = (0..<count).filter { isArena($0) && slot[$0] == $0 }
      .sorted { (slotBytes[$0], $1) > (slotBytes[$1], $0) }
    // The bound: at each step, what must be live, a shared slot counted once.
    var change = [Int](repeating: 0, count: schedule.steps.count + 1)
    for item in slots {
      change[slotFirst[item]] += slotBytes[item]
      change[slotLast[item] + 1] -= slotBytes[item]
    }
    var live = 0
    var bound = 0
    for delta in change {
      live += delta
      bound = max(bound, live)
    }
    schedule.arenaLowerBound = bound
    if bound > limit {
      schedule.arenaBytes = bound
      return
    }

    var offsets = [Int](repeating: 0, count: count)
    var total = 0
    var arena = ArenaPlacement(stepCount: guarded ? 1 : schedule.steps.count)
    for item in slots {
      let range = guarded ? 0...0 : slotFirst[item]...slotLast[item]
      offsets[item] = arena.place(slotBytes[item], range)
      total = max(total, offsets[item] + slotBytes[item])
    }
    for buffer in 0..<count where isArena(buffer) {
      schedule.buffers[buffer].storage = .arena(offset: offsets[slot[buffer]])
    }
    schedule.arenaBytes = total
    if guarded { schedule.guards = slots.map { offsets[$0] + slotBytes[$0] - alignment } }
  }

  /// Pairs (output, input) of a step's kernel where every read of the input has the identity map at
  /// the output's level and elements are equally large. `kernels` keeps what is found of each kernel.
  static func sharable(
    _ step: Schedule.Step, _ schedule: Schedule, _ kernels: inout [[(Int, Int)]?]
  ) -> [(Int, Int)] {
    guard case .launch(let launches) = step.work else { return [] }
    // One value bound twice, or an input that another segment reads, stays as it is.
    var uses: [Int: Int] = [:]
    for launch in launches { for buffer in launch.buffers { uses[buffer, default: 0] += 1 } }
    var pairs: [(Int, Int)] = []
    for launch in launches {
      let known = kernels[launch.kernel]
      let places = known ?? sharablePlaces(schedule.kernels[launch.kernel].program)
      if known == nil { kernels[launch.kernel] = places }
      for (output, input) in places where uses[launch.buffers[input]] == 1 {
        pairs.append((launch.buffers[output], launch.buffers[input]))
      }
    }
    return pairs
  }

  private static func sharablePlaces(_ program: TileProgram) -> [(Int, Int)] {
    guard program.chunkRows == 1, program.lastCols == program.cols else { return [] }
    // How each buffer is read and written: nil once it is anything but flat at one level.
    var level: [Int: TileProgram.Level?] = [:]
    for instruction in program.instructions {
      switch instruction.operation {
      case .load(let buffer, .flat), .store(let buffer, _):
        if let known = level[buffer], known != instruction.level {
          level[buffer] = .some(nil)
        } else {
          level[buffer] = instruction.level
        }
      case .load(let buffer, _), .reduceColumn(_, let buffer, _):
        level[buffer] = .some(nil)
      default: break
      }
    }
    var pairs: [(Int, Int)] = []
    for (output, description) in program.buffers.enumerated() where description.role == .output {
      guard let written = level[output] ?? nil, written == .full || written == .row else {
        continue
      }
      for (input, other) in program.buffers.enumerated() where other.role == .input {
        guard let read = level[input] ?? nil, read == written,
          other.dtype.byteCount == description.dtype.byteCount
        else { continue }
        pairs.append((output, input))
      }
    }
    return pairs
  }
}

/// Gives intervals of steps the lowest offset that is free throughout.
///
/// For each step it knows how far bytes are taken without a gap, and where the highest taken byte
/// ends: most intervals go where those two meet and look at no other. The rest search the blocks
/// of steps that they touch, each a list of what lies in it by offset. A block that an interval
/// covers is one entry, not its steps: what a loop written out keeps for its way back lives long.
private struct ArenaPlacement {
  private struct Item {
    var offset: Int
    var end: Int
    var first: Int
    var last: Int
  }
  private var items: [Item] = []
  private var blocks: [[Int32]]
  private let blockSteps: Int
  /// Of each step, where its block has no one floor; and without the intervals that cover its block.
  private var floor: [Int]
  private var top: [Int]
  /// The highest of each block's steps; whether all have this floor; the tops of what covers it.
  private var blockFloor: [Int]
  private var blockTop: [Int]
  private var isLevel: [Bool]
  private var coverTop: [Int]
  private var largest = 0

  init(stepCount: Int) {
    blockSteps = max(16, stepCount / 64)
    let count = stepCount / blockSteps + 1
    blocks = [[Int32]](repeating: [], count: count)
    floor = [Int](repeating: 0, count: stepCount)
    top = floor
    blockFloor = [Int](repeating: 0, count: count)
    blockTop = blockFloor
    coverTop = blockFloor
    isLevel = [Bool](repeating: true, count: count)
  }

  private func steps(_ block: Int) -> Range<Int> {
    (block * blockSteps)..<min((block + 1) * blockSteps, floor.count)
  }

  mutating func place(_ bytes: Int, _ range: ClosedRange<Int>) -> Int {
    largest = max(largest, bytes)
    let touched = (range.lowerBound / blockSteps)...(range.upperBound / blockSteps)
    // Below its floor every step is full, above its top every step is empty.
    var offset = 0
    var ceiling = 0
    for block in touched {
      let all = steps(block)
      let part = all.clamped(to: Range(range))
      if part == all {
        offset = max(offset, blockFloor[block])
        ceiling = max(ceiling, blockTop[block])
        continue
      }
      if isLevel[block] {
        for step in all { floor[step] = blockFloor[block] }
        isLevel[block] = false
      }
      ceiling = max(ceiling, coverTop[block])
      for step in part {
        offset = max(offset, floor[step])
        ceiling = max(ceiling, top[step])
      }
    }
    // One pass over each block's items finds where the interval may lie in that block; passes
    // repeat until no block moves it.
    var moved = offset < ceiling
    while moved {
      moved = false
      for block in touched {
        let found = lowest(block, from: offset, bytes, range)
        if found > offset {
          offset = found
          moved = touched.count > 1
        }
      }
    }
    let end = offset + bytes
    for block in touched { raise(block, range, from: offset, to: end) }
    let index = Int32(items.count)
    items.append(Item(offset: offset, end: end, first: range.lowerBound, last: range.upperBound))
    for block in touched {
      blocks[block].insert(index, at: position(offset + 1, in: block))
    }
    return offset
  }

  /// Takes the bytes `offset ..< end` of the steps of a block that lie in a range.
  private mutating func raise(
    _ block: Int, _ range: ClosedRange<Int>, from offset: Int, to end: Int
  ) {
    let all = steps(block)
    let part = all.clamped(to: Range(range))
    blockTop[block] = max(blockTop[block], end)
    guard part == all else {
      for step in part {
        top[step] = max(top[step], end)
        if floor[step] == offset {
          floor[step] = end
          blockFloor[block] = max(blockFloor[block], end)
        }
      }
      return
    }
    coverTop[block] = max(coverTop[block], end)
    guard blockFloor[block] == offset else { return }
    blockFloor[block] = end
    if isLevel[block] { return }
    var allReach = true
    for step in all {
      if floor[step] == offset { floor[step] = end }
      allReach = allReach && floor[step] == end
    }
    isLevel[block] = allReach
  }

  /// The first place in a block's list whose item begins at `offset` or above.
  private func position(_ offset: Int, in block: Int) -> Int {
    var low = 0
    var high = blocks[block].count
    while low < high {
      let middle = (low + high) / 2
      if items[Int(blocks[block][middle])].offset < offset {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }

  /// The lowest offset from `start` on that is free among one block's items.
  private func lowest(
    _ block: Int, from start: Int, _ bytes: Int, _ range: ClosedRange<Int>
  ) -> Int {
    var offset = start
    for place in position(start - largest, in: block)..<blocks[block].count {
      let item = items[Int(blocks[block][place])]
      guard item.first <= range.upperBound, range.lowerBound <= item.last else { continue }
      if offset + bytes <= item.offset { break }
      offset = max(offset, item.end)
    }
    return offset
  }
}
