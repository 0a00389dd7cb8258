// martlet bench --counts: what a workload compiles to. Numbers without noise, which scripts/counts
// holds against Benchmarks/counts.txt.

import Martlet
import MartletWorkloads

struct Counts {
  let line: String
  let json: String

  init(_ workload: Workload, _ options: CompileOptions) throws {
    let report = try workload.prepare().build(options).program.report
    // Per mille of the lower bound; a program without arena stands at it.
    let excess =
      report.arenaLowerBound == 0 ? 1000 : report.arenaBytes * 1000 / report.arenaLowerBound
    let pairs = [
      ("nodes", report.nodes), ("kernels", report.kernels), ("arena", report.arenaBytes),
      ("arena_per_mille", excess), ("scratch", report.scratchBytes), ("c", report.sourceBytes),
    ]
    json =
      JSONValue.object(
        [.init("workload", .string(workload.name))] + pairs.map { .init($0.0, .integer($0.1)) }
      ).line
    line = workload.name.padded(12) + pairs.map { "\($0)=\($1)" }.joined(separator: " ")
  }
}
