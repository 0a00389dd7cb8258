// ONNX models written again: folded, for fixed dimensions, in operator set 21.

import MartletExecution
import MartletIR
import MartletONNXFormat
import MartletOps

extension ONNXExport {
  /// A model as it is compiled for some dimensions: what is known is computed, functions and control
  /// flow are gone, and only what Martlet read is there.
  public init(_ model: ONNXModel, dimensions: [String: Int] = [:]) throws {
    let program = try model.compile(dimensions: dimensions)
    guard let session = program.session, program.returnsArgumentsAlone else {
      throw ONNXError(
        .unsupported, "the model's outputs are known when it is compiled, or are no tensors",
        hint: "there is nothing to export")
    }
    try self.init(session.program, outputs: program.outputNames, metadata: model.metadata)
  }
}

extension ONNXModel {
  /// The model's weights by name. Throws an ``ONNXError`` for what is no array of numbers.
  public func initializers() throws -> [NamedArray] {
    try file.model.graph.initializer.compactMap { tensor in
      guard let array = try file.tensor(tensor).ndArray() else { return nil }
      return NamedArray(tensor.name, array)
    }
  }
}
