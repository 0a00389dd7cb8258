// Compiling a training step: forward, backward and update in one program.

import MartletExecution
import MartletIR
import MartletOps
import MartletPasses

/// Gradients by parameter.
public struct Gradients {
  private var tensors: [ObjectIdentifier: Tensor]
  /// Of tables that are updated by rows; `tensors` has their sums.
  private var rows: [ObjectIdentifier: RowGradient] = [:]
  init(_ pairs: [(Parameter, Tensor)]) {
    tensors = Dictionary(
      pairs.map { (ObjectIdentifier($0.0.variable), $0.1) }, uniquingKeysWith: { a, _ in a })
  }
  mutating func set(_ parameter: Parameter, _ gradient: Tensor) {
    tensors[ObjectIdentifier(parameter.variable)] = gradient
  }
  mutating func set(_ parameter: Parameter, _ gradient: RowGradient) {
    tensors[ObjectIdentifier(parameter.variable)] = gradient.sums
    rows[ObjectIdentifier(parameter.variable)] = gradient
  }
  func rows(of parameter: Parameter) -> RowGradient? {
    rows[ObjectIdentifier(parameter.variable)]
  }
  /// The gradient of a parameter; nil when the parameter is no part of the model.
  public subscript(parameter: Parameter) -> Tensor? {
    tensors[ObjectIdentifier(parameter.variable)]
  }
}

/// A loss and its gradients with respect to every trainable parameter of a model.
///
/// The gradients are ordinary tensors: compose them, differentiate them again. A parameter that the
/// loss does not depend on gets zeros.
public func valueAndGrad(
  _ loss: Tensor, wrt model: some Layer, file: StaticString = #fileID, line: UInt = #line
) -> (Tensor, Gradients) {
  valueAndGrad(loss, wrt: model.parameters.filter(\.isTrainable), file: file, line: line)
}

/// The same with respect to some parameters; of tables for which `byRows` is true by rows, where the
/// trace reads them by lookups alone.
func valueAndGrad(
  _ loss: Tensor, wrt parameters: [Parameter], byRows: (Parameter) -> Bool = { _ in false },
  file: StaticString = #fileID, line: UInt = #line
) -> (Tensor, Gradients) {
  let start = nowMilliseconds()
  let trace = loss.trace
  let looked = parameters.map { byRows($0) ? trace.lookupsAlone(of: $0) : nil }
  // With respect to the values that this trace began with.
  let wrt = zip(parameters, looked).map { parameter, lookups in
    lookups?.map(\.rows) ?? [parameter.tensor(in: trace)]
  }
  var tensors = gradients(of: loss, wrt: wrt.flatMap { $0 }, file: file, line: line)[...]
  var result = Gradients([])
  for (index, parameter) in parameters.enumerated() {
    let own = Array(tensors.prefix(wrt[index].count))
    tensors = tensors.dropFirst(wrt[index].count)
    if let lookups = looked[index] {
      result.set(parameter, trace.scoped("rows") { RowGradient(lookups, own) })
    } else if let gradient = own.first {
      result.set(parameter, gradient)
    }
  }
  trace.differentiateMilliseconds += nowMilliseconds() - start
  return (loss, result)
}

/// The results of one training step.
public struct StepResult: Sendable {
  /// The loss before the update, a scalar.
  public let loss: NDArray
  /// Auxiliary outputs and taps by name.
  public let auxiliary: [String: NDArray]
  /// The L2 norm of the gradients of each layer's parameters, before clipping, by the layer's path;
  /// where ``StepStatistics/gradientNorms`` were asked for.
  public var gradientNorms: [String: Double] = [:]
  /// What each layer gave, by its path; where ``StepStatistics/activations`` were asked for.
  public var activations: [String: ActivationStatistics] = [:]
  /// The loss as a number.
  ///
  /// - Throws: ``RunError`` unless the loss has one element.
  public func item() throws(RunError) -> Double { try loss.item() }
}

/// A compiled training step: one call runs forward, backward and the optimizer's update.
public final class TrainingStep {
  /// The optimizer's arrays and counter; saved with a checkpoint.
  package let optimizerState: [StateVariable]
  /// The function of (inputs…, learning rate).
  public let function: Function
  /// Used when a call gives no learning rate.
  public var learningRate: Double
  private let averaged: [(parameter: Parameter, average: StateVariable)]
  /// Compiles the same step, on the same state, with statistics among its results.
  private let observing: (StepStatistics) throws -> Function
  private var observers: [StepStatistics: Function] = [:]
  /// Compiles the same step, on the same state, with a look for numbers that are none.
  private let guarding: () throws -> Function
  private var guarded: Function?

  init(
    function: Function, optimizerState: [StateVariable],
    averaged: [(parameter: Parameter, average: StateVariable)], learningRate: Double,
    observing: @escaping (StepStatistics) throws -> Function,
    guarding: @escaping () throws -> Function
  ) {
    self.function = function
    self.guarding = guarding
    self.observing = observing
    self.optimizerState = optimizerState
    self.averaged = averaged
    self.learningRate = learningRate
  }

  /// The moving averages of the weights by the parameters' paths, where the optimizer keeps them
  /// (``Optimizer/averagingWeights(decay:)``); before the first step, the weights.
  ///
  /// - Throws: ``RunError`` where the state cannot be read.
  public func averages() throws(RunError) -> [String: NDArray] {
    var arrays: [String: NDArray] = [:]
    for (parameter, average) in averaged {
      arrays[parameter.path] = try StateVariable.read([average])[0]
    }
    return arrays
  }

  /// Exchanges the weights and their averages: once to evaluate or save the averages, and once more
  /// to go on training. Does nothing where the optimizer keeps none.
  ///
  /// - Throws: ``RunError`` where the state cannot be read or written.
  public func swapAverages() throws(RunError) {
    let parameters = averaged.map(\.parameter.variable)
    let averages = averaged.map(\.average)
    let weights = try StateVariable.read(parameters)
    let means = try StateVariable.read(averages)
    try StateVariable.write(
      zip(parameters + averages, means + weights).map { variable, array throws(RunError) in
        (variable: variable, array: try array.stored(as: variable.type.dtype))
      })
  }

  /// The session that steps run in: seed and step number of random draws.
  public var session: Session { function.session }
  /// The compiled program.
  public var program: Program { function.program }

  /// One step on a batch. `learningRate` is an input: changing it recompiles nothing.
  ///
  /// A batch of another size runs a program of its own on the same state (see `resized(batch:)`).
  ///
  /// - Throws: ``RunError`` where inputs differ from the specs in number, dtype or shape.
  public func callAsFunction(_ inputs: NDArray..., learningRate: Double? = nil) throws -> StepResult
  {
    try run(inputs, learningRate: learningRate)
  }

  /// One step on a list of inputs.
  ///
  /// - Throws: ``RunError`` where inputs differ from the specs in number, dtype or shape.
  public func run(_ inputs: [NDArray], learningRate: Double? = nil) throws -> StepResult {
    var loss: NDArray?
    var others: [NDArray] = []
    let rate = try rateArray(learningRate ?? self.learningRate)
    try function.session.run(inputs, and: rate) { result in
      if loss == nil { loss = result } else { others.append(result) }
    }
    guard let loss else {
      throw RunError(.mismatch, "the step has no result", at: program.options.name)
    }
    return StepResult(
      loss: loss, auxiliary: others.isEmpty ? [:] : auxiliary([loss] + others, of: function))
  }

  /// The same step, bit for bit, with `CompileOptions.stopsAtNonFinite`: by a program of its own on
  /// the same state.
  package func runGuarded(_ inputs: [NDArray], learningRate: Double) throws -> StepResult {
    let function = try guarded ?? guarding()
    guarded = function
    function.session.seed = session.seed
    function.session.step = session.step
    defer { session.step = function.session.step }
    let results = try function.run(inputs + [try rateArray(learningRate)])
    return StepResult(loss: results[0], auxiliary: auxiliary(results, of: function))
  }

  /// One step that also tells of itself: the same update, bit for bit, by a program of its own on
  /// the same state, compiled at the first use of these statistics and then kept.
  public func run(
    _ inputs: [NDArray], learningRate: Double? = nil, observing statistics: StepStatistics
  ) throws -> StepResult {
    if statistics.isEmpty { return try run(inputs, learningRate: learningRate) }
    let observer = try observers[statistics] ?? observing(statistics)
    observers[statistics] = observer
    // Draws go on where the step's own are.
    observer.session.seed = session.seed
    observer.session.step = session.step
    defer { session.step = observer.session.step }
    let results = try observer.run(inputs + [try rateArray(learningRate ?? self.learningRate)])
    var all = auxiliary(results, of: observer)
    var (norms, activations): ([String: Double], [String: ActivationStatistics]) = ([:], [:])
    for (name, array) in all {
      if let layer = statistics.layer(name, .gradientNorms) {
        norms[layer] = try array.item()
        all[name] = nil
      } else if let layer = statistics.layer(name, .activations) {
        activations[layer] = ActivationStatistics(array.doubles)
        all[name] = nil
      }
    }
    return StepResult(
      loss: results[0], auxiliary: all, gradientNorms: norms, activations: activations)
  }

  private func auxiliary(_ results: [NDArray], of function: Function) -> [String: NDArray] {
    var auxiliary: [String: NDArray] = [:]
    if results.count > 1 {
      for (description, array) in zip(function.program.results, results).dropFirst() {
        auxiliary[description.name] = array
      }
    }
    return auxiliary
  }

  /// The rate as an array; the last one again while the rate stays, since a small step takes a
  /// microsecond.
  private func rateArray(_ value: Double) throws(RunError) -> NDArray {
    if let lastRate, lastRate.value == value { return lastRate.array }
    let array =
      function.specs.last?.type.dtype == .float64
      ? try NDArray(scalar: value) : try NDArray(scalar: Float(value))
    lastRate = (value, array)
    return array
  }

  private var lastRate: (value: Double, array: NDArray)?

  private var others: [Int: TrainingStep] = [:]

  /// The step for another batch size, on the same state; compiled on first use, then kept.
  ///
  /// - Throws: ``CompileError`` where the closure does not fit that extent.
  public func resized(batch: Int) throws -> TrainingStep {
    guard batch > 0 else {
      throw RunError(
        .input, "an empty batch", at: "training", hint: "a batch needs at least one sample")
    }
    let made = try function.resized(batch: batch)
    if made === function { return self }
    if let known = others[batch] { return known }
    let step = TrainingStep(
      function: made, optimizerState: optimizerState, averaged: averaged,
      learningRate: learningRate,
      observing: { [observing] in try observing($0).resized(batch: batch) },
      guarding: { [guarding] in try guarding().resized(batch: batch) })
    others[batch] = step
    return step
  }

  /// The text of a stage of the compilation.
  public func dump(_ stage: Program.Stage) -> String { program.dump(stage) }
}

extension NDArray {
  /// The elements rounded to another dtype of floating point; the array itself if it has that dtype.
  package func stored(as dtype: DType) throws(RunError) -> NDArray {
    dtype == self.dtype ? self : try NDArray(HostArray(TensorType(dtype, shape), doubles))
  }
}

/// Compiles a training step whose closure returns the loss and auxiliary outputs by name.
///
/// The closure runs once, now. Every trainable parameter of `model` is updated by `optimizer`.
public func compile<Model: Layer>(
  training model: Model, with optimizer: some Optimizer, _ specs: TensorSpec...,
  options: CompileOptions? = nil,
  auxiliary body: @escaping ([Tensor]) throws -> (Tensor, [String: Tensor])
) throws -> TrainingStep {
  try compile(training: model, with: optimizer, specs, options: options, auxiliary: body)
}

/// Compiles a training step of any number of inputs, whose closure returns the loss and auxiliary
/// outputs by name.
public func compile<Model: Layer>(
  training model: Model, with optimizer: some Optimizer, _ specs: [TensorSpec],
  options: CompileOptions? = nil,
  auxiliary body: @escaping ([Tensor]) throws -> (Tensor, [String: Tensor])
) throws -> TrainingStep {
  var options = try options ?? CompileOptions()
  if options.name == "program" { options.name = "\(Model.self)" }
  let policy = optimizer.policy
  // What is frozen needs neither gradients nor optimizer state.
  let parameters = model.parameters
  let trained = parameters.filter {
    $0.isTrainable && policy.rateScale($0.path, $0.shape) != 0
  }
  let update = StepUpdate(optimizer, trained)
  var specs = specs.enumerated().map { index, spec in
    var copy = spec
    if copy.name == nil { copy.name = "input\(index)" }
    return copy
  }
  let isWide = parameters.contains { $0.isTrainable && $0.type.dtype == .float64 }
  specs.append(TensorSpec([], isWide ? .float64 : .float32, name: "learningRate"))

  let (inputs, given) = (specs, options)
  func make(_ statistics: StepStatistics, guarded: Bool) throws -> Function {
    var options = given
    if guarded { options.stopsAtNonFinite = true }
    return try Function(specs: inputs, options: options, isTraining: true) { trace, inputs in
      trace.notesLayers = statistics.contains(.activations)
      var (loss, auxiliary) = try body(Array(inputs.dropLast()))
      trace.notesLayers = false
      var told = statistics.contains(.activations) ? StepStatistics.activations(in: trace) : []
      let (_, grads) = valueAndGrad(loss, wrt: trained, byRows: update.updatesRows)
      if statistics.contains(.gradientNorms) {
        told += StepStatistics.norms(of: grads, trained)
      }
      let norm = update.trace(grads, learningRate: inputs[inputs.count - 1], in: trace)
      if let norm { auxiliary["gradientNorm"] = norm }
      return [(name: "loss", tensor: loss)]
        + auxiliary.sorted { $0.key < $1.key }.map { (name: $0.key, tensor: $0.value) } + told
    }
  }
  return TrainingStep(
    function: try make([], guarded: false), optimizerState: update.state,
    averaged: update.averaged, learningRate: optimizer.learningRate,
    observing: { try make($0, guarded: false) }, guarding: { try make([], guarded: true) })
}

/// Compiles a training step of one input and its labels.
///
///     let step = try compile(training: model, with: Adam(), images, labels) { x, y in
///       softmaxCrossEntropy(logits: model(x), labels: y)
///     }
public func compile(
  training model: some Layer, with optimizer: some Optimizer, _ first: TensorSpec,
  _ second: TensorSpec, options: CompileOptions? = nil,
  _ body: @escaping (Tensor, Tensor) throws -> Tensor
) throws -> TrainingStep {
  try compile(
    training: model, with: optimizer, first, second, options: options,
    auxiliary: {
      (try body($0[0], $0[1]), [:])
    })
}

/// Compiles a training step of one input and its labels, with auxiliary outputs by name.
public func compile(
  training model: some Layer, with optimizer: some Optimizer, _ first: TensorSpec,
  _ second: TensorSpec, options: CompileOptions? = nil,
  _ body: @escaping (Tensor, Tensor) throws -> (Tensor, [String: Tensor])
) throws -> TrainingStep {
  try compile(
    training: model, with: optimizer, first, second, options: options,
    auxiliary: {
      try body($0[0], $0[1])
    })
}
