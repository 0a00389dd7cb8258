// An optimizer and its policy in the training step: state variables, and the update's graph.

import MartletExecution
import MartletIR
import MartletOps

/// The state that an optimizer keeps for a model, and how a step changes it.
struct StepUpdate {
  private let optimizer: any Optimizer
  private let policy: UpdatePolicy
  private let parameters: [Parameter]
  private let slots: [[StateVariable]]
  /// What rounding took from each weight that is stored as halves; nil for the others.
  private let remainders: [StateVariable?]
  private let scalars: [StateVariable]
  private let counter: StateVariable
  /// Batches since the last update, and the sums of their gradients.
  private let batches: StateVariable
  private let sums: [StateVariable]
  /// Weights with their moving averages.
  let averaged: [(parameter: Parameter, average: StateVariable)]

  init(_ optimizer: any Optimizer, _ parameters: [Parameter]) {
    self.optimizer = optimizer
    self.parameters = parameters
    let policy = optimizer.policy
    self.policy = policy
    // As wide as the widest parameter: products of many factors lose digits.
    let isWide = parameters.contains { $0.type.dtype == .float64 }
    func scalar(_ path: String, initial: Double = 0) -> StateVariable {
      let type = TensorType(isWide ? .float64 : .float32, [])
      return StateVariable(type, path: path, isTrainable: false) { bytes, seed, path in
        if initial != 0 {
          Initializer.constant(initial).write(to: bytes, type, seed: seed, path: path)
        }
      }
    }
    slots = parameters.map { parameter in
      optimizer.slots.map {
        StateVariable(
          parameter.type.computed, path: "\(parameter.path).\($0)", isTrainable: false)
      }
    }
    remainders = parameters.map { parameter in
      let type = parameter.type.computed
      guard type != parameter.type else { return nil }
      return StateVariable(type, path: "\(parameter.path).remainder", isTrainable: false)
    }
    scalars = optimizer.scalars.map { scalar("optimizer.\($0.name)", initial: $0.initial) }
    counter = scalar("optimizer.step")
    batches = scalar("optimizer.batches")
    sums =
      policy.accumulation > 1
      ? parameters.map {
        StateVariable($0.type.computed, path: "\($0.path).gradientSum", isTrainable: false)
      } : []
    averaged =
      policy.averageDecay == nil
      ? []
      : parameters.map { parameter in
        let variable = parameter.variable
        let type = parameter.type.computed
        // The average begins where the weights begin: the same (seed, path) fills both.
        return (
          parameter,
          StateVariable(type, path: "\(parameter.path).average", isTrainable: false) {
            bytes, _, _ in
            variable.initialize()
            guard let address = variable.address else { return }
            let stored = UnsafeRawBufferPointer(
              start: address, count: variable.type.byteCount)
            if type == variable.type {
              bytes.copyMemory(from: stored)
            } else {
              HostArray(type, HostArray(bytes: stored, variable.type).doubles).write(to: bytes)
            }
          }
        )
      }
  }

  /// Everything that a checkpoint holds beside the model's own parameters.
  var state: [StateVariable] {
    slots.flatMap { $0 } + remainders.compactMap { $0 } + scalars
      + (optimizer.countsSteps ? [counter] : [])
      + (sums.isEmpty ? [] : [batches] + sums) + averaged.map(\.average)
  }

  /// Whether a table may be updated by rows: the rule goes element by element, and nothing around
  /// it looks at the whole table.
  func updatesRows(_ parameter: Parameter) -> Bool {
    optimizer.updatesRows && policy.accumulation <= 1 && parameter.type.computed == parameter.type
      && !policy.maximumNorms.contains { $0.selection.contains(parameter.path, parameter.shape) }
  }

  /// Adds the update to a trace. Gives the norm of the gradients, where the policy reports it.
  func trace(_ gradients: Gradients, learningRate: Tensor, in trace: Trace) -> Tensor? {
    var all = parameters.map { gradients[$0] ?? zerosLike($0.tensor(in: trace)) }
    return trace.scoped("update") {
      // With accumulation, everything below happens in every step and counts in the last of a round.
      let round = accumulate(&all, in: trace)
      func kept(_ new: Tensor, _ old: Tensor) -> Tensor {
        round.map { select($0, new, old) } ?? new
      }

      let norm = policy.reportsGradientNorm ? UpdatePolicy.globalNorm(all) : nil
      all = policy.clipped(all)
      var step = trace.read(counter)
      if optimizer.countsSteps {
        step = step + 1
        trace.assign(counter, kept(step, trace.read(counter)))
      }
      let names = optimizer.scalars.map(\.name)
      var shared = Dictionary(
        zip(names, scalars.map { trace.read($0) }), uniquingKeysWith: { a, _ in a })
      optimizer.advance(&shared, step: step)
      for (name, variable) in zip(names, scalars) {
        if let value = shared[name] { trace.assign(variable, kept(value, trace.read(variable))) }
      }
      for (index, parameter) in parameters.enumerated() {
        update(
          parameter, all[index], slots[index], gradients.rows(of: parameter), remainders[index],
          step, shared, learningRate, kept: kept, in: trace)
      }
      for (parameter, average) in averaged {
        guard let decay = policy.averageDecay else { continue }
        let old = trace.read(average)
        trace.assign(average, kept(old * decay + parameter.tensor(in: trace) * (1 - decay), old))
      }
      return norm
    }
  }

  private func update(
    _ parameter: Parameter, _ gradient: Tensor, _ variables: [StateVariable],
    _ rows: RowGradient?, _ remainder: StateVariable?, _ step: Tensor, _ shared: [String: Tensor],
    _ learningRate: Tensor, kept: (Tensor, Tensor) -> Tensor, in trace: Trace
  ) {
    let dtype = parameter.type.computed.dtype
    let path = parameter.path
    let scale = policy.rateScale(path, parameter.shape)
    if scale == 0 { return }
    var rate = learningRate.converted(to: dtype)
    if scale != 1 { rate = rate * scale }
    // Of a table that is updated by rows all that follows sees the rows.
    func seen(_ array: Tensor) -> Tensor { rows?.taken(from: array) ?? array }
    func whole(_ updated: Tensor, _ array: Tensor) -> Tensor {
      rows?.replaced(in: array, by: updated) ?? kept(updated, array)
    }
    let gradient = rows?.gradient(gradient) ?? gradient
    let arrays = variables.map { trace.read($0) }
    let old = arrays.map(seen)
    var state = OptimizerState(
      slots: Dictionary(zip(optimizer.slots, old), uniquingKeysWith: { a, _ in a }),
      scalars: shared.mapValues { $0.converted(to: dtype) }, step: step.converted(to: dtype))
    let stored = parameter.tensor(in: trace)
    let rest = remainder.map { trace.read($0) }
    // Exact: a float32 number less its rounding to halves is one, and so is their sum.
    let weight = rest.map { stored + $0 } ?? seen(stored)
    let updated = policy.projected(
      optimizer.update(
        policy.decayed(weight, rate, path), policy.penalised(gradient, weight, path),
        learningRate: rate, &state), path)
    if let remainder, let rest {
      let rounded = updated.converted(to: parameter.type.dtype).converted(to: dtype)
      parameter.assign(kept(rounded, stored))
      trace.assign(remainder, kept(updated - rounded, rest))
    } else {
      parameter.assign(whole(updated, stored))
    }
    for (index, name) in optimizer.slots.enumerated() {
      if let value = state.slots[name] {
        trace.assign(variables[index], whole(value, arrays[index]))
      }
    }
  }

  /// Adds the gradients to the sums of the round, and replaces them by the sums. True in the last
  /// batch of a round; nil when every batch is a round.
  private func accumulate(_ gradients: inout [Tensor], in trace: Trace) -> Tensor? {
    guard !sums.isEmpty else { return nil }
    let count = Double(policy.accumulation)
    let number = trace.read(batches) + 1
    let isLast = number .>= number.filled(count)
    trace.assign(batches, select(isLast, 0, number))
    for (index, variable) in sums.enumerated() {
      let sum = trace.read(variable) + gradients[index] / count
      trace.assign(variable, select(isLast, 0, sum))
      gradients[index] = sum
    }
    return isLast
  }
}
