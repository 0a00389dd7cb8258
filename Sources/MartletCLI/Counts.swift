// martlet bench --counts: what a workload compiles to. Numbers without noise, which scripts/counts
// holds against Benchmarks/counts.txt.

import Martlet
import MartletWorkloads

struct Counts {
  let line: String

  init(_ workload: Workload, _ options: CompileOptions) throws {
    let report = try workload.prepare().build(options).program.report
    // Per mille of the lower bound; a program without arena stands at it.
    let excess =
      report.arenaLowerBound == 0 ? 1000 : report.arenaBytes * 1000 / report.arenaLowerBound
    let pairs = [
      ("nodes", report.nodes), ("kernels", report.kernels), ("arena", report.arenaBytes),
      ("arena_per_mille", excess), ("scratch", report.scratchBytes), ("c", report.sourceBytes),
    ]
    line = workload.name.padded(12) + pairs.map { "\($0)=\($1)" }.joined(separator: " ")
  }
}
