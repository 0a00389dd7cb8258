// The state of a training step as a file: what a program needs to go on as if it had never stopped.

import MartletExecution
import MartletIR

extension TrainingStep {
  private static let format = "martlet-training"
  private static let version = "1"

  /// Writes weights, running statistics, the optimizer's arrays, and the numbers that random draws
  /// depend on. The file appears under its name when it is whole.
  ///
  /// - Throws: ``DataError`` where it cannot be written, ``RunError`` while a step runs.
  package func saveState(to path: String) throws {
    let variables = stateVariables
    let values = try StateVariable.read(variables.map(\.variable))
    let arrays = zip(variables, values).map { NamedArray($0.name, $1) }
    let (seed, step) = ("\(session.seed)", "\(session.step)")
    try Safetensors.save(
      arrays,
      metadata: [
        "format": TrainingStep.format, "version": TrainingStep.version, "seed": seed, "step": step,
        "checksum": Checksum.text(of: arrays, and: "\(seed) \(step)"),
      ], to: path)
  }

  /// Takes up what ``saveState(to:)`` wrote: the next step gives the bits that it would have given
  /// without the pause.
  ///
  /// - Throws: ``DataError`` for a file that is damaged, or of another model or optimizer, ``RunError``
  ///   while a step runs; nothing is changed then.
  package func loadState(from path: String) throws {
    let file = try SafetensorsFile(path)
    func text(_ name: String) -> String? { file.header.metadata.first { $0.name == name }?.text }
    guard text("format") == TrainingStep.format else {
      throw DataError(
        .wrongFormat, "this is no saved training", at: path, got: text("format"),
        expected: TrainingStep.format)
    }
    guard text("version") == TrainingStep.version else {
      throw DataError(
        .wrongVersion, "a training saved by another version of Martlet", at: path,
        got: "version \(text("version") ?? "")", expected: "version \(TrainingStep.version)")
    }
    guard let seedText = text("seed"), let stepText = text("step"), let seed = UInt64(seedText),
      let step = Int64(stepText), step >= 0
    else { throw DataError(.wrongFormat, "no seed and no step", at: path) }
    // Types are compared before anything is read: a foreign file costs no memory.
    let variables = stateVariables
    guard file.header.entries.count == variables.count else {
      throw mismatch(
        path, "\(file.header.entries.count) arrays", "\(variables.count) arrays")
    }
    var entries: [ByteString: SafetensorsHeader.Entry] = [:]
    for entry in file.header.entries { entries[ByteString(entry.name)] = entry }
    var arrays: [NamedArray] = []
    for (name, variable) in variables {
      guard let entry = entries[ByteString(name)],
        TensorType(entry.dtype, Shape(entry.shape)) == variable.type
      else {
        let found = entries[ByteString(name)].map { "\($0.dtype.rawValue)\($0.shape)" }
        throw mismatch("\(path), \(name)", found ?? "nothing", "\(variable.type)")
      }
      arrays.append(NamedArray(name, try file.array(entry)))
    }
    guard text("checksum") == Checksum.text(of: arrays, and: "\(seedText) \(stepText)") else {
      throw DataError(.damaged, "the saved training is not what was written", at: path)
    }
    try StateVariable.write(
      zip(variables, arrays).map { (variable: $0.variable, array: $1.array) })
    session.seed = seed
    session.step = step
  }

  private func mismatch(_ place: String, _ got: String, _ expected: String) -> DataError {
    DataError(
      .mismatch, "a training of another model or optimizer", at: place, got: got,
      expected: expected, hint: "training goes on with the model and optimizer that it began with")
  }

  /// All that a step reads or writes beside its inputs, with names of their own.
  private var stateVariables: [(name: String, variable: StateVariable)] {
    var seen: Set<ObjectIdentifier> = []
    var result: [(name: String, variable: StateVariable)] = []
    for variable in optimizerState where seen.insert(ObjectIdentifier(variable)).inserted {
      result.append(("optimizer/\(variable.path)", variable))
    }
    var names: Set<String> = []
    for (index, item) in program.state.enumerated()
    where seen.insert(ObjectIdentifier(item.variable)).inserted {
      // Cells that a closure holds may have the name of another.
      let path = item.variable.path
      result.append((names.insert(path).inserted ? path : "\(path)/\(index)", item.variable))
    }
    return result
  }
}
