// The variables of a checkpoint: what a step works on, by name, and what was saved of it.

import MartletExecution
import MartletIR
import MartletNN

extension TrainingStep {
  /// State that the step works on and that is none of these parameters: names and variables.
  package func checkpointState(
    beside parameters: [Parameter]
  ) -> [(name: String, variable: StateVariable)] {
    var seen = Set(parameters.map { ObjectIdentifier($0.variable) })
    var result: [(name: String, variable: StateVariable)] = []
    for variable in optimizerState where seen.insert(ObjectIdentifier(variable)).inserted {
      result.append((Checkpoint.optimizerPrefix + variable.path, variable))
    }
    // Cells that a closure holds and no field of the model shows.
    for (index, item) in program.state.enumerated()
    where seen.insert(ObjectIdentifier(item.variable)).inserted {
      result.append(("\(Checkpoint.statePrefix)\(index)/\(item.variable.path)", item.variable))
    }
    return result
  }
}

extension Checkpoint {
  static let optimizerPrefix = "optimizer/"
  static let statePrefix = "state/"

  /// Every variable of a run with its value in the checkpoint, whose arrays besides weights are given
  /// by name; the first difference is the error.
  package func matched(
    _ parameters: [Parameter], _ state: [(name: String, variable: StateVariable)],
    _ arrays: [String: NDArray]
  ) throws(DataError) -> [(variable: StateVariable, array: NDArray)] {
    var pairs: [(variable: StateVariable, array: NDArray)] = []
    func match(
      _ name: String, _ variable: StateVariable, _ found: NDArray?, _ what: String
    ) throws(DataError) {
      guard let found, found.type == variable.type else {
        throw DataError(
          .mismatch, "a checkpoint of another \(what)", at: "\(path), \(name)",
          got: found.map { "\($0.type)" } ?? "nothing", expected: "\(variable.type)")
      }
      pairs.append((variable, found))
    }
    var weights: [ByteString: NDArray] = [:]
    for item in self.weights { weights[ByteString(item.name)] = item.array }
    for parameter in parameters {
      let found = weights.removeValue(forKey: ByteString(parameter.path))
      try match(parameter.path, parameter.variable, found, "model")
    }
    if let extra = weights.keys.min() {
      throw DataError(
        .mismatch, "a checkpoint of another model", at: path, got: extra.text,
        expected: "no parameter of that name")
    }
    for (name, variable) in state { try match(name, variable, arrays[name], "optimizer") }
    let known = Set(state.map(\.name))
    let extra = arrays.keys.filter {
      ($0.hasPrefix(Checkpoint.optimizerPrefix) || $0.hasPrefix(Checkpoint.statePrefix))
        && !known.contains($0)
    }.min()
    if let extra {
      throw DataError(
        .mismatch, "a checkpoint of another optimizer", at: path, got: extra,
        expected: "no state of that name")
    }
    return pairs
  }
}
