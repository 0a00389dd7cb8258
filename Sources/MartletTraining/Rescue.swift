// What a run needs to say where numbers went wrong: the state of some steps ago, and the way back.

import MartletExecution
import MartletIR
import MartletNN

/// How a run watches for losses that are infinite or no number.
public enum NonFiniteGuard: Hashable, Sendable {
  /// Not at all: the run goes on.
  case off
  /// The loss is looked at after each step, which costs nothing. When it is not finite the run goes
  /// back to a copy of its state, made every so many steps and at each epoch, and takes the steps
  /// again, checked: bits do not differ, so the same number goes wrong again, and the error names the
  /// first operation that gave it, its layer and source line. The weights are left as they were
  /// before that step. Costs memory for one copy of the state.
  case replaying(every: Int)
  /// Every step is checked, weights and optimizer state included: see
  /// `CompileOptions.stopsAtNonFinite`.
  case everyStep
}

/// A copy of everything that steps change.
struct Rescue {
  let position: Trainer.Position
  private let values: [(variable: StateVariable, array: NDArray)]

  init(_ variables: [StateVariable], _ position: Trainer.Position) throws {
    self.position = position
    values = zip(variables, try StateVariable.read(variables)).map { (variable: $0, array: $1) }
  }

  func restore() throws { try StateVariable.write(values) }
}

extension Trainer {
  /// Copies the state where the guard asks for it; at most one copy exists.
  func keepRescue() throws {
    guard case .replaying(let every) = options.nonFinite else { return }
    let place = position.step % order.perEpoch
    if let rescue, place != 0, position.step - rescue.position.step < max(1, every) { return }
    rescue = nil
    rescue = try Rescue(
      model.parameters.map(\.variable) + trainingState.map(\.variable), position)
  }

  /// Takes the steps since the copy again, checked; throws at the one where numbers went wrong.
  func replay(from number: Int, loss: Double) throws -> Never {
    var error = RunError(
      .nonFinite, "the loss is \(loss)", at: "step \(number + 1)",
      hint: "a smaller learning rate, or gradients that are clipped")
    guard let rescue else { throw error }
    try rescue.restore()
    position = rescue.position
    history.steps = position.step
    let loader = BatchLoader(training, order, steps: position.step..<number + 1, threads: 0)
    while let batch = try loader.next() {
      let step = position.step
      let sized = try self.step.resized(batch: order.size(of: step))
      sized.session.seed = seed
      sized.session.step = Int64(step)
      do {
        let result = try sized.runGuarded(batch, learningRate: rate(of: step))
        try position.running.add(
          loss: try result.item(), examples: order.size(of: step), layout, batch: batch,
          results: result.auxiliary)
      } catch let found as RunError where found.code == .nonFinite {
        error = found
        error.message = "step \(step + 1): " + found.message
        throw error
      }
      position.step += 1
      history.steps = position.step
    }
    throw error
  }
}
