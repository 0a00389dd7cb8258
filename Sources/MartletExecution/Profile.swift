// How long each kernel of a session took.

import CMartletRuntime
import MartletLoops

/// The times of a session's kernels and library calls, from programs compiled with
/// ``CompileOptions/profiles`` (or `MARTLET_LOG=4`).
public struct Profile: Sendable, CustomStringConvertible {
  /// One step of the schedule: a kernel, or a library call with its epilogue.
  public struct Kernel: Sendable {
    /// Layer path and operations, as in the emitted C.
    public var name: String
    /// Time on the caller's thread over all runs, in seconds.
    public var seconds: Double
    /// 2 × multiply-adds of one run; 0 where there is no contraction.
    public var flops: Int
    /// Bytes of the buffers that one run reads and writes, each once.
    public var bytes: Int
  }

  /// What a thread did for a kernel in the last run.
  public struct Interval: Sendable {
    /// Index into ``Profile/kernels``.
    public var kernel: Int
    /// 0 is the caller's.
    public var thread: Int
    /// Nanoseconds of the monotonic clock.
    public var begin: Int64
    /// Nanoseconds of the monotonic clock.
    public var end: Int64
  }

  /// Runs that were timed.
  public internal(set) var runs = 0
  /// In the order of the schedule.
  public internal(set) var kernels: [Kernel]
  /// The last run's, thread by thread.
  public internal(set) var intervals: [Interval] = []

  init(_ schedule: Schedule) {
    kernels = schedule.steps.map { step in
      let buffers = Set(step.reads).union(step.writes)
      return Kernel(
        name: step.comment, seconds: 0, flops: step.flops,
        bytes: buffers.reduce(0) { $0 + schedule.buffers[$1].byteCount })
    }
  }

  mutating func add(_ timings: UnsafeBufferPointer<mt_timing>) {
    runs += 1
    intervals.removeAll(keepingCapacity: true)
    for timing in timings {
      guard kernels.indices.contains(timing.step) else { continue }
      intervals.append(
        Interval(
          kernel: timing.step, thread: Int(timing.part), begin: timing.begin, end: timing.end))
      if timing.part == 0 {
        kernels[timing.step].seconds += Double(timing.end - timing.begin) / 1e9
      }
    }
  }

  /// Milliseconds of a run, GFLOP/s, GB/s and share, the slowest kernel first.
  public var description: String { table(limits: nil) }

  /// As ``description``, with the fraction of the machine's limit that each kernel reaches. It may be
  /// above 100 % where operands come from a cache: the limit supposes that they come from memory.
  package func table(limits: MachineLimits?) -> String {
    let total = kernels.reduce(0) { $0 + $1.seconds }
    let count = Double(max(1, runs))
    var text = "    ms/run   share  GFLOP/s     GB/s  of limit  kernel (\(runs) runs)\n"
    for kernel in kernels.sorted(by: { $0.seconds > $1.seconds }) {
      let seconds = max(1e-12, kernel.seconds / count)
      let limit = limits.map { $0.seconds(flops: kernel.flops, bytes: kernel.bytes) / seconds }
      text += Profile.cell(seconds * 1e3, 4, width: 10)
      text += Profile.cell(kernel.seconds / max(1e-12, total) * 100, 1, width: 6) + " %"
      text +=
        kernel.flops > 0
        ? Profile.cell(Double(kernel.flops) / seconds / 1e9, 1, width: 9) : "        –"
      text += Profile.cell(Double(kernel.bytes) / seconds / 1e9, 1, width: 9)
      text += limit.map { Profile.cell($0 * 100, 0, width: 8) + " %" } ?? "         –"
      text += "  \(kernel.name)\n"
    }
    return text + Profile.cell(total / count * 1e3, 4, width: 10) + "  all kernels"
  }

  private static func cell(_ x: Double, _ digits: Int, width: Int) -> String {
    guard x.isFinite, abs(x) < 1e12 else { return String(repeating: " ", count: width - 1) + "–" }
    var scale = 1
    for _ in 0..<digits { scale *= 10 }
    let scaled = Int((x * Double(scale)).rounded())
    var text = "\(scaled / scale)"
    if digits > 0 {
      let fraction = "\(abs(scaled % scale))"
      text += "." + String(repeating: "0", count: digits - fraction.count) + fraction
    }
    return String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
