// With checks: looks at what each step reads and wrote, and remembers the first thing that is wrong.

import CMartletRuntime
import MartletIR
import MartletLoops

/// Looks over the shoulder of one session's runs. Confined to the thread that runs.
final class StepCheck {
  /// The first value that was not finite in this run; it matters if a result is not finite either.
  private(set) var firstNonFinite: String?
  /// A computed index that lies outside, and would be clamped.
  private(set) var indexOutside: String?
  private let schedule: Schedule
  private let arena: UnsafeMutableRawPointer?
  private var io: [UnsafeMutableRawPointer?] = []
  /// The running iteration of each loop; behind the loop, how many there were.
  private var iterations: [Int]
  private var hasEnded: [Bool]

  init(_ schedule: Schedule, arena: UnsafeMutableRawPointer?) {
    self.schedule = schedule
    self.arena = arena
    iterations = schedule.loops.map { _ in -1 }
    hasEnded = schedule.loops.map { _ in true }
  }

  func begin(_ io: [UnsafeMutableRawPointer?]) {
    self.io = io
    firstNonFinite = nil
    indexOutside = nil
  }

  /// Receives `mt_observe`; `user` is the check, which its session keeps alive.
  static let observer: mt_observer = { user, step, done in
    guard let user else { return }
    Unmanaged<StepCheck>.fromOpaque(user).takeUnretainedValue().observe(step, isDone: done != 0)
  }

  private func observe(_ index: Int, isDone: Bool) {
    guard schedule.steps.indices.contains(index) else { return }
    let step = schedule.steps[index]
    switch step.work {
    case .begin(let loop):
      iterations[loop] = hasEnded[loop] ? 0 : iterations[loop] + 1
      hasEnded[loop] = false
      return
    case .end(let loop):
      iterations[loop] += 1
      hasEnded[loop] = true
      return
    case .leave(let loop, _):
      // The end counts the iteration, which has not run.
      iterations[loop] -= 1
      return
    case .launch, .call, .foreign: break
    default: return
    }
    if isDone {
      if firstNonFinite == nil { findNonFinite(step, index) }
    } else if indexOutside == nil {
      checkIndices(step, index)
    }
  }

  private func bytes(_ buffer: Int) -> UnsafeRawBufferPointer? {
    address(buffer, iterations).map {
      UnsafeRawBufferPointer(start: $0, count: schedule.buffers[buffer].byteCount)
    }
  }

  private func address(_ buffer: Int, _ iterations: [Int]) -> UnsafeMutableRawPointer? {
    switch schedule.buffers[buffer].storage {
    case .bound(let slot): return io.indices.contains(slot) ? io[slot] : nil
    case .arena(let offset): return arena.map { $0 + offset }
    case .part(let base, let offset): return address(base, iterations).map { $0 + offset }
    case .step(let base, let stride, let loop):
      let info = schedule.loops[loop]
      let place = info.isReversed ? info.count - 1 - iterations[loop] : iterations[loop]
      return address(base, iterations).map { $0 + place * stride }
    case .alternating(let even, let odd, let loop):
      return address(iterations[loop] & 1 == 0 ? even : odd, iterations)
    case .carried(let first, let next, let loop):
      if iterations[loop] == 0 { return address(first, iterations) }
      var before = iterations
      before[loop] -= 1
      return address(next, before)
    }
  }

  private func findNonFinite(_ step: Schedule.Step, _ index: Int) {
    for buffer in step.writes {
      let description = schedule.buffers[buffer]
      guard let bytes = bytes(buffer), let found = description.dtype.firstNonFinite(bytes) else {
        continue
      }
      firstNonFinite =
        "first in step \(index) (\(step.comment)): '\(description.label)' is \(found.value) "
        + "at position \(found.position)"
      return
    }
  }

  /// Gathers and scatters take (sizes, source, index, …) and (sizes, index, …).
  private func checkIndices(_ step: Schedule.Step, _ index: Int) {
    guard case .call(let symbol, let arguments, _, _) = step.work, arguments.count >= 3,
      case .table(let sizes) = arguments[0], sizes.count >= 4
    else { return }
    let place: Int
    if symbol.hasPrefix("mt_gather_") || symbol.hasPrefix("mt_take_along_") {
      place = 2
    } else if symbol.hasPrefix("mt_scatter_add_") || symbol.hasPrefix("mt_add_along_") {
      place = 1
    } else {
      return
    }
    guard case .buffer(let buffer) = arguments[place], let bytes = bytes(buffer) else { return }
    let bound = sizes[1]
    func scan<T: FixedWidthInteger>(_: T.Type) -> (Int, Int)? {
      let values = bytes.bindMemory(to: T.self)
      for (position, value) in values.enumerated() where Int(value) < 0 || Int(value) >= bound {
        return (position, Int(value))
      }
      return nil
    }
    let found =
      schedule.buffers[buffer].dtype == .int64 ? scan(Int64.self) : scan(Int32.self)
    if let (position, value) = found {
      indexOutside =
        "step \(index) (\(step.comment)): index \(value) at position \(position) is outside of "
        + "0 ..< \(bound)"
    }
  }
}

extension DType {
  /// The first element that is infinite or no number, of an array of this dtype.
  func firstNonFinite(_ bytes: UnsafeRawBufferPointer) -> (position: Int, value: Double)? {
    switch self {
    case .float32:
      let values = bytes.bindMemory(to: Float.self)
      return values.firstIndex { !$0.isFinite }.map { ($0, Double(values[$0])) }
    case .float64:
      let values = bytes.bindMemory(to: Double.self)
      return values.firstIndex { !$0.isFinite }.map { ($0, values[$0]) }
    case .float16, .bfloat16:
      // All bits of the exponent are set.
      let exponent: UInt16 = self == .float16 ? 0x7C00 : 0x7F80
      let values = bytes.bindMemory(to: UInt16.self)
      return values.firstIndex { $0 & exponent == exponent }.map { place in
        let isInfinite = values[place] & 0x7FFF == exponent
        return (place, isInfinite ? (values[place] >> 15 == 0 ? .infinity : -.infinity) : .nan)
      }
    case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64, .bool: return nil
    }
  }
}
