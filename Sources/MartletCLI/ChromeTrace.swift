// martlet bench --trace: the kernels of a few steps in the trace event format, which
// ui.perfetto.dev and chrome://tracing open.

import Martlet

struct ChromeTrace {
  private var events: [JSONValue] = []

  /// Runs some steps of a workload that was compiled with profiles.
  init(_ running: RunningWorkload, steps: Int) throws {
    let session = running.built.session
    guard session.profile != nil else {
      throw ToolError("--trace needs machine code: the interpreter has no kernels")
    }
    var origin: Int64?
    var threads: Set<Int> = []
    for step in 0..<steps {
      _ = try running.built.step(running.inputs)
      guard let profile = session.profile, let first = profile.intervals.map(\.begin).min(),
        let last = profile.intervals.map(\.end).max()
      else { continue }
      let start = origin ?? first
      origin = start
      events.append(ChromeTrace.event("step \(step)", "step", 0, first - start, last - first, []))
      for interval in profile.intervals {
        let kernel = profile.kernels[interval.kernel]
        let nanoseconds = max(1, interval.end - interval.begin)
        var arguments: [JSONValue.Member] = [
          .init("kernel", .integer(interval.kernel)), .init("bytes", .integer(kernel.bytes)),
        ]
        if kernel.flops > 0 { arguments.append(.init("flops", .integer(kernel.flops))) }
        // The caller's interval spans the whole kernel.
        if interval.thread == 0 {
          arguments.append(
            .init("GB/s", number(Double(kernel.bytes) / Double(nanoseconds), 2)))
          if kernel.flops > 0 {
            arguments.append(
              .init("GFLOP/s", number(Double(kernel.flops) / Double(nanoseconds), 2)))
          }
        }
        threads.insert(interval.thread)
        events.append(
          ChromeTrace.event(
            kernel.name, "kernel", interval.thread, interval.begin - start, nanoseconds, arguments))
      }
    }
    for thread in threads.sorted() {
      events.append(
        .object([
          .init("name", .string("thread_name")), .init("ph", .string("M")),
          .init("pid", .integer(1)),
          .init("tid", .integer(thread)),
          .init(
            "args",
            .object([.init("name", .string(thread == 0 ? "caller" : "thread \(thread)"))])),
        ]))
    }
  }

  /// A span; the format counts microseconds.
  private static func event(
    _ name: String, _ category: String, _ thread: Int, _ start: Int64, _ nanoseconds: Int64,
    _ arguments: [JSONValue.Member]
  ) -> JSONValue {
    .object([
      .init("name", .string(name)), .init("cat", .string(category)), .init("ph", .string("X")),
      .init("pid", .integer(1)), .init("tid", .integer(thread)),
      .init("ts", number(Double(start) / 1e3, 3)),
      .init("dur", number(Double(nanoseconds) / 1e3, 3)), .init("args", .object(arguments)),
    ])
  }

  func write(to path: String) throws {
    let text = JSONValue.object([
      .init("displayTimeUnit", .string("ms")), .init("traceEvents", .array(events)),
    ]).line
    try FileSystem.write(Array(text.utf8), to: path)
  }
}
