// A run's numbers as TensorBoard events.

import MartletExecution
import MartletIR
import MartletRecipeModels
import MartletTraining

/// Follows a run: scalars of each epoch, histograms of weights, some inputs, the graph.
final class EventCallback: Callback {
  private let directory: String
  private let histograms: Bool
  private let imageCount: Int
  private let writesGraph: Bool
  private var file: EventFile?
  var path: String? { file?.path }

  init(_ fields: CheckedFields, directory: String) {
    self.directory = directory
    histograms = fields.boolean("histograms") ?? true
    imageCount = fields.integer("images") ?? 8
    writesGraph = fields.boolean("graph") ?? true
  }

  func begin(_ trainer: Trainer) throws {
    let file = try EventFile(directory: directory)
    self.file = file
    if writesGraph { try file.graph(EventCallback.nodes(of: trainer.step.program.traced)) }
    let shape = trainer.training.fields[0].type.shape.dimensions
    guard shape.count == 3 else { return }
    for index in 0..<min(imageCount, trainer.training.count) {
      let values = try trainer.training.batch([index], seed: trainer.seed, epoch: 0)[0].doubles
      guard let png = RecipeRun.png(values, shape) else { continue }
      try file.image(
        "examples/\(index)", png: png, height: shape[0], width: shape[1], channels: shape[2],
        step: 0)
    }
  }

  func epoch(_ trainer: Trainer, _ record: EpochRecord) throws {
    guard let file else { return }
    for (part, measures) in [("training", record.training), ("validation", record.validation)] {
      for measure in measures {
        try file.scalar("\(part)/\(measure.name)", measure.value, step: record.steps)
      }
    }
    try file.scalar("learning rate", record.learningRate, step: record.steps)
    try file.scalar("seconds an epoch", record.seconds, step: record.steps)
    guard histograms else { return }
    for parameter in trainer.model.parameters where parameter.isTrainable {
      try file.histogram(
        "weights/\(parameter.path)", try parameter.value().doubles, step: record.steps)
    }
  }

  /// The traced graph, named by its layers.
  static func nodes(of graph: Graph) -> [EventFile.GraphNode] {
    var names: [Value: String] = [:]
    var result: [EventFile.GraphNode] = []
    var used: [String: Int] = [:]
    func unique(_ name: String) -> String {
      used[name, default: 0] += 1
      let count = used[name] ?? 1
      return count == 1 ? name : "\(name)_\(count)"
    }
    func safe(_ text: String) -> String {
      let kept = text.unicodeScalars.map { scalar -> Character in
        let isKept =
          scalar.isASCII && scalar.properties.isAlphabetic
          || ("0"..."9").contains(scalar) || "_./-".unicodeScalars.contains(scalar)
        return isKept ? Character(scalar) : "_"
      }
      let name = String(kept)
      return name.isEmpty || "./-_".contains(name.prefix(1)) ? "n" + name : name
    }
    for parameter in graph.parameters {
      let isState = parameter.role == .state
      let name = unique(safe((isState ? "state/" : "input/") + parameter.name))
      names[parameter.value] = name
      result.append(
        .init(
          name: name, operation: isState ? "VariableV2" : "Placeholder", inputs: [],
          shape: graph.type(parameter.value).shape.dimensions))
    }
    for node in graph.nodes {
      let operation = type(of: node.op).name
      let scope = node.location.scope
      let name = unique(safe(scope.isEmpty ? operation : "\(scope)/\(operation)"))
      for value in node.results { names[value] = name }
      result.append(
        .init(
          name: name, operation: operation, inputs: node.operands.compactMap { names[$0] },
          shape: node.results.first.map { graph.type($0).shape.dimensions } ?? []))
    }
    return result
  }
}
