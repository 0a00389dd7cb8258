// The examples of docs/training.md, as they stand there.

import Foundation
import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTraining
import Testing

struct Small: Layer {
  let input = Linear(4, 16)
  let output = Linear(16, 3)
  func callAsFunction(_ x: Tensor) -> Tensor { output(relu(input(x))) }
}

struct Heads: Layer {
  let trunk = Linear(4, 16)
  let label = Linear(16, 3)
  let first = Linear(16, 1)
  func callAsFunction(_ x: Tensor) -> Tensor { relu(trunk(x)) }
}

/// Pairs of blobs, and 1 where both are of one class.
struct Pairs: Examples {
  let blobs = Blobs(count: 200, jitters: false)
  var count: Int { 100 }
  var fields: [TensorSpec] {
    [TensorSpec([4], name: "a"), TensorSpec([4], name: "b"), TensorSpec([], name: "same")]
  }
  func write(
    _ indices: [Int], seed: UInt64, epoch: Int, into arrays: inout [NDArray]
  ) throws(DataError) {
    var (a, b): ([NDArray], [NDArray]) = ([], [])
    try blobs.write(indices.map { 2 * $0 }, seed: seed, epoch: epoch, into: &a)
    try blobs.write(indices.map { 2 * $0 + 1 }, seed: seed, epoch: epoch, into: &b)
    let same = zip(a[1].doubles, b[1].doubles).map { Float($0 == $1 ? 1 : 0) }
    do { arrays = [a[0], b[0], try NDArray(same)] } catch {
      throw DataError(.tooLarge, "no memory", at: "pairs")
    }
  }
}

private func print(_ items: Any...) { for item in items { _ = "\(item)" } }

@Test func theGuidesExamplesRun() throws {
  let examples = Blobs(count: 120)
  let model = Small()
  let folder = NSTemporaryDirectory() + "martlet-guide-\(UUID().uuidString)"
  defer { try? FileManager.default.removeItem(atPath: folder) }

  let half = withWeights(storedAs: .bfloat16) { MLP([4, 16, 3]) }
  let stored = try Trainer(
    half, Adam(learningRate: 1e-2), training: examples, batch: 32, epochs: 2
  ) { softmaxCrossEntropy(logits: $0, labels: $1) }
  try stored.run()

  let parts = try examples.split([0.8, 0.2], seed: 1, stratified: true)
  let trainer = try Trainer(
    model, Adam(learningRate: 1e-2), training: parts[0], validation: parts[1], batch: 32,
    epochs: 20,
    seed: 1, schedule: .perStep { .cosine(over: $0).warmUp(over: 10) },
    metrics: [.accuracy, .f1(.macro), .auc], stopping: EarlyStopping(patience: 5)
  ) { logits, labels in softmaxCrossEntropy(logits: logits, labels: labels) }
  let history = try trainer.run()
  print(history[.validation("accuracy")], history.outcome)
  #expect(history[.validation("accuracy")].last ?? 0 > 0.6)

  let largestError = Metric("largest error", higherIsBetter: false) { batch, sums in
    if sums.isEmpty { sums = [0] }
    for (y, t) in zip(batch.outputs, batch.targets) { sums[0] = max(sums[0], abs(y - t)) }
  } value: {
    $0[0]
  }
  #expect(largestError.name == "largest error")

  let policy = CheckpointPolicy(folder, every: .steps(10), keepLast: 3)
  let first = try Trainer(
    model, Adam(learningRate: 1e-2), training: examples, batch: 32, epochs: 5, checkpoints: policy
  ) { softmaxCrossEntropy(logits: $0, labels: $1) }
  try first.run()

  let another = Small()
  let second = try Trainer(
    another, Adam(learningRate: 1e-2), training: examples, batch: 32, epochs: 9, checkpoints: policy
  ) { softmaxCrossEntropy(logits: $0, labels: $1) }
  try second.resume(from: folder)
  try second.run()
  #expect(second.history.epochs.count == 9)

  struct Watch: Callback {
    func epoch(_ trainer: Trainer, _ record: EpochRecord) throws {
      print("epoch \(record.epoch + 1): loss \(record.training["loss"] ?? .nan)")
      if record.validation["accuracy"] ?? 0 > 0.99 { trainer.stop(because: "good enough") }
    }
  }
  try Watch().epoch(trainer, try #require(history.last))

  let heads = Heads()
  let both = try Trainer(
    heads, Adam(learningRate: 1e-2), training: examples, batch: 32, epochs: 3,
    metrics: [Metric.accuracy.of("label"), Metric.auc.of("first")]
  ) { fields in
    let shared = heads(fields[0])
    let isFirst = (fields[1] .== 0).converted(to: .float32)
    let label = heads.label(shared)
    let first = heads.first(shared).reshaped(isFirst.shape)
    return try Objective([
      .init(
        "label", softmaxCrossEntropy(logits: label, labels: fields[1]), outputs: label,
        targets: fields[1]),
      .init(
        "first", sigmoidCrossEntropy(logits: first, labels: isFirst), weight: 0.5, outputs: first,
        targets: isFirst),
    ])
  }
  try both.run()

  let embedding = Linear(4, 3)
  let pairs = Pairs()
  let siamese = try Trainer(
    embedding, Adam(learningRate: 1e-2), training: pairs, batch: 32, epochs: 3, metrics: [.auc]
  ) { fields in
    let (a, b) = (embedding(fields[0]), embedding(fields[1]))
    let distance = ((a - b) * (a - b)).sum(axes: [1])
    return Objective(
      loss: contrastiveLoss(a, b, fields[2]), outputs: -distance, targets: fields[2])
  }
  try siamese.run()

  let weights = folder + "/best"
  let report = try model.load(from: weights) { name in name.hasPrefix("output.") ? nil : name }
  print(report)
  let tuned = try Trainer(
    model, Adam(learningRate: 1e-3).freezing(.path("input")), training: examples, batch: 32,
    epochs: 2
  ) { softmaxCrossEntropy(logits: $0, labels: $1) }
  try tuned.run()
  #expect(report.loaded == ["input.weight", "input.bias"])

  for example in try trainer.worst(3, on: parts[1]) {
    print(example.index, example.loss, example.label ?? -1, example.predicted ?? -1)
  }
  print(try trainer.confusionMatrix(on: parts[1], names: ["left", "right", "top"]))
  print(try trainer.biasVariance(.accuracy, target: 0.01))
}

/// The README's second example compiles.
private func readme(_ examples: some Examples, _ model: some Layer) throws -> History {
  let parts = try examples.split([0.9, 0.1], stratified: true)
  let trainer = try Trainer(
    model, AdamW(learningRate: 1e-3), training: parts[0], validation: parts[1], batch: 64,
    epochs: 30,
    schedule: .perStep { .cosine(over: $0).warmUp(over: 100) }, metrics: [.accuracy, .f1()],
    stopping: EarlyStopping(patience: 5), checkpoints: CheckpointPolicy("runs/1", resumes: true)
  ) { logits, labels in softmaxCrossEntropy(logits: logits, labels: labels) }
  let history = try trainer.run()  // resumed or not, with any number of threads: the same bits
  return history
}

/// Every block of Swift on the page, and the README's, stands in this file.
@Test func theGuideIsThisFile() throws {
  // Without white space: lines may be broken elsewhere here.
  func squeezed(_ text: some StringProtocol) -> String { String(text.filter { !$0.isWhitespace }) }
  let file = URL(fileURLWithPath: #filePath)
  let source = squeezed(try String(contentsOf: file, encoding: .utf8))
  func blocks(_ path: String) throws -> [String] {
    let page = file.deletingLastPathComponent().appendingPathComponent("../../" + path)
    return try String(contentsOf: page.standardized, encoding: .utf8)
      .components(separatedBy: "```swift\n").dropFirst()
      .compactMap { $0.components(separatedBy: "```").first }
  }
  let readme = try blocks("README.md").filter { $0.contains("Trainer(") }
  let blocks = try blocks("docs/training.md") + readme
  #expect(blocks.count >= 9 && readme.count == 1)
  for block in blocks { #expect(source.contains(squeezed(block)), "\(block)") }
}
