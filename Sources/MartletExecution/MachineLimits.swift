// What the machine can do at most, measured.

import CMartletRuntime
import MartletJIT

/// The machine's limits with some threads and an instruction set.
package struct MachineLimits: Sendable {
  /// 10⁹ operations a second of all threads, in registers.
  package var gflops: Double
  /// 10⁹ bytes a second, read and written, of a large copy.
  package var copy: Double

  /// Measures for about half a second in a process of its own; nil where that is not possible.
  package static func measure(_ isa: InstructionSet, threads: Int) -> MachineLimits? {
    let isa: mt_isa =
      switch isa {
      case .baseline: MT_BASELINE
      case .avx2: MT_AVX2
      case .avx512: MT_AVX512
      case .neon: MT_NEON
      }
    var result = mt_probe_result()
    guard mt_probe(isa, Int32(clamping: threads), &result) != 0 else { return nil }
    return MachineLimits(gflops: result.fma_gflops, copy: result.copy_gbs)
  }

  /// Seconds that this many operations and bytes take at least.
  package func seconds(flops: Int, bytes: Int) -> Double {
    max(Double(flops) / gflops, Double(bytes) / copy) / 1e9
  }
}
