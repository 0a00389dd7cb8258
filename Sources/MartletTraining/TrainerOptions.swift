// What a run may be told beside its model, its data and its loss.

import MartletExecution
import MartletIR
import MartletNN

/// How a ``Trainer`` goes about a run.
public struct TrainerOptions: Sendable {
  /// How programs are compiled, and their threads. The run's seed replaces the one here.
  public var compile: CompileOptions
  /// Whether each epoch has an order of its own; otherwise the set's.
  public var shuffles = true
  /// Whether a last batch that is not full is left out; otherwise it is a program of its own.
  public var dropsLast = false
  /// Threads that make batches ahead of the steps; 0 makes each batch when it is due. Nil, the
  /// default: one where the steps leave a core free, else none, because a thread more than there
  /// are cores takes from the steps more than it gives. The bits of a run do not depend on it.
  public var prefetchThreads: Int?
  /// Examples in a batch of an evaluation, which may be larger than in training.
  public var evaluationBatch = 128
  /// Whether metrics are computed on the training batches too, as they are trained on.
  public var measuresTraining = true
  /// What to do about losses that are infinite or no number.
  public var nonFinite = NonFiniteGuard.replaying(every: 100)
  /// What steps tell of gradients and activations, layer by layer; nothing by default.
  public var observes: StepStatistics = []
  /// Every how many steps they tell it; other steps compute nothing for it.
  public var observesEvery = 100
  /// Asked before each step: true ends the run after saving, for a signal that came.
  public var isInterrupted: @Sendable () -> Bool = { false }

  /// Options from the environment; see `CompileOptions`.
  ///
  /// - Throws: ``CompileError`` for unknown values of `MARTLET_` variables.
  public init() throws(CompileError) { compile = try CompileOptions() }
  /// Options around those of the compiler.
  public init(compile: CompileOptions) { self.compile = compile }

  var loaderThreads: Int {
    prefetchThreads ?? (compile.threads < CompileOptions.availableThreads ? 1 : 0)
  }
}
