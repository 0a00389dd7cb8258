// The training loop: what it is made from, and the run.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps

/// Trains a model on examples.
///
///     let trainer = try Trainer(
///       model, Adam(learningRate: 1e-3), training: train, validation: held, batch: 64, epochs: 20,
///       metrics: [.accuracy], stopping: EarlyStopping(patience: 3)
///     ) { logits, labels in softmaxCrossEntropy(logits: logits, labels: labels) }
///     let history = try trainer.run()
///     print(history[.validation("accuracy")])
///
/// A run is a function of model, data, options and seed, bit for bit: neither threads nor a pause in
/// the middle change it. One thread at a time may use a trainer.
public final class Trainer {
  /// The model; it holds the trained weights.
  public let model: any Layer
  /// The examples that are trained on.
  public let training: any Examples
  /// The examples that are held out.
  public let validation: (any Examples)?
  /// Examples in a batch: at most as many as there are.
  public let batch: Int
  /// Passes over the training set.
  public let epochs: Int
  /// Of initial weights, order, augmentation and dropout.
  public let seed: UInt64
  /// What is computed beside the loss.
  public let metrics: [Metric]
  /// The compiled step.
  public let step: TrainingStep
  /// What the run has done so far.
  public internal(set) var history = History()

  let optimizer: any Optimizer
  let options: TrainerOptions
  let schedule: LearningRateSchedule
  let factors: Schedule
  let stopping: EarlyStopping?
  let checkpoints: CheckpointPolicy?
  let callbacks: [any Callback]
  let objective: ([Tensor]) throws -> Objective
  let order: BatchOrder
  let layout: ObjectiveLayout
  lazy var evaluator = Evaluator(self)
  package internal(set) var position = Position()
  var stopReason: String?
  /// The state of some steps ago.
  var rescue: Rescue?
  /// The step of the newest checkpoint that this run wrote.
  var lastSaved: Int?

  /// Batches of an epoch.
  public var stepsPerEpoch: Int { order.perEpoch }
  /// Steps of the whole run.
  public var totalSteps: Int { order.perEpoch * epochs }
  /// The optimizer's rate before any schedule.
  public var learningRate: Double { optimizer.learningRate }

  /// Where a run is, with all that later steps depend on beside weights and optimizer state.
  package struct Position {
    /// Steps done.
    var step = 0
    package var plateau: Plateau?
    var stopping = Best()
    /// The weights of the best epoch, by path, where early stopping puts them back.
    var bestWeights: ModelSnapshot?
    var keptBest = Best()
    var running = RunningMeasures()
  }

  /// A trainer for models of one input: the first field of the examples is the input, the second the
  /// target.
  ///
  /// - Parameters:
  ///   - model: A layer; its parameters keep the trained values.
  ///   - optimizer: The rule, with its base learning rate.
  ///   - training: What is trained on.
  ///   - validation: What is held out and measured after each epoch.
  ///   - batch: Examples in a batch.
  ///   - epochs: Passes over the training set.
  ///   - seed: Makes initial weights, order, augmentation and dropout.
  ///   - schedule: How the learning rate changes.
  ///   - metrics: What is computed beside the loss.
  ///   - callbacks: What follows the run.
  ///   - stopping: When to stop early.
  ///   - checkpoints: Where to save the run, and how often.
  ///   - options: Threads and the rest.
  ///   - loss: The loss of the model's outputs, a mean over the batch; traced once.
  /// - Throws: `CompileError` for a model that does not fit the data, ``RunError`` and ``DataError``
  ///   for sets without examples and numbers out of range.
  public convenience init(
    _ model: any Layer, _ optimizer: any Optimizer, training: any Examples,
    validation: (any Examples)? = nil, batch: Int = 32, epochs: Int = 10, seed: UInt64 = 0,
    schedule: LearningRateSchedule = .constant, metrics: [Metric] = [],
    callbacks: [any Callback] = [], stopping: EarlyStopping? = nil,
    checkpoints: CheckpointPolicy? = nil, options: TrainerOptions? = nil,
    loss: @escaping (_ outputs: Tensor, _ targets: Tensor) throws -> Tensor
  ) throws {
    guard training.fields.count == 2 else {
      throw RunError(
        .input, "examples of \(training.fields.count) fields, where an input and a target are two",
        at: "training", hint: "for other fields give Trainer an objective instead of a loss")
    }
    try self.init(
      model, optimizer, training: training, validation: validation, batch: batch, epochs: epochs,
      seed: seed, schedule: schedule, metrics: metrics, callbacks: callbacks, stopping: stopping,
      checkpoints: checkpoints, options: options
    ) { fields in
      let outputs = model(fields[0])
      return Objective(
        loss: try loss(outputs, fields[1]), outputs: outputs, targets: fields[1])
    }
  }

  /// A trainer for any objective of the examples' fields: several inputs, several losses.
  ///
  /// - Parameters:
  ///   - objective: The loss and what metrics read, from a batch of each field in order; traced
  ///     once for each batch size, with and without training.
  public init(
    _ model: any Layer, _ optimizer: any Optimizer, training: any Examples,
    validation: (any Examples)? = nil, batch: Int = 32, epochs: Int = 10, seed: UInt64 = 0,
    schedule: LearningRateSchedule = .constant, metrics: [Metric] = [],
    callbacks: [any Callback] = [], stopping: EarlyStopping? = nil,
    checkpoints: CheckpointPolicy? = nil, options: TrainerOptions? = nil,
    objective: @escaping ([Tensor]) throws -> Objective
  ) throws {
    var options = try options ?? TrainerOptions()
    options.compile.seed = seed
    if options.nonFinite == .everyStep { options.compile.stopsAtNonFinite = true }
    try Trainer.check(training, validation, batch: batch, epochs: epochs, options)
    let batch = min(batch, training.count)
    order = BatchOrder(
      count: training.count, batch: batch, seed: seed, shuffles: options.shuffles,
      dropsLast: options.dropsLast)
    let needsHeads = options.measuresTraining && !metrics.isEmpty
    let found = Found()
    step = try compile(
      training: model, with: optimizer, training.fields.map { $0.batched(batch) },
      options: options.compile
    ) { inputs in
      let made = try objective(inputs)
      var results: [String: Tensor] = [:]
      found.layout = ObjectiveLayout(made, inputs: inputs, results: &results, heads: needsHeads)
      return (made.loss, results)
    }
    layout = found.layout ?? ObjectiveLayout()
    self.model = model
    self.optimizer = optimizer
    self.training = training
    self.validation = validation
    self.batch = batch
    self.epochs = epochs
    self.seed = seed
    self.metrics = metrics
    self.schedule = schedule
    self.callbacks = callbacks
    self.stopping = stopping
    self.checkpoints = checkpoints
    self.options = options
    self.objective = objective
    let total = schedule.unit == .step ? order.perEpoch * epochs : epochs
    factors = schedule.schedule(total)
    position.plateau = schedule.plateau
    position.running = RunningMeasures(layout.terms, metrics: needsHeads ? metrics : [])
    try checkMeasures()
  }

  /// What the traced closure leaves for the loop.
  private final class Found { var layout: ObjectiveLayout? }

  private static func check(
    _ training: any Examples, _ validation: (any Examples)?, batch: Int, epochs: Int,
    _ options: TrainerOptions
  ) throws(RunError) {
    guard training.count > 0, training.count <= Int(Int32.max) else {
      throw RunError(
        .input, "\(training.count) examples to train on", at: "training",
        hint: "between 1 and \(Int32.max)")
    }
    guard !training.fields.isEmpty else {
      throw RunError(.input, "the examples have no fields", at: "training")
    }
    // Steps are counted; as many epochs as that take longer than anybody has.
    guard batch > 0, (1...(1 << 30)).contains(epochs), options.evaluationBatch > 0 else {
      throw RunError(
        .input, "a batch of \(batch), \(epochs) epochs, evaluations of \(options.evaluationBatch)",
        at: "training", hint: "each must be 1 or more, epochs at most 2^30")
    }
    guard options.observesEvery > 0 else {
      throw RunError(
        .input, "statistics every \(options.observesEvery) steps", at: "training",
        hint: "1 or more")
    }
    guard (0...64).contains(options.loaderThreads) else {
      throw RunError(
        .input, "\(options.loaderThreads) threads to make batches", at: "training",
        hint: "0 to 64; 1 or 2 are enough")
    }
    guard !options.dropsLast || training.count >= batch else {
      throw RunError(
        .input, "no batch is full: \(training.count) examples, batches of \(batch)",
        at: "training", hint: "a smaller batch, or keep the last one")
    }
    guard let validation else { return }
    guard validation.count > 0 else {
      throw RunError(.input, "no examples to validate on", at: "validation")
    }
    guard validation.fields.map(\.type) == training.fields.map(\.type) else {
      func text(_ set: any Examples) -> String {
        set.fields.map { "\($0.type)" }.joined(separator: ", ")
      }
      throw RunError(
        .mismatch, "validation has fields \(text(validation)), training \(text(training))",
        at: "validation")
    }
  }

  // MARK: - Measures

  /// The names of what is measured on a part.
  func measureNames(_ part: Measure.Part) -> [String] {
    if part == .validation, validation == nil { return [] }
    let all = part == .validation || options.measuresTraining
    return ["loss"] + layout.terms.map { "\($0) loss" } + (all ? metrics.map(\.name) : [])
  }

  /// The measure that is watched where none is named.
  var defaultMeasure: Measure { validation == nil ? .training("loss") : .validation("loss") }

  func rises(_ measure: Measure) -> Bool {
    metrics.first { $0.name == measure.name }?.higherIsBetter ?? false
  }

  private func checkMeasures() throws(RunError) {
    if let policy = checkpoints {
      let every =
        switch policy.every {
        case .steps(let count), .epochs(let count): count
        }
      guard every > 0, policy.keepLast > 0 else {
        throw RunError(
          .input, "a checkpoint every \(every), the last \(policy.keepLast) kept",
          at: "checkpoints", hint: "each must be 1 or more")
      }
    }
    for measure in [schedule.measure, stopping?.measure, checkpoints?.measure] {
      guard let measure, !measureNames(measure.part).contains(measure.name) else { continue }
      let known =
        measureNames(.training).map { "training \($0)" }
        + measureNames(.validation).map { "validation \($0)" }
      throw RunError(
        .input, "nothing measures '\(measure)'", at: "training",
        hint: "measured are: " + known.joined(separator: ", "))
    }
  }

  /// Ends the run after this step or epoch.
  public func stop(because reason: String) { stopReason = stopReason ?? reason }
}

extension TensorSpec {
  /// The field of a batch.
  func batched(_ rows: Int) -> TensorSpec {
    TensorSpec(Shape([rows] + type.shape.dimensions), type.dtype, name: name)
  }
}
