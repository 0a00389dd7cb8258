// An imported model as a layer: its weights are parameters that train.

import MartletExecution
import MartletIR
import MartletNN
import MartletONNXFormat
import MartletOps

/// An ONNX model as a layer of Martlet, for fine-tuning and transfer learning.
///
///     let body = try ONNXModel(contentsOf: "features.onnx").layer()
///     let head = Linear(1280, 10)
///     let step = try compile(training: …) { x, y in softmaxCrossEntropy(logits: head(body(x)), labels: y) }
///
/// The layer takes one tensor in the file's order of axes (images are channels-first) and gives the
/// model's first output. Its parameters are the `float32` initializers that convolutions, products,
/// normalisations, embeddings and the like read as weights, under their names in the file; what is not
/// trained, and the running statistics of batch normalisation, are constants.
public struct ONNXLayer: Layer {
  /// The parameters by their names in the file, in the file's order.
  public let weights: [Parameter]
  private let names: [String]
  private let model: ONNXModel

  /// The inputs of each operator that hold weights.
  private static let weightInputs: [String: Set<Int>] = [
    "Conv": [1, 2], "ConvTranspose": [1, 2], "Gemm": [0, 1, 2], "MatMul": [0, 1], "Add": [0, 1],
    "Mul": [0, 1], "Sub": [0, 1], "Div": [0, 1], "BatchNormalization": [1, 2],
    "LayerNormalization": [1, 2], "GroupNormalization": [1, 2], "InstanceNormalization": [1, 2],
    "RMSNormalization": [1], "PRelu": [1], "LSTM": [1, 2, 3], "GRU": [1, 2, 3], "RNN": [1, 2, 3],
    "Gather": [0], "Einsum": [0, 1],
  ]

  init(_ model: ONNXModel, trains: (String) -> Bool) throws {
    let graph = model.file.model.graph
    guard model.inputs.count == 1 else {
      throw ONNXError(
        .unsupported, "the model takes \(model.inputs.count) inputs, a layer takes one")
    }
    // A name that anything reads as something else than weights stays a constant.
    var isWeight: [String: Bool] = [:]
    for node in graph.node {
      let weights =
        Importer.canonical(node.domain).isEmpty ? weightInputs(node.opType) : []
      for (index, name) in node.input.enumerated() {
        isWeight[name] = (isWeight[name] ?? true) && weights.contains(index)
      }
      for attribute in node.attribute where attribute.hasG {
        for inner in attribute.g.node { for name in inner.input { isWeight[name] = false } }
      }
    }
    var (weights, names): ([Parameter], [String]) = ([], [])
    for tensor in graph.initializer
    where tensor.dataType == 1 && isWeight[tensor.name] == true && trains(tensor.name) {
      let value = try model.file.tensor(tensor)
      guard value.count > 1, let type = value.type, let array = try value.ndArray() else {
        continue
      }
      let variable = StateVariable(type, isTrainable: true) { bytes, _, _ in
        array.withUnsafeBytes { source in bytes.copyMemory(from: source) }
      }
      variable.name(identifier(tensor.name))
      weights.append(Parameter(variable))
      names.append(tensor.name)
    }
    self.model = model
    self.weights = weights
    self.names = names
    func weightInputs(_ type: String) -> Set<Int> { ONNXLayer.weightInputs[type] ?? [] }
  }

  /// The model's first output for a tensor in the file's order of axes.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    do {
      return try x.trace.scoped("onnx") { Result { try output(x) } }.get()
    } catch {
      x.trace.report(
        CompileError(
          .type, operation: "onnx",
          "\(error)".split(separator: "\n").joined(separator: " "), at: x.trace.place))
      return Tensor(trace: x.trace, value: nil, type: x.type)
    }
  }

  private func output(_ x: Tensor) throws -> Tensor {
    let importer = try Importer(model.file, trace: x.trace)
    var parameters: [String: Parameter] = [:]
    for (name, parameter) in zip(names, weights) { parameters[name] = parameter }
    importer.initializer = { name, value in
      guard let parameter = parameters[name] else { return .constant(value) }
      return .tensor(parameter.tensor(in: x.trace))
    }
    let imported = try importer.importModel(
      model, dimensions: [:], known: [model.inputs[0].name: .tensor(x)])
    guard case .tensor(let y, _)? = imported.outputs.first else {
      throw ONNXError(.unsupported, "the model's first output does not depend on its input")
    }
    return y
  }
}

extension ONNXLayer: CustomReflectable {
  /// The parameters alone: whoever looks for them must not walk through the file's messages.
  public var customMirror: Mirror {
    let children = zip(names, weights).map { (label: Optional(identifier($0)), value: $1 as Any) }
    return Mirror(self, children: children, displayStyle: .struct)
  }
}

extension ONNXModel {
  /// The model as a layer whose weights train, all of them or those whose names are chosen.
  ///
  /// Throws an ``ONNXError`` for a model of several inputs.
  public func layer(trains: (_ name: String) -> Bool = { _ in true }) throws -> ONNXLayer {
    try ONNXLayer(self, trains: trains)
  }
}
