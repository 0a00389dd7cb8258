// Transfer learning: an imported model with a new last layer, and where that goes.

import MartletExecution
import MartletIR
import MartletNN
import MartletONNXFormat
import MartletOps

/// An imported model whose last layer is a new one.
///
///     let model = try ONNXModel(contentsOf: "mobilenet.onnx")
///     let tuned = try ONNXTransfer(model, outputs: 10, input: [3, 224, 224]) { _ in false }
///     let step = try compile(training: tuned, …) { x, y in softmaxCrossEntropy(logits: tuned(x), labels: y) }
///
/// The body ends in front of the last layer with weights (``ONNXModel/featuresName()``); images that
/// come out of it are averaged over their places. The head is a ``Linear`` on these features.
public struct ONNXTransfer: Layer {
  /// The imported part.
  public let body: ONNXLayer
  /// The new layer.
  public let head: Linear
  /// Whether features are averaged over the places of images.
  let pools: Bool

  /// A model with a new head.
  ///
  /// - Parameters:
  ///   - model: A model of one input.
  ///   - outputs: How many numbers the head gives: classes, or targets.
  ///   - input: The shape of one example in the file's order of axes.
  ///   - features: The value that the head reads; found if not given.
  ///   - trains: Whether the weight of that name in the file trains on.
  ///
  /// Throws an ``ONNXError`` where the features are not found, or are neither rows nor images.
  public init(
    _ model: ONNXModel, outputs: Int, input: Shape, features: String? = nil,
    trains: (_ name: String) -> Bool = { _ in true }
  ) throws {
    body = try model.layer(output: features ?? model.featuresName(), trains: trains)
    let shape = try body.outputShape(for: Shape([2] + input.dimensions))
    guard [2, 4].contains(shape.rank), shape[0] == 2, shape[1] > 0, outputs > 0 else {
      throw ONNXError(
        .unsupported,
        "a head reads rows or images, and '\(printable(body.output))' is \(shape) for two examples")
    }
    pools = shape.rank == 4
    head = Linear(shape[1], outputs)
  }

  /// Logits, or numbers, `[batch, outputs]`.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let features = body(x)
    return head(pools && features.shape.rank == 4 ? features.mean(axes: [2, 3]) : features)
  }
}

extension ONNXModel {
  /// Operators behind the last layer with weights that a new head replaces along with it.
  private static let tail: Set<String> = [
    "Softmax", "LogSoftmax", "Sigmoid", "Identity", "Cast", "Dropout", "Flatten", "Reshape",
    "Squeeze", "Unsqueeze", "Transpose", "Add", "Sub", "Mul", "Div", "Clip",
  ]

  /// The value that the last layer with weights reads (a Gemm, MatMul or Conv): where a new head goes.
  ///
  /// Throws an ``ONNXError`` where the way from the first output to such a layer forks.
  public func featuresName() throws -> String {
    let graph = file.model.graph
    let isKnown = knownNames(graph)
    var name = outputs.first?.name ?? ""
    while let node = graph.node.first(where: { $0.output.contains(name) }) {
      let read = node.input.filter { !$0.isEmpty && !isKnown.contains($0) }
      let isDefault = Importer.canonical(node.domain).isEmpty
      if isDefault, ["Gemm", "MatMul", "Conv"].contains(node.opType), let first = node.input.first,
        read == [first]
      {
        return first
      }
      guard isDefault, ONNXModel.tail.contains(node.opType), read.count == 1 else { break }
      name = read[0]
    }
    throw ONNXError(
      .unsupported, "the model's last layer with weights is not found behind '\(printable(name))'",
      hint: "name the value that the new head is to read")
  }

  /// The first output, or where that is a Softmax or Sigmoid what this reads: what losses on logits take.
  public func logitsName() -> String {
    let name = outputs.first?.name ?? ""
    guard let node = file.model.graph.node.first(where: { $0.output.first == name }),
      ["Softmax", "LogSoftmax", "Sigmoid"].contains(node.opType),
      Importer.canonical(node.domain).isEmpty, let input = node.input.first
    else { return name }
    return input
  }

  /// Names of values that depend on no input.
  private func knownNames(_ graph: OnnxGraphProto) -> Set<String> {
    var known = Set(graph.initializer.map(\.name))
    for node in graph.node
    where Importer.reads(node).allSatisfy({ known.contains($0) }) { known.formUnion(node.output) }
    return known
  }
}
