// martlet bench --serve: a workload that runs when it is told to, so that a script can measure it in
// turns with other programs that sleep meanwhile (Benchmarks/peers).

import Martlet
import MartletWorkloads

/// Says {"setup_s": …} when inputs and first weights are in memory. Then it reads a line from standard
/// input, answers it with one JSON object:
///
///     first           {"first_step_s": …}: compiles, and makes the first step
///     run SECONDS     {"times_ms": […]}: a time for each step
///     end             what `--json` prints, of all steps, with needed_bytes; then it leaves
struct BenchServer {
  let running: RunningWorkload
  let limits: MachineLimits?

  /// Set up, and with its first step behind it.
  init(
    _ workload: Workload, options: CompileOptions, start: Double, limits: MachineLimits?
  ) throws {
    self.limits = limits
    running = try RunningWorkload(workload, options: options, start: start) { seconds in
      Output.line(JSONValue.object([.init("setup_s", number(seconds, 4))]).line)
      guard let line = readLine(), line == "first" else {
        throw ToolError("--serve: expected first")
      }
    }
    Output.line(
      JSONValue.object([.init("first_step_s", number(running.firstStepSeconds, 6))]).line)
  }

  func serve() throws {
    var all: [Double] = []
    while let line = readLine() {
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == "run", let seconds = Double(words[1]), seconds >= 0 {
        let times = try running.times(seconds: seconds, limit: 4000)
        all += times
        Output.line(
          JSONValue.object([.init("times_ms", .array(times.map { number($0, 6) }))]).line)
      } else if line == "end" {
        if all.isEmpty { all = try running.times(seconds: 0) }
        let result = Measurement(running, times: all, limits: limits)
        Output.line(
          JSONValue.object([
            .init("result", result.object), .init("needed_bytes", .integer(running.neededBytes)),
          ]).line)
        return
      } else {
        throw ToolError("--serve: cannot understand '\(line)'; expected run SECONDS or end")
      }
    }
  }
}
