// Copies of a model's values: snapshots to return to, and programs with the values frozen in.

import MartletExecution
import MartletIR
import MartletOps

/// The values of a model's parameters and running statistics at one moment.
///
/// Copying a layer shares its parameters; a snapshot copies their values.
///
///     let best = try model.snapshot()
///     …                                  // train on; it gets worse
///     try best.restore(into: model)
public struct ModelSnapshot: Sendable {
  /// The arrays by parameter path, such as `hidden.weight`.
  public let values: [String: NDArray]

  package init(values: [String: NDArray]) { self.values = values }

  /// Writes the values back, into this model or another one of the same structure.
  ///
  /// Every program over the model sees them from its next run on. Throws, and changes nothing, when
  /// the model has other parameters or a session is using its state.
  public func restore(into model: some Layer) throws(RunError) {
    let parameters = model.parameters
    guard parameters.count == values.count else {
      throw RunError(
        .mismatch, "the snapshot has \(values.count) parameters, the model \(parameters.count)",
        at: "snapshot")
    }
    var pairs: [(variable: StateVariable, array: NDArray)] = []
    for (parameter, path) in Naming.paths(of: model) {
      guard let array = values[path] else {
        throw RunError(
          .mismatch, "the snapshot has no parameter '\(path)'", at: "snapshot",
          hint: "it has " + values.keys.sorted().prefix(4).joined(separator: ", "))
      }
      pairs.append((parameter.variable, array))
    }
    try StateVariable.write(pairs)
  }
}

extension Layer {
  /// A copy of the values of all parameters and running statistics. Throws when a session is
  /// writing them. Of a model that nothing was compiled for it draws the initial values, with seed 0.
  ///
  /// The optimizer's moments belong to the training step and are no part of it.
  public func snapshot() throws(RunError) -> ModelSnapshot {
    let named = Naming.paths(of: self)
    let arrays = try StateVariable.read(named.map(\.parameter.variable))
    return ModelSnapshot(
      values: Dictionary(zip(named.map(\.path), arrays), uniquingKeysWith: { a, _ in a }))
  }
}

/// A model's present values, for a trace to take in the place of its state.
package func frozenValues(
  of model: any Layer
) throws(RunError) -> [ObjectIdentifier: HostArray] {
  let variables = model.parameters.map(\.variable)
  return Dictionary(
    zip(variables.map { ObjectIdentifier($0) }, try StateVariable.frozen(variables)),
    uniquingKeysWith: { a, _ in a })
}

/// Compiles a closure with a model's present values as constants: they are folded into the program,
/// and training does not change it any more. The closure runs once, now.
public func compile(
  frozen model: some Layer, _ spec: TensorSpec, options: CompileOptions? = nil,
  _ body: @escaping (Tensor) throws -> Tensor
) throws -> Function {
  let variables = model.parameters.map(\.variable)
  // Kept as they are now: another batch size is compiled later, on the same values.
  let frozen = try frozenValues(of: model)
  return try Function(
    specs: [spec], options: try options ?? CompileOptions(), isTraining: false
  ) { trace, inputs in
    // The closure keeps the model, and so the identity of its cells, alive.
    try withExtendedLifetime(variables) {
      trace.frozen = frozen
      return [(name: "result", tensor: try body(inputs[0]))]
    }
  }
}
