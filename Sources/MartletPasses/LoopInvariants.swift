// Steps that do the same in each iteration run once, in front of the loop.
//
//     begin loop 0                            copy w → b7
//       copy w → b7                           pack b7 → b9
//       gemm h, b7 → b8            →          begin loop 0
//     end                                       packed gemm h, b9 → b8
//                                             end
//
// The right side of a product that does not change is packed once; each iteration then reads it in
// the order in which the product needs it.

import MartletIR
import MartletLoops

extension Lowering {
  /// Moves what reads `invariant` buffers alone out of the steps of a loop's body, and packs
  /// invariant right sides. Gives the steps in front of the loop; what they write outlives the loop.
  mutating func hoistInvariants(
    _ steps: inout [Schedule.Step], _ invariant: [Int], iterations: Int
  ) -> (steps: [Schedule.Step], writes: [Int]) {
    guard iterations > 1 else { return ([], []) }
    var known = Set(invariant)
    var writers: [Int: Int] = [:]
    for step in steps where step.work.isKernel {
      for buffer in Set(step.writes) { writers[buffer, default: 0] += 1 }
    }
    var front: [Schedule.Step] = []
    var rest: [Schedule.Step] = []
    var depth = 0
    for step in steps {
      switch step.work {
      case .begin, .branch: depth += 1
      case .end, .endBranch: depth -= 1
      default: break
      }
      if depth == 0, step.work.isKernel, isMovable(step, known, writers) {
        var moved = step
        moved.flops /= iterations
        moved.bytes /= iterations
        front.append(moved)
        known.formUnion(step.writes)
      } else {
        rest.append(step)
      }
    }
    steps = rest
    front += packRightSides(&steps, known)
    return (front, front.flatMap(\.writes))
  }

  private func isMovable(
    _ step: Schedule.Step, _ known: Set<Int>, _ writers: [Int: Int]
  ) -> Bool {
    step.reads.allSatisfy { isKnown($0, known) }
      && step.writes.allSatisfy { buffer in
        guard case .arena = out.schedule.buffers[buffer].storage else { return false }
        return writers[buffer] == 1
      }
  }

  private func isKnown(_ buffer: Int, _ known: Set<Int>) -> Bool {
    if known.contains(buffer) { return true }
    guard case .part(let base, _) = out.schedule.buffers[buffer].storage else { return false }
    return isKnown(base, known)
  }

  /// The widest column panel of a packed right side, in bytes, over all instruction sets.
  private static let widestPanel = 128

  private mutating func packRightSides(
    _ steps: inout [Schedule.Step], _ known: Set<Int>
  ) -> [Schedule.Step] {
    struct Side: Hashable {
      let buffer: Int
      let sizes: [Int]
    }
    var packed: [Side: Int] = [:]
    var front: [Schedule.Step] = []
    for index in steps.indices {
      guard case .call(let symbol, var arguments, let epilogue, true) = steps[index].work,
        symbol == "mt_gemm_f32" || symbol == "mt_gemm_f64", arguments.count == 4,
        case .table(let sizes) = arguments[0], sizes.count == 10,
        case .buffer(let right) = arguments[2], isKnown(right, known)
      else { continue }
      let (n, k) = (sizes[2], sizes[3])
      guard sizes[0] > 0, sizes[1] > 0, n > 1, k > 0 else { continue }
      let dtype = out.schedule.buffers[right].dtype
      // How many rows the left side has does not matter to the packed right one.
      let side = Side(buffer: right, sizes: [sizes[0], n, k] + sizes[7...])
      let place: Int
      if let already = packed[side] {
        place = already
      } else {
        let batches = sizes[7] == 0 ? 1 : sizes[0]
        let columns = n + Lowering.widestPanel / dtype.byteCount
        place = addBuffer(
          batches * columns * k * dtype.byteCount, dtype, .arena(offset: 0),
          "packed \(out.schedule.buffers[right].label)")
        packed[side] = place
        front.append(
          Schedule.Step(
            work: .call(
              symbol: "mt_gemm_pack_\(dtype)", [.table(sizes), .buffer(right), .buffer(place)],
              epilogue: nil, takesEpilogue: false),
            writes: [place], reads: [right],
            comment: "packs \(out.schedule.buffers[right].label)"))
      }
      arguments[2] = .buffer(place)
      steps[index].work = .call(
        symbol: "mt_gemm_packed_\(dtype)", arguments, epilogue: epilogue, takesEpilogue: true)
      steps[index].reads = steps[index].reads.map { $0 == right ? place : $0 }
    }
    return front
  }
}
