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
/// model's first output, or another value of its graph. Its parameters are the `float32` initializers
/// and constants that convolutions, products, normalisations, embeddings and the like read as
/// weights, under their names in the file; what is not trained, and the running statistics of batch
/// normalisation, are constants. A file that was written for one batch takes others too, where its
/// graph allows that.
///
/// ``ONNXExport/init(_:metadata:)-(ONNXLayer,_)`` writes the file again with the weights as they are
/// by then.
public struct ONNXLayer: Layer {
  /// The parameters by their names in the file, in the file's order.
  public let weights: [Parameter]
  /// The weights that stay as they are, by their names in the file.
  public let frozen: [String]
  /// The names of ``weights`` in the file.
  public let names: [String]
  /// The value that the layer gives.
  public let output: String
  let model: ONNXModel
  /// The batch that the file was written for; nil where it says none.
  let writtenBatch: Int?

  /// The inputs of each operator that hold weights; those that only move elements pass them on.
  private static let weightInputs: [String: Set<Int>] = [
    "Conv": [1, 2], "ConvTranspose": [1, 2], "Gemm": [0, 1, 2], "MatMul": [0, 1], "Add": [0, 1],
    "Mul": [0, 1], "Sub": [0, 1], "Div": [0, 1], "BatchNormalization": [1, 2],
    "LayerNormalization": [1, 2], "GroupNormalization": [1, 2], "InstanceNormalization": [1, 2],
    "RMSNormalization": [1], "PRelu": [1], "LSTM": [1, 2, 3], "GRU": [1, 2, 3], "RNN": [1, 2, 3],
    "Gather": [0], "Einsum": [0, 1], "Identity": [0], "Transpose": [0], "Reshape": [0],
    "Squeeze": [0], "Unsqueeze": [0],
  ]

  init(_ source: ONNXModel, output: String?, trains: (String) -> Bool) throws {
    guard source.inputs.count == 1 else {
      throw ONNXError(
        .unsupported, "the model takes \(source.inputs.count) inputs, a layer takes one")
    }
    let (file, batch) = ONNXLayer.prepared(source.file, input: source.inputs[0].name)
    let graph = file.model.graph
    let first = source.outputs.first?.name ?? ""
    let result = output ?? first
    guard result == first || graph.node.contains(where: { $0.output.contains(result) }) else {
      throw ONNXError(.input, "no node of the model gives '\(printable(result))'")
    }
    self.output = result
    // A name that anything reads as something else than weights stays a constant.
    var isWeight: [String: Bool] = [:]
    for node in Importer.nodes(of: graph, giving: [result]) {
      let places =
        Importer.canonical(node.domain).isEmpty
        ? ONNXLayer.weightInputs[node.opType] ?? [] : Set<Int>()
      for (index, name) in node.input.enumerated() {
        isWeight[name] = (isWeight[name] ?? true) && places.contains(index)
      }
      for name in Importer.reads(node).subtracting(node.input) { isWeight[name] = false }
    }
    var (weights, names, frozen): ([Parameter], [String], [String]) = ([], [], [])
    for tensor in graph.initializer where tensor.dataType == 1 && isWeight[tensor.name] == true {
      let value = try file.tensor(tensor)
      guard value.count > 1, let type = value.type, let array = try value.ndArray() else {
        continue
      }
      guard trains(tensor.name) else {
        frozen.append(tensor.name)
        continue
      }
      let variable = StateVariable(type, isTrainable: true) { bytes, _, _ in
        array.withUnsafeBytes { source in bytes.copyMemory(from: source) }
      }
      variable.name(identifier(tensor.name))
      weights.append(Parameter(variable))
      names.append(tensor.name)
    }
    model = ONNXModel(file, opset: source.opset)
    self.weights = weights
    self.names = names
    self.frozen = frozen
    writtenBatch = batch
  }

  /// The file with the floats of its Constant nodes as initializers, and its batch free.
  private static func prepared(_ file: ModelFile, input: String) -> (ModelFile, batch: Int?) {
    var message = file.model
    var nodes: [OnnxNodeProto] = []
    for node in message.graph.node {
      guard node.opType == "Constant", Importer.canonical(node.domain).isEmpty,
        node.output.count == 1, node.attribute.count == 1,
        let value = node.attribute.first(where: { $0.name == "value" && $0.hasT }),
        value.t.dataType == 1
      else {
        nodes.append(node)
        continue
      }
      var tensor = value.t
      tensor.name = node.output[0]
      message.graph.initializer.append(tensor)
    }
    message.graph.node = nodes
    var batch: Int?
    for (index, info) in message.graph.input.enumerated() where info.name == input {
      guard case .tensorType(let type)? = info.type.value, type.hasShape,
        let first = type.shape.dim.first, case .dimValue(let n)? = first.value,
        n > 0
      else { continue }
      batch = Int(n)
      message.graph.input[index].type.tensorType.shape.dim[0].value = nil
    }
    return (file.replacing(message), batch)
  }

  /// The model's output for a tensor in the file's order of axes.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    do {
      return try x.trace.scoped("onnx") { Result { try value(x) } }.get()
    } catch {
      x.trace.report(
        CompileError(
          .type, operation: "onnx",
          "\(error)".split(separator: "\n").joined(separator: " "), at: x.trace.place))
      return Tensor(trace: x.trace, value: nil, type: x.type)
    }
  }

  /// The shape of the layer's result for an input, found by importing the model once.
  ///
  /// Throws an ``ONNXError`` where the model does not take the input.
  public func outputShape(for input: Shape) throws -> Shape {
    let trace = Trace(name: "shape", isTraining: false)
    defer { trace.release() }
    return try Trace.$current.withValue(trace) {
      try value(trace.argument(TensorType(.float32, input), name: "x")).shape
    }
  }

  private func value(_ x: Tensor) throws -> Tensor {
    let importer = try Importer(model.file, trace: x.trace)
    var parameters: [String: Parameter] = [:]
    for (name, parameter) in zip(names, weights) { parameters[name] = parameter }
    importer.initializer = { name, value in
      guard let parameter = parameters[name] else { return .constant(value) }
      return .tensor(parameter.tensor(in: x.trace))
    }
    importer.writtenBatch = writtenBatch
    let imported = try importer.importModel(
      model, dimensions: [:], known: [model.inputs[0].name: .tensor(x)], outputs: [output])
    guard case .tensor(let y, _)? = imported.outputs.first else {
      throw ONNXError(.unsupported, "'\(printable(output))' does not depend on the model's input")
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
  /// - Parameters:
  ///   - output: The value of the graph that the layer gives; the first output if not given.
  ///   - trains: Whether the weight of that name is a parameter.
  ///
  /// Throws an ``ONNXError`` for a model of several inputs, and for an output that is not there.
  public func layer(
    output: String? = nil, trains: (_ name: String) -> Bool = { _ in true }
  ) throws -> ONNXLayer {
    try ONNXLayer(self, output: output, trains: trains)
  }
}
