// How each model is trained unless the command line says otherwise.

import Martlet
import MartletData
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

enum OptimizerName: String, CaseIterable {
  case sgd, momentum, adam

  func make(learningRate: Double) -> any Optimizer {
    switch self {
    case .sgd: SGD(learningRate: learningRate)
    case .momentum: Momentum(learningRate: learningRate)
    case .adam: Adam(learningRate: learningRate)
    }
  }

  var defaultLearningRate: Double {
    switch self {
    case .sgd: 0.1
    case .momentum: 0.02
    case .adam: 1e-3
    }
  }
}

/// How the learning rate falls over a run.
enum Decay: String {
  /// It does not.
  case constant
  /// η · (1 + cos(π·t/T)) / 2
  case cosine

  func factor(_ step: Int, of total: Int) -> Double {
    switch self {
    case .constant: return 1
    case .cosine:
      return (1 + cos(Double.pi * Double(step) / Double(max(1, total)))) / 2
    }
  }
}

struct Recipe {
  var epochs: Int
  var batch: Int
  var optimizer: OptimizerName
  var decay: Decay
  var augmentation: Augmentation?

  /// Small sets of digits want augmentation and a long run; the 60,000 clothes neither.
  init(dataset: Dataset) {
    if dataset.name == "mnist5k" {
      self = Recipe(
        epochs: 30, batch: 64, optimizer: .adam, decay: .cosine, augmentation: .digits)
    } else {
      self = Recipe(epochs: 8, batch: 128, optimizer: .adam, decay: .constant, augmentation: nil)
    }
  }

  init(
    epochs: Int, batch: Int, optimizer: OptimizerName, decay: Decay, augmentation: Augmentation?
  ) {
    self.epochs = epochs
    self.batch = batch
    self.optimizer = optimizer
    self.decay = decay
    self.augmentation = augmentation
  }
}
