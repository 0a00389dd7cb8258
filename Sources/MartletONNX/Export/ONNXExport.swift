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
    try self.init(
      program.traced, name: program.options.name, outputs: outputs, metadata: metadata,
      states: ONNXExport.states(program))
  }

  /// Translates a function that was compiled for two sizes of its batch, so that the file's batch is
  /// free: what differs between the two is what depends on it.
  ///
  ///     let small = try compile(TensorSpec([2, 784], name: "x")) { model($0) }
  ///     let large = try compile(TensorSpec([3, 784], name: "x")) { model($0) }
  ///     try ONNXExport(small.program, large.program, batches: (2, 3)).write(to: "mlp.onnx")
  ///
  /// - Parameters:
  ///   - batches: the two sizes, both above 1: extents of 1 broadcast.
  ///   - dimension: how the file calls the batch.
  ///
  /// Throws an ``ONNXError`` where a batch is part of what the graph computes, such as a divisor.
  public init(
    _ first: Program, _ second: Program, batches: (Int, Int), dimension: String = "batch",
    outputs: [String] = [], metadata: [String: String] = [:]
  ) throws {
    let graphs = try [first, second].map {
      try ONNXExport.translated(
        $0.traced, name: first.options.name, outputs: outputs, states: ONNXExport.states($0))
    }
    var merger = try FreeBatch(graphs[0], batches: batches, name: identifier(dimension))
    try self.init(graph: merger.merged(graphs[0], graphs[1]), metadata: metadata)
  }

  /// In the order of the graph's own parameters; a closure's layers may have no names yet.
  private static func states(_ program: Program) -> [GraphExporter.State] {
    var taken: Set<String> = []
    return program.state.enumerated().map { index, item -> GraphExporter.State in
      let path = item.variable.path
      let isUnique = !path.isEmpty && taken.insert(path).inserted
      return GraphExporter.State(name: isUnique ? path : "parameter\(index)") {
        try item.variable.read()
      }
    }
  }

  /// Translates a graph; `states` are its state parameters, in order.
  init(
    _ graph: Graph, name: String, outputs: [String] = [], metadata: [String: String] = [:],
    states: [GraphExporter.State]
  ) throws {
    try self.init(
      graph: ONNXExport.translated(graph, name: name, outputs: outputs, states: states),
      metadata: metadata)
  }

  /// The graph in ONNX's operators.
  private static func translated(
    _ graph: Graph, name: String, outputs: [String], states: [GraphExporter.State]
  ) throws -> OnnxGraphProto {
    let exporter = try GraphExporter(Expansion.expanded(graph), states: states)
    var exported = try exporter.export(outputs: outputs)
    exported.name = identifier(name)
    return exported
  }

  private init(graph exported: OnnxGraphProto, metadata: [String: String]) throws {
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
  ///
  /// - Throws: ``DataError`` where the file cannot be written.
  public func write(to path: String) throws { try FileSystem.write(bytes, to: path) }
}
