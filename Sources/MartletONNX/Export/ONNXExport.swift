// Programs as ONNX files.

import MartletExecution
import MartletIR
import MartletONNXFormat
import MartletOps
import SwiftProtobuf

/// Writes programs as ONNX models of operator set 21.
///
///     let predict = try compile(TensorSpec([1, 28, 28, 1], name: "images")) { model($0) }
///     try ONNXExport(predict.program, outputs: ["logits"]).write(to: "lenet5.onnx")
///
/// The file holds the program's graph as it was traced, with the values of its parameters now, under
/// their paths (`convolution1.weight`); nodes are named after the layers that they come from. Shapes
/// are those that the program was compiled for. Convolutions and pools get ONNX's order of axes, with
/// transpositions only where the two orders meet.
public struct ONNXExport: Sendable {
  /// The version of the default operator set that files ask for.
  public static let opset = 21
  /// The file's bytes.
  public let bytes: [UInt8]

  /// Translates a program.
  ///
  /// - Parameters:
  ///   - program: a program that assigns no state and draws no random numbers.
  ///   - outputs: names for the results, in order; the program's own where the list ends.
  ///   - metadata: pairs for the file's properties.
  ///
  /// Throws an ``ONNXError`` that names all operations that have no translation, and a `RunError`
  /// when parameters cannot be read.
  public init(
    _ program: Program, outputs: [String] = [], metadata: [String: String] = [:]
  ) throws {
    // In the order of the graph's own parameters; a closure's layers may have no names yet.
    var taken: Set<String> = []
    let states = program.state.enumerated().map { index, item -> GraphExporter.State in
      let path = item.variable.path
      let isUnique = !path.isEmpty && taken.insert(path).inserted
      return GraphExporter.State(name: isUnique ? path : "parameter\(index)") {
        try item.variable.read()
      }
    }
    try self.init(
      program.traced, name: program.options.name, outputs: outputs, metadata: metadata,
      states: states)
  }

  /// Translates a graph; `states` are its state parameters, in order.
  init(
    _ graph: Graph, name: String, outputs: [String] = [], metadata: [String: String] = [:],
    states: [GraphExporter.State]
  ) throws {
    let exporter = try GraphExporter(ONNXExport.inlined(graph), states: states)
    var exported = try exporter.export(outputs: outputs)
    exported.name = identifier(name)
    var model = OnnxModelProto()
    model.irVersion = 10
    model.producerName = "Martlet"
    var set = OnnxOperatorSetIdProto()
    set.version = Int64(ONNXExport.opset)
    model.opsetImport = [set]
    model.metadataProps = metadata.sorted { $0.key < $1.key }.map { key, value in
      var entry = OnnxStringStringEntryProto()
      entry.key = key
      entry.value = value
      return entry
    }
    model.graph = exported
    // A message's length is an i32.
    let size = exported.initializer.reduce(0) { $0 + $1.rawData.count }
    guard size < 1 << 31 - 1 << 24 else {
      throw ONNXError(
        .limit, "the parameters take \(size) bytes, more than one ONNX file holds",
        hint: "write them as .safetensors")
    }
    do {
      bytes = try model.serializedBytes()
    } catch {
      throw ONNXError(.limit, "the model is too large for one ONNX file")
    }
  }

  /// Writes the file: beside its name first, then under it.
  public func write(to path: String) throws { try FileSystem.write(bytes, to: path) }

  /// The graph with the bodies of its calls in their places.
  private static func inlined(_ graph: Graph) -> Graph {
    guard graph.nodes.contains(where: { $0.op is Call }) else { return graph }
    var flat = Graph(name: graph.name)
    var map: [Value: Value] = [:]
    for parameter in graph.parameters {
      map[parameter.value] = flat.addParameter(
        graph.type(parameter.value), name: parameter.name, role: parameter.role)
    }
    func append(_ body: Graph, _ map: inout [Value: Value]) {
      for node in body.nodes {
        let operands = node.operands.compactMap { map[$0] }
        if node.op is Call, let called = node.regions.first {
          var inner: [Value: Value] = [:]
          for (parameter, operand) in zip(called.parameters, operands) {
            inner[parameter.value] = operand
          }
          append(called, &inner)
          for (result, output) in zip(node.results, called.outputs) {
            map[result] = inner[output.value]
          }
          continue
        }
        let results = flat.append(
          node.op, operands, types: node.results.map { body.type($0) }, regions: node.regions,
          location: node.location)
        for (old, new) in zip(node.results, results) { map[old] = new }
      }
    }
    append(graph, &map)
    for output in graph.outputs {
      if let value = map[output.value] {
        flat.addOutput(value, name: output.name, role: output.role)
      }
    }
    return flat
  }
}
