// The schedule: what one call runs, in order, over which buffers.

import MartletIR

/// Everything that is decided before the first step: kernels, buffers, order, offsets.
package struct Schedule: Sendable {
  /// Where a buffer's bytes are.
  package enum Storage: Hashable, Sendable {
    /// `io[n]`: arguments, results, state and constants, bound by the caller.
    case bound(Int)
    /// At an offset of the arena, once planned.
    case arena(offset: Int)
    /// Bytes of another buffer from `offset` on.
    case part(of: Int, offset: Int)
    /// In a loop: the part of another buffer that belongs to the iteration.
    case step(of: Int, stride: Int, loop: Int)
    /// In a loop: one buffer in even iterations, the other in odd ones.
    case alternating(Int, Int, loop: Int)
    /// What a loop carries: `first` in iteration 0, then where `next` was the iteration before.
    /// Behind the loop it is what the last iteration left.
    case carried(first: Int, next: Int, loop: Int)
  }

  /// A loop of the schedule; buffers and steps name it by its index in `loops`.
  package struct Loop: Hashable, Sendable {
    package var count: Int
    /// Iteration i works on part count − 1 − i of stacked buffers.
    package var isReversed: Bool
    package init(count: Int, isReversed: Bool) {
      self.count = count
      self.isReversed = isReversed
    }
  }

  package struct Buffer: Hashable, Sendable {
    package var byteCount: Int
    package var dtype: DType
    package var storage: Storage
    package var label: String
    package init(byteCount: Int, dtype: DType, storage: Storage, label: String) {
      self.byteCount = byteCount
      self.dtype = dtype
      self.storage = storage
      self.label = label
    }
  }

  /// A kernel applied to buffers (indices into `buffers`).
  package struct Launch: Hashable, Sendable {
    /// Index into `kernels`.
    package var kernel: Int
    package var buffers: [Int]
    package var units: Int
    package init(kernel: Int, buffers: [Int], units: Int) {
      self.kernel = kernel
      self.buffers = buffers
      self.units = units
    }
  }

  package enum Argument: Hashable, Sendable {
    /// A table of `long`, printed as a static constant.
    case table([Int])
    case buffer(Int)
    case integer(Int)
  }

  package enum Work: Hashable, Sendable {
    /// One kernel over one or several segments (the same kernel over other buffers).
    case launch([Launch])
    /// `symbol(cx, arguments…)`, and with `epilogue` two more: the kernel and its pointers.
    case call(symbol: String, [Argument], epilogue: Launch?, takesEpilogue: Bool)
    /// A kernel of the user's over these buffers.
    case foreign(ForeignKernel, buffers: [Int], units: Int)
    /// A region of steps begins, and ends: it writes what lives from iteration to iteration when it
    /// begins, and reads that and what comes from outside when it ends, so that liveness is a matter
    /// of the first and the last step that names a buffer.
    case begin(loop: Int)
    case end(loop: Int)
    /// Leaves the loop unless the bool in a buffer holds.
    case leave(loop: Int, unless: Int)
    /// A region that runs if the bool in a buffer holds; behind `otherwise` if it does not.
    case branch(condition: Int)
    case otherwise
    case endBranch

    /// False for the marks of a region.
    package var isKernel: Bool {
      switch self {
      case .launch, .call, .foreign: true
      default: false
      }
    }
  }

  package struct Step: Sendable {
    package var work: Work
    /// Buffers written, then buffers read (for the planner and the dumps).
    package var writes: [Int]
    package var reads: [Int]
    /// Layer path and operations, for the comment.
    package var comment: String
    /// Multiply-adds × 2, and bytes moved, for the reports.
    package var flops: Int
    package var bytes: Int
    /// Units below which a range is not split.
    package var grain: Int
    package init(
      work: Work, writes: [Int], reads: [Int], comment: String, flops: Int = 0, bytes: Int = 0,
      grain: Int = 1
    ) {
      self.work = work
      self.writes = writes
      self.reads = reads
      self.comment = comment
      self.flops = flops
      self.bytes = bytes
      self.grain = grain
    }
  }

  /// A kernel with its readable name (`dot_bias_relu`) and the comment lines above it.
  package struct Kernel: Sendable {
    package var name: String
    package var comment: [String]
    package var program: TileProgram
    package init(name: String, comment: [String], program: TileProgram) {
      self.name = name
      self.comment = comment
      self.program = program
    }
  }

  package var name: String
  package var kernels: [Kernel] = []
  package var buffers: [Buffer] = []
  package var steps: [Step] = []
  package var loops: [Loop] = []
  package var boundCount = 0
  package var arenaBytes = 0
  package var arenaLowerBound = 0
  /// Offsets of 64 bytes each that nothing may write (checked plans only).
  package var guards: [Int] = []

  package init(name: String) { self.name = name }

  /// Kernels and library calls, those of a loop's body once.
  package var kernelSteps: Int { steps.reduce(0) { $0 + ($1.work.isKernel ? 1 : 0) } }
}
