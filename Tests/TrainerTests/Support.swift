// Examples, models and runs that the tests of the training loop share.

import Foundation
import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTraining

/// Points of a few classes on overlapping blobs, jittered anew in every epoch.
struct Blobs: Examples {
  var count: Int
  var classes = 3
  var jitters = true
  /// Where an example cannot be read.
  var failing: Int?
  /// Where an example is no number.
  var poisoned: Int?
  var fields: [TensorSpec] {
    [TensorSpec([4], name: "x"), TensorSpec([], .int32, name: "label")]
  }

  func write(
    _ indices: [Int], seed: UInt64, epoch: Int, into arrays: inout [NDArray]
  ) throws(DataError) {
    if let failing, indices.contains(failing) {
      throw DataError(.truncated, "an example ends early", at: "blobs, example \(failing)")
    }
    var xs: [Float] = []
    var labels: [Int32] = []
    for index in indices {
      var random = CounterRandom(seed: 9, epoch: 0, index: index)
      let label = random.below(classes)
      var jitter = CounterRandom(seed: seed, epoch: epoch, index: index)
      for axis in 0..<4 {
        let centre: Float = (label >> (axis & 1)) & 1 == axis >> 1 ? 0.6 : -0.6
        xs.append(centre + random.symmetric() + (jitters ? 0.2 * jitter.symmetric() : 0))
      }
      if index == poisoned { xs[xs.count - 1] = .nan }
      labels.append(Int32(label))
    }
    do {
      arrays = [
        try NDArray(xs, shape: [indices.count, 4]), try NDArray(labels, shape: [indices.count]),
      ]
    } catch { throw DataError(.tooLarge, "no memory", at: "blobs") }
  }
}

/// Dropout, batch norm and two dense layers.
struct Net: Layer {
  let input = Linear(4, 16)
  let norm = BatchNorm(16)
  let dropout = Dropout(0.25)
  let output: Linear
  init(classes: Int = 3) { output = Linear(16, classes) }
  func callAsFunction(_ x: Tensor) -> Tensor { output(dropout(relu(norm(input(x))))) }
}

func crossEntropy(_ logits: Tensor, _ labels: Tensor) -> Tensor {
  softmaxCrossEntropy(logits: logits, labels: labels)
}

func quickOptions(prefetch: Int = 1, threads: Int = 1) throws -> TrainerOptions {
  var options = try TrainerOptions()
  options.compile.threads = threads
  options.prefetchThreads = prefetch
  return options
}

/// Bits of all that a run leaves: weights, statistics, optimizer state and history.
struct Trace: Equatable {
  var weights: [String: [UInt64]] = [:]
  var optimizer: [[UInt64]] = []
  var training: [Measures] = []
  var validation: [Measures] = []
  var rates: [UInt64] = []

  init(_ trainer: Trainer, _ history: History) throws {
    for parameter in trainer.model.parameters {
      weights[parameter.path] = try parameter.value().doubles.map(\.bitPattern)
    }
    optimizer = try StateVariable.read(trainer.step.optimizerState).map {
      $0.doubles.map(\.bitPattern)
    }
    training = history.epochs.map(\.training)
    validation = history.epochs.map(\.validation)
    rates = history.epochs.map(\.learningRate.bitPattern)
  }
}

/// The arrays of one fixture file by name.
struct Fixture {
  let arrays: [String: NDArray]
  init(_ name: String) throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Fixtures/\(name).safetensors")
    arrays = Dictionary(
      try Safetensors.load(file.path).map { ($0.name, $0.array) }, uniquingKeysWith: { a, _ in a })
  }
}
