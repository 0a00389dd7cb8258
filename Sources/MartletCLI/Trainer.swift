// The training loop: batches, steps, the short last batch, progress, accuracy.

import Martlet
import MartletData

final class Trainer {
  let model: any Layer
  let step: TrainingStep
  let scaling: PixelScaling
  private(set) var stepsDone = 0
  private(set) var epochsDone = 0
  /// Wall time of the run, without compilation and the final test.
  private(set) var seconds = 0.0

  private let predict: Function
  private let dataset: Dataset
  private let recipe: Recipe
  private let learningRate: Double
  private let seed: UInt64

  init(
    architecture: Architecture, dataset: Dataset, recipe: Recipe, learningRate: Double,
    options: CompileOptions
  ) throws {
    let model = architecture.build()
    let train = dataset.train
    let image = [train.height, train.width, train.channels]
    let batch = min(recipe.batch, train.count)
    step = try Trainer.compileStep(
      model, recipe.optimizer.make(learningRate: learningRate), batch: batch, image: image,
      options)
    predict = try compile(
      TensorSpec(Shape([min(100, dataset.test.count)] + image), name: "images"), options: options
    ) { model($0) }
    self.model = model
    self.dataset = dataset
    var recipe = recipe
    recipe.batch = batch
    self.recipe = recipe
    self.learningRate = learningRate
    seed = options.seed
    scaling = train.normalization()
  }

  private static func compileStep(
    _ model: some Layer, _ optimizer: some Optimizer, batch: Int, image: [Int],
    _ options: CompileOptions
  ) throws -> TrainingStep {
    try compile(
      training: model, with: optimizer, TensorSpec(Shape([batch] + image), name: "images"),
      TensorSpec([batch], .int32, name: "labels"), options: options
    ) { x, y in
      let logits = model(x)
      return (
        softmaxCrossEntropy(logits: logits, labels: y),
        ["accuracy": accuracy(logits: logits, labels: y)]
      )
    }
  }

  /// Trains; false when a signal ended it early.
  func run() throws -> Bool {
    let start = nowMilliseconds()
    defer { seconds = (nowMilliseconds() - start) / 1e3 }
    let perEpoch = (dataset.train.count + recipe.batch - 1) / recipe.batch
    let total = perEpoch * recipe.epochs
    var progress = Progress(epochs: recipe.epochs, total: total, perEpoch: perEpoch)
    var buffers: [Int: BatchBuffers] = [:]
    for epoch in 0..<recipe.epochs {
      let batches = try dataset.train.batches(
        of: recipe.batch, seed: seed, epoch: epoch, scaling: scaling,
        augmentation: recipe.augmentation)
      for index in 0..<batches.count {
        if Interruption.wasRequested {
          progress.clear()
          return false
        }
        let size = batches.size(of: index)
        var buffer = try buffers.removeValue(forKey: size) ?? BatchBuffers(size, dataset.train)
        try buffer.fill(batches, index)
        let sized = try step.resized(batch: size)
        let result = try sized(
          buffer.images, buffer.labels,
          learningRate: learningRate * recipe.decay.factor(stepsDone, of: total))
        buffers[size] = buffer
        stepsDone += 1
        let correct = try result.auxiliary["accuracy"]?.item() ?? 0
        progress.note(loss: try result.item(), accuracy: correct, images: size)
      }
      epochsDone = epoch + 1
      progress.endEpoch(epoch)
    }
    return true
  }

  /// The share of test images whose largest logit is at their label.
  func testAccuracy() throws -> Double {
    let test = dataset.test
    let size = predict.specs.first?.type.shape.dimensions.first ?? 1
    let batches = try test.batches(of: size, shuffled: false, scaling: scaling)
    var right = 0
    for index in 0..<batches.count {
      var buffer = try BatchBuffers(batches.size(of: index), test)
      try buffer.fill(batches, index)
      let logits = try predict.resized(batch: batches.size(of: index))(buffer.images).floats
      let labels = try buffer.labels.elements(as: Int32.self)
      let classes = logits.count / max(1, labels.count)
      for (row, label) in labels.enumerated() {
        if largest(logits[(row * classes)..<((row + 1) * classes)]) == Int(label) { right += 1 }
      }
    }
    return Double(right) / Double(max(1, test.count))
  }
}

/// The place of the first largest element.
func largest(_ row: ArraySlice<Float>) -> Int {
  var best = row.startIndex
  for index in row.indices where row[index] > row[best] { best = index }
  return best - row.startIndex
}

/// Memory of one batch, filled again for each step.
struct BatchBuffers {
  var images: NDArray
  var labels: NDArray

  init(_ size: Int, _ split: Dataset.Split) throws {
    images = try NDArray(zeros: Shape([size, split.height, split.width, split.channels]))
    labels = try NDArray(zeros: [size], .int32)
  }

  mutating func fill(_ batches: Batches, _ index: Int) throws {
    try images.withUnsafeMutableBytes { pixels in
      try labels.withUnsafeMutableBytes { classes in
        _ = try batches.fill(
          index, images: pixels.bindMemory(to: Float.self),
          labels: classes.bindMemory(to: Int32.self))
      }
    }
  }
}

/// One line that is drawn again on a terminal, a line for each epoch elsewhere.
struct Progress {
  private let epochs: Int
  private let total: Int
  private let perEpoch: Int
  private let start = nowMilliseconds()
  private var lastDrawn = 0.0
  private var steps = 0
  private var loss = 0.0
  private var right = 0.0
  private var images = 0
  private var epochStart = nowMilliseconds()

  init(epochs: Int, total: Int, perEpoch: Int) {
    self.epochs = epochs
    self.total = total
    self.perEpoch = perEpoch
  }

  mutating func note(loss value: Double, accuracy: Double, images count: Int) {
    steps += 1
    loss += value * Double(count)
    right += accuracy * Double(count)
    images += count
    guard Output.isTerminal else { return }
    let now = nowMilliseconds()
    guard now - lastDrawn >= 100 else { return }
    lastDrawn = now
    let rate = Double(steps) / max(1e-9, (now - start) / 1e3)
    let epoch = min(epochs, (steps - 1) / max(1, perEpoch) + 1)
    let text =
      "epoch \(epoch)/\(epochs)  \(fixed(rate, 0)) it/s  ETA \(duration(Double(total - steps) / rate))"
      + "  loss \(fixed(loss / Double(images), 4))"
      + "  accuracy \(fixed(right / Double(images) * 100, 2)) %"
    Output.write("\r" + String(text.prefix(max(10, Output.width - 1))) + "\u{1B}[K", to: 1)
  }

  func clear() { if Output.isTerminal { Output.write("\r\u{1B}[K", to: 1) } }

  mutating func endEpoch(_ epoch: Int) {
    clear()
    let now = nowMilliseconds()
    let seconds = max(1e-9, (now - epochStart) / 1e3)
    Output.line(
      "epoch \("\(epoch + 1)".padded("\(epochs)".count, left: true))/\(epochs)"
        + "  loss \(fixed(loss / Double(max(1, images)), 4))"
        + "  training accuracy \(fixed(right / Double(max(1, images)) * 100, 2)) %"
        + "  \(grouped(Int(Double(perEpoch) / seconds))) it/s  \(fixed(seconds, 2)) s")
    (loss, right, images) = (0, 0, 0)
    epochStart = now
  }
}
