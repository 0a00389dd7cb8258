// Trains a classifier on labelled texts.

import MartletData
import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTraining

/// How a classifier of texts is trained.
package struct SentimentRecipe: Hashable, Sendable {
  package var kind = SentimentBody.average
  package var embedding = 64
  package var hidden = 64
  package var dropout = 0.5
  package var batch = 64
  package var epochs = 8
  package var learningRate = 4e-3
  package init() {}
}

package struct SentimentTraining {
  package let recipe: SentimentRecipe
  package let training: LabelledTexts
  package let heldOut: LabelledTexts
  package let model: SentimentModel
  package let trainer: Trainer

  package init(
    _ training: LabelledTexts, _ heldOut: LabelledTexts, _ recipe: SentimentRecipe,
    callbacks: [any Callback] = [], checkpoints: CheckpointPolicy? = nil, options: TrainerOptions
  ) throws {
    self.recipe = recipe
    self.training = training
    self.heldOut = heldOut
    let model = SentimentModel(
      recipe.kind, words: training.vocabulary.count, embedding: recipe.embedding,
      hidden: recipe.hidden, classes: training.classes.count, dropout: recipe.dropout)
    self.model = model
    trainer = try Trainer(
      model, Adam(learningRate: recipe.learningRate).clipping(globalNorm: 1), training: training,
      batch: recipe.batch, epochs: recipe.epochs, seed: options.compile.seed,
      schedule: .perStep { .cosine(to: 0.05, over: $0) }, metrics: [.accuracy],
      callbacks: callbacks, checkpoints: checkpoints, options: options
    ) { fields in
      let logits = model.logits(fields[0], lengths: fields[1])
      return Objective(
        loss: softmaxCrossEntropy(logits: logits, labels: fields[2]), outputs: logits,
        targets: fields[2])
    }
  }

  /// The share of held-out texts whose class is found.
  package func accuracy() throws -> Double {
    try trainer.evaluate(heldOut, metrics: [.accuracy])["accuracy"] ?? .nan
  }
}
