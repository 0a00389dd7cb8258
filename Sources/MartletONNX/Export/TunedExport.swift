// Imported models that were trained on, written as the files that they came from with other weights.

import MartletExecution
import MartletIR
import MartletNN
import MartletONNXFormat
import SwiftProtobuf

extension ONNXExport {
  /// The file of an imported model with the weights as they are now: same nodes, names, operator set
  /// and free dimensions.
  ///
  /// - Parameters:
  ///   - layer: The layer that was trained.
  ///   - metadata: Pairs for the file's properties, beside those that it has.
  ///
  /// Throws an ``ONNXError`` for what does not fit one file, and a `RunError` when a parameter cannot
  /// be read.
  public init(_ layer: ONNXLayer, metadata: [String: String] = [:]) throws {
    bytes = try TunedModel(layer, metadata).bytes()
  }

  /// The file of an imported model with its new head in place of the last layer: a Gemm, over a
  /// GlobalAveragePool where the features are images. Its output has the name of the file's first.
  public init(_ model: ONNXTransfer, metadata: [String: String] = [:]) throws {
    var tuned = try TunedModel(model.body, metadata)
    try tuned.replaceHead(model)
    bytes = try tuned.bytes()
  }
}

private struct TunedModel {
  private var message: OnnxModelProto

  init(_ layer: ONNXLayer, _ metadata: [String: String]) throws {
    let file = layer.model.file
    message = file.model
    var trained: [String: Parameter] = [:]
    for (name, parameter) in zip(layer.names, layer.weights) { trained[name] = parameter }
    for index in message.graph.initializer.indices {
      let tensor = message.graph.initializer[index]
      if let parameter = trained[tensor.name] {
        message.graph.initializer[index] = TunedModel.tensor(
          tensor.name, try parameter.value(), dims: tensor.dims)
      } else if tensor.dataLocation == .external {
        // The new file may lie elsewhere.
        guard let array = try file.tensor(tensor).ndArray(), array.dtype == .float32 else {
          throw ONNXError(
            .unsupported, "the tensor '\(printable(tensor.name))' lies in another file",
            hint: "save the model in one file first")
        }
        message.graph.initializer[index] = TunedModel.tensor(
          tensor.name, array, dims: tensor.dims)
      }
    }
    for (index, info) in message.graph.input.enumerated()
    where info.name == layer.model.inputs[0].name {
      guard let batch = layer.writtenBatch else { continue }
      message.graph.input[index].type.tensorType.shape.dim[0].dimValue = Int64(batch)
    }
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      message.metadataProps.removeAll { $0.key == key }
      var entry = OnnxStringStringEntryProto()
      (entry.key, entry.value) = (key, value)
      message.metadataProps.append(entry)
    }
    message.producerName = "Martlet"
    message.producerVersion = ""
  }

  mutating func replaceHead(_ model: ONNXTransfer) throws {
    var graph = message.graph
    let nodes = Importer.nodes(of: graph, giving: [model.body.output])
    var taken: Set<String> = Set(graph.input.map(\.name))
    var used: Set<String> = [model.body.output]
    for node in nodes {
      taken.formUnion(node.output)
      used.formUnion(Importer.reads(node))
    }
    graph.node = nodes
    graph.initializer.removeAll { !used.contains($0.name) }
    graph.sparseInitializer.removeAll { !used.contains($0.values.name) }
    graph.valueInfo.removeAll { !taken.contains($0.name) }
    taken.formUnion(graph.initializer.map(\.name))
    func fresh(_ name: String) -> String {
      var name = name
      while !taken.insert(name).inserted { name += "_" }
      return name
    }
    var features = model.body.output
    func append(_ type: String, _ inputs: [String], _ output: String) {
      var node = OnnxNodeProto()
      (node.opType, node.input, node.output) = (type, inputs, [output])
      node.name = fresh("head/\(type)")
      graph.node.append(node)
    }
    if model.pools {
      let (pooled, flat) = (fresh("head/pooled"), fresh("head/features"))
      append("GlobalAveragePool", [features], pooled)
      append("Flatten", [pooled], flat)
      features = flat
    }
    var inputs = [features]
    for (name, parameter) in [("head.weight", model.head.weight), ("head.bias", model.head.bias)] {
      guard let parameter else { continue }
      let name = fresh(name)
      graph.initializer.append(
        TunedModel.tensor(
          name, try parameter.value(), dims: parameter.shape.dimensions.map(Int64.init)))
      inputs.append(name)
    }
    let output = fresh(model.body.model.outputs.first?.name ?? "logits")
    append("Gemm", inputs, output)
    var info = OnnxValueInfoProto()
    info.name = output
    info.type.tensorType.elemType = 1
    info.type.tensorType.shape.dim = [.init(), .init()]
    // The batch is called as the input's.
    if let port = graph.input.first(where: { $0.name == model.body.model.inputs[0].name }),
      let first = port.type.tensorType.shape.dim.first
    {
      info.type.tensorType.shape.dim[0] = first
    }
    info.type.tensorType.shape.dim[1].dimValue = Int64(model.head.weight.shape[1])
    graph.output = [info]
    message.graph = graph
  }

  func bytes() throws -> [UInt8] {
    let size = message.graph.initializer.reduce(0) { $0 + $1.rawData.count }
    guard size < 1 << 31 - 1 << 24 else {
      throw ONNXError(.limit, "the weights take \(size) bytes, more than one ONNX file holds")
    }
    do { return try message.serializedBytes() } catch {
      throw ONNXError(.limit, "the model is too large for one ONNX file")
    }
  }

  private static func tensor(_ name: String, _ array: NDArray, dims: [Int64]) -> OnnxTensorProto {
    var tensor = OnnxTensorProto()
    tensor.name = name
    tensor.dataType = 1
    tensor.dims = dims
    tensor.rawData = .init(array.withUnsafeBytes { Array($0) })
    return tensor
  }
}
