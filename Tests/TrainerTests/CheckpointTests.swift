// Checkpoints: exact resumption, refusals, damage, locks, full disks.

import Foundation
import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTraining
import Testing

/// A directory of a test's own.
private final class Scratch {
  let path: String
  init() throws {
    path = NSTemporaryDirectory() + "martlet-checkpoints-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
  func child(_ name: String) -> String { "\(path)/\(name)" }
}

/// Asked before each step, true at the n-th question.
private final class Interrupter: @unchecked Sendable {
  var left: Int
  init(after steps: Int) { left = steps }
  func ask() -> Bool {
    left -= 1
    return left < 0
  }
}

private struct Setup {
  var seed: UInt64 = 3
  var batch = 16
  var count = 75
  var epochs = 8
  var classes = 3
  var momentum = false
  var interrupter: Interrupter?
  var checkpoints: CheckpointPolicy?
  var prefetch = 1
  var metrics: [Metric] = [.accuracy, .auc, .f1()]
  var storage = WeightStorage.float32

  /// Dropout, batch norm, Adam, a plateau, early stopping, metrics: all that a run remembers.
  func trainer() throws -> Trainer {
    var options = try quickOptions(prefetch: prefetch)
    if let interrupter { options.isInterrupted = { interrupter.ask() } }
    let optimizer: any Optimizer =
      momentum
      ? Momentum(learningRate: 0.05)
      : Adam(learningRate: 2e-2).averagingWeights(decay: 0.9).accumulating(2)
    return try Trainer(
      withWeights(storedAs: storage) { Net(classes: classes) }, optimizer,
      training: Blobs(count: count),
      validation: Blobs(count: 30, jitters: false), batch: batch, epochs: epochs, seed: seed,
      schedule: .perStep { .cosine(over: $0) }.lowered(at: Plateau(factor: 0.5, patience: 0)),
      metrics: metrics, stopping: EarlyStopping(patience: 6), checkpoints: checkpoints,
      options: options, loss: crossEntropy)
  }
}

/// Weights as halves and what rounding took from them are in the files, in their own dtypes.
@Test func runsOverHalvesGoOnExactly() throws {
  var setup = Setup()
  setup.storage = .bfloat16
  let reference = try setup.trainer()
  let whole = try Trace(reference, try reference.run())
  let scratch = try Scratch()
  setup.interrupter = Interrupter(after: 12)
  setup.checkpoints = CheckpointPolicy(scratch.child("run"), every: .steps(7))
  #expect(try setup.trainer().run().outcome == .interrupted)
  setup.interrupter = nil
  setup.checkpoints = nil
  let resumed = try setup.trainer()
  let checkpoint = try resumed.resume(from: scratch.child("run"))
  #expect(
    checkpoint.weights.first { $0.name == "input.weight" }?.array.dtype == .bfloat16)
  #expect(try Trace(resumed, try resumed.run()) == whole)
  // Weights of float32 are another model's.
  #expect(throws: DataError.self) { try Setup().trainer().resume(from: scratch.child("run")) }
}

@Test(arguments: [1, 5, 12, 20, 33]) func resumptionIsExact(_ pause: Int) throws {
  let reference = try Setup().trainer()
  let whole = try Trace(reference, try reference.run())
  #expect(whole.training.count == 8)

  let scratch = try Scratch()
  var first = Setup()
  first.interrupter = Interrupter(after: pause)
  first.checkpoints = CheckpointPolicy(scratch.child("run"), every: .steps(7))
  let before = try first.trainer().run()
  #expect(before.outcome == .interrupted && before.steps == pause)
  #expect(before.checkpoint?.hasSuffix("step-00000000\(pause < 10 ? "0" : "")\(pause)") == true)

  // Another process would know nothing but the files; another number of threads changes nothing.
  var second = Setup()
  second.prefetch = 3
  let resumed = try second.trainer()
  let checkpoint = try resumed.resume(from: scratch.child("run"))
  #expect(checkpoint.step == pause)
  let history = try resumed.run()
  #expect(history.steps == 40)
  #expect(try Trace(resumed, history) == whole)
  #expect(history.bestEpoch == reference.history.bestEpoch)
}

/// In one process: an interrupted trainer goes on where it was.
@Test func anInterruptedRunGoesOn() throws {
  let reference = try Setup().trainer()
  let whole = try Trace(reference, try reference.run())
  var setup = Setup()
  let interrupter = Interrupter(after: 13)
  setup.interrupter = interrupter
  let trainer = try setup.trainer()
  #expect(try trainer.run().outcome == .interrupted)
  interrupter.left = .max
  #expect(try Trace(trainer, try trainer.run()) == whole)
}

@Test func aPolicyThatResumes() throws {
  let scratch = try Scratch()
  var setup = Setup()
  let reference = try setup.trainer()
  let whole = try Trace(reference, try reference.run())
  setup.checkpoints = CheckpointPolicy(
    scratch.child("run"), every: .steps(4), keepLast: 3, resumes: true)
  var history = History()
  var last: Trainer?
  for pause in [3, 9, 6, 100] {
    var part = setup
    part.interrupter = Interrupter(after: pause)
    let trainer = try part.trainer()
    history = try trainer.run()
    last = trainer
  }
  #expect(history.outcome == .completed && history.steps == 40)
  #expect(try Trace(try #require(last), history) == whole)
  let names = (FileSystem.names(in: scratch.child("run")) ?? []).sorted()
  #expect(
    names == [".lock", "best", "step-0000000032", "step-0000000036", "step-0000000040"])
  // The best epoch's weights, as early stopping would have put them back.
  let best = try Checkpoint(scratch.child("run/best"))
  #expect(best.history.epochs.count == (history.bestEpoch ?? 0) + 1)
  // A finished run is finished; one with more epochs goes on.
  let again = try setup.trainer()
  #expect(try again.run().steps == 40)
  var longer = setup
  longer.epochs = 9
  #expect(try longer.trainer().run().steps == 45)
}

@Test func checkpointsOfSomethingElseAreRefused() throws {
  let scratch = try Scratch()
  let path = scratch.child("one")
  let trainer = try Setup().trainer()
  try trainer.save(to: path)
  func refuse(_ message: String, _ change: (inout Setup) -> Void) throws {
    var setup = Setup()
    change(&setup)
    let other = try setup.trainer()
    let before = try Trace(other, other.history)
    let error = #expect(throws: DataError.self) { try other.resume(from: path) }
    #expect(error?.code == .mismatch)
    #expect(error?.what == message)
    #expect(try Trace(other, other.history) == before)
  }
  try refuse("a checkpoint of another model") { $0.classes = 4 }
  try refuse("a checkpoint of another optimizer") { $0.momentum = true }
  try refuse("a checkpoint of another seed") { $0.seed = 4 }
  try refuse("another size of batch") { $0.batch = 8 }
  try refuse("a checkpoint of another training set") { $0.count = 76 }
  // Within an epoch the sums of other metrics cannot be made up; between epochs they may change.
  var setup = Setup()
  setup.metrics = []
  try setup.trainer().resume(from: path)
  setup.interrupter = Interrupter(after: 2)
  setup.checkpoints = CheckpointPolicy(scratch.child("run"))
  _ = try setup.trainer().run()
  let error = #expect(throws: DataError.self) {
    try Setup().trainer().resume(from: scratch.child("run"))
  }
  #expect(error?.what.contains("other metrics") == true)
}

@Test func damageIsNoticed() throws {
  let scratch = try Scratch()
  let path = scratch.child("run/step-0000000000")
  try FileManager.default.createDirectory(
    atPath: scratch.child("run"), withIntermediateDirectories: true)
  let trainer = try Setup().trainer()
  try trainer.save(to: path)
  let fresh = try Setup().trainer()
  #expect(try fresh.resume(from: scratch.child("run")).path == path)
  var codes: Set<String> = []
  let before = try Trace(fresh, fresh.history)
  for name in FileSystem.checkpointFiles {
    let file = "\(path)/\(name)"
    let good = try FileSystem.read(file, limit: 1 << 24)
    var changes: [(String, [UInt8]?)] = [
      ("missing", nil), ("empty", []), ("half", Array(good.prefix(good.count / 2))),
      ("short", Array(good.dropLast(2))), ("long", good + [0]),
    ]
    for place in stride(from: 3, to: good.count, by: max(1, good.count / 16)) {
      var bytes = good
      bytes[place] ^= 1 << (place % 8)
      changes.append(("bit of byte \(place)", bytes))
    }
    for (what, bytes) in changes {
      unlink(file)
      if let bytes { try Data(bytes).write(to: URL(fileURLWithPath: file)) }
      let error = #expect(throws: DataError.self, "\(name): \(what)") {
        try fresh.resume(from: scratch.child("run"))
      }
      codes.insert(error?.code.rawValue ?? "none")
    }
    try Data(good).write(to: URL(fileURLWithPath: file))
  }
  #expect(try Trace(fresh, fresh.history) == before)
  #expect(codes.isSuperset(of: ["notFound", "truncated", "damaged"]))
  #expect(throws: DataError.self) { try Checkpoint(scratch.child("nothing")) }
  try fresh.resume(from: scratch.child("run"))
}

@Test func twoRunsOnOneDirectory() throws {
  let scratch = try Scratch()
  var setup = Setup()
  setup.checkpoints = CheckpointPolicy(scratch.child("run"))
  // The second begins while the first is at a step.
  struct Beginner: Callback {
    let setup: Setup
    func epoch(_ trainer: Trainer, _ record: EpochRecord) throws {
      let error = #expect(throws: DataError.self) { try setup.trainer().run() }
      #expect(error?.code == .inUse)
      trainer.stop(because: "seen")
    }
  }
  let trainer = try Trainer(
    Net(), SGD(learningRate: 0.1), training: Blobs(count: 32), batch: 16, epochs: 2,
    callbacks: [Beginner(setup: setup)], checkpoints: setup.checkpoints,
    options: try quickOptions(), loss: crossEntropy)
  #expect(try trainer.run().steps == 2)
  // Now it is free, but not empty: a new run would be mixed up with the old one.
  let error = #expect(throws: DataError.self) { try setup.trainer().run() }
  #expect(error?.description.contains("step-0000000002") == true)
  #expect(try Checkpoint(scratch.child("run")).step == 2)
}

@Test func checkpointsThatCannotBeWritten() throws {
  let scratch = try Scratch()
  try FileSystem.write([1], to: scratch.child("file"))
  for place in [scratch.child("file"), scratch.child("no/such/folder"), ""] {
    var setup = Setup()
    setup.checkpoints = CheckpointPolicy(place)
    let trainer = try setup.trainer()
    #expect(throws: DataError.self) { try trainer.run() }
    #expect(trainer.history.steps == 0, "before the work, not after it")
  }
}

/// A run that was longer than this one has nothing left to do.
@Test func aCheckpointBeyondTheEnd() throws {
  let scratch = try Scratch()
  var setup = Setup()
  setup.epochs = 2
  let long = try setup.trainer()
  try long.run()
  try long.save(to: scratch.child("one"))
  setup.epochs = 1
  let short = try setup.trainer()
  try short.resume(from: scratch.child("one"))
  let history = try short.run()
  #expect(history.steps == 10 && history.outcome == .completed)
}
