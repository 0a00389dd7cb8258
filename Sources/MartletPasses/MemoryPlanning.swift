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

  /// Sets arena offsets, `arenaBytes` and `arenaLowerBound`.
  ///
  /// With `guarded` no bytes serve twice and 64 bytes lie unused behind each buffer, at
  /// `schedule.guards`: whoever writes there wrote out of bounds.
  package static func run(
    on schedule: inout Schedule, reuse: Bool = true, guarded: Bool = false
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
    var slotBytes = schedule.buffers.map { ($0.byteCount + alignment - 1) / alignment * alignment }
    if guarded { slotBytes = slotBytes.map { $0 + alignment } }
    if reuse, !guarded {
      for (index, step) in schedule.steps.enumerated() {
        var used: Set<Int> = []
        for (output, input) in sharable(step, schedule) {
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
    var offsets = [Int](repeating: 0, count: count)
    var placed: [Int] = []
    var total = 0
    for item in slots {
      var offset = 0
      let overlapping = placed
        .filter {
          guarded || (slotFirst[$0] <= slotLast[item] && slotFirst[item] <= slotLast[$0])
        }
        .sorted { offsets[$0] < offsets[$1] }
      for other in overlapping {
        if offset + slotBytes[item] <= offsets[other] { break }
        offset = max(offset, offsets[other] + slotBytes[other])
      }
      offsets[item] = offset
      placed.append(item)
      total = max(total, offset + slotBytes[item])
    }
    for buffer in 0..<count where isArena(buffer) {
      schedule.buffers[buffer].storage = .arena(offset: offsets[slot[buffer]])
    }
    schedule.arenaBytes = total
    if guarded { schedule.guards = slots.map { offsets[$0] + slotBytes[$0] - alignment } }

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
  }

  /// Pairs (output, input) of a step's kernel where every read of the input has the identity map at
  /// the output's level and elements are equally large.
  static func sharable(_ step: Schedule.Step, _ schedule: Schedule) -> [(Int, Int)] {
    guard case .launch(let launches) = step.work else { return [] }
    var pairs: [(Int, Int)] = []
    for launch in launches {
      let program = schedule.kernels[launch.kernel].program
      guard program.chunkRows == 1, program.lastCols == program.cols else { continue }
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
      for (output, description) in program.buffers.enumerated() where description.role == .output {
        guard let written = level[output] ?? nil, written == .full || written == .row else { continue }
        for (input, other) in program.buffers.enumerated() where other.role == .input {
          guard let read = level[input] ?? nil, read == written,
            other.dtype.byteCount == description.dtype.byteCount,
            // One value bound twice, or an input that another segment reads, stays as it is.
            launches.count == 1
              || launches.filter({ $0.buffers.contains(launch.buffers[input]) }).count == 1,
            launch.buffers.filter({ $0 == launch.buffers[input] }).count == 1
          else { continue }
          pairs.append((launch.buffers[output], launch.buffers[input]))
        }
      }
    }
    return pairs
  }
}
