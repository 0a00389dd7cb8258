// martlet summary: a model's layers with shapes, parameters and operations.

import ArgumentParser
import Martlet
import MartletIR
import MartletONNX
import MartletRecipes

struct SummaryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "summary",
    abstract: "Print a model's layers: output shape, parameters, operations of one image.")

  @Argument(help: "lenet5, mlp, a model directory or a .mir file.")
  var model: String

  func run() throws {
    switch try ModelArgument(model) {
    case .graph(let model, _): summarize(model.graph)
    case .onnx(let model, _): summarize(model)
    case .recipe(let saved): try summarize(saved)
    case .layers(let layers, let architecture, let input, let manifest):
      var rows: [[String]] = []
      var shape = input
      var total = 0
      for layer in architecture.layers {
        let row = SummaryRow(layer, input: shape)
        shape = row.output
        total += row.flops
        rows.append([
          row.name, Shape(row.output).description,
          row.parameters > 0 ? grouped(row.parameters) : "",
          row.flops > 0 ? grouped(row.flops) : "",
        ])
      }
      let parameters = layers.parameters.reduce(0) { $0 + $1.type.count }
      rows.append(["total", "", grouped(parameters), grouped(total)])
      printTable(["layer", "output", "parameters", "FLOPs"], rows)
      guard let manifest else { return }
      printNotes(manifest, shares: true)
    }
  }

  /// - Parameter shares: Whether numbers are shares, as accuracies are.
  private func printNotes(_ manifest: ModelManifest, shares: Bool) {
    for note in manifest.notes {
      switch note.value {
      case .string(let text): Output.line("\(note.name): \(text)")
      case .integer(let number): Output.line("\(note.name): \(number)")
      case .number(let number):
        Output.line(
          "\(note.name): " + (shares ? "\(fixed(number * 100, 2)) %" : NumberText.short(number)))
      default: break
      }
    }
  }

  private func summarize(_ saved: SavedRecipe) throws {
    // Named as the whole model's first: a layer by itself would name them by their place in it.
    let parameters = saved.problem.model.parameters
    var rows: [[String]] = []
    for row in saved.problem.rows {
      let count = row.layer.parameters.reduce(0) { $0 + $1.type.count }
      rows.append([
        row.path, row.name, Shape(row.output).description, count > 0 ? grouped(count) : "",
      ])
    }
    let total = parameters.reduce(0) { $0 + $1.type.count }
    rows.append(["total", "", "", grouped(total)])
    printTable(["place", "layer", "output", "parameters"], rows, leftColumns: 3)
    let report = try saved.program(batch: 1, training: false, CompileOptions()).report
    Output.line("one input: \(flops(report.flops)), \(report.kernels) kernels")
    let shape = saved.manifest.inputShape.map(String.init).joined(separator: " × ")
    if let table = saved.table {
      Output.line("input: \(shape), of \(table.columns.map(\.name).joined(separator: ", "))")
    } else {
      Output.line("input: \(shape)" + (saved.fit.map { ", pictures: \($0.rawValue)" } ?? ""))
    }
    for task in saved.problem.tasks {
      let kind =
        task.target.classes.map { $0.joined(separator: ", ") }
        ?? (task.target.width == 1 ? "a number" : "\(task.target.width) numbers")
      Output.line("output: \(task.target.name): \(kind)")
    }
    printNotes(saved.manifest, shares: false)
  }

  private func summarize(_ model: ONNXModel) {
    for port in model.inputs { Output.line("input   \(port)") }
    for port in model.outputs { Output.line("output  \(port)") }
    let counts = model.operatorCounts
    printTable(["operator", "nodes"], counts.map { [$0.name, "\($0.count)"] })
    if let weights = try? model.layer(), !weights.weights.isEmpty {
      let rows = zip(weights.names, weights.weights).map { name, weight in
        [printable(name), weight.shape.description, grouped(weight.type.count)]
      }
      printTable(["weight", "shape", "elements"], Array(rows.prefix(1000)))
    }
    Output.line(
      "\(printable(model.name)): opset \(model.opset), \(counts.reduce(0) { $0 + $1.count }) nodes, "
        + "\(grouped(model.parameterCount)) elements of initializers")
  }

  private func summarize(_ graph: Graph) {
    var counts: [String: (nodes: Int, elements: Int)] = [:]
    for node in graph.nodes {
      let name = type(of: node.op).name
      var entry = counts[name] ?? (0, 0)
      entry.nodes += 1
      for result in node.results { entry.elements += graph.type(result).count }
      counts[name] = entry
    }
    let rows = counts.sorted { ($1.value.nodes, $0.key) < ($0.value.nodes, $1.key) }.map {
      [$0.key, "\($0.value.nodes)", grouped($0.value.elements)]
    }
    printTable(["operation", "nodes", "elements"], rows)
    let states = graph.parameters.filter { $0.role == .state }
    let elements = states.reduce(0) { $0 + graph.type($1.value).count }
    Output.line(
      "\(graph.name): \(graph.nodes.count) nodes, \(graph.parameters.count - states.count) arguments, "
        + "\(states.count) state arrays of \(grouped(elements)) elements, "
        + "\(graph.outputs.count) outputs")
  }

  private func printTable(_ head: [String], _ rows: [[String]], leftColumns: Int = 2) {
    let all = [head] + rows
    let widths = head.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    for row in all {
      var line = ""
      for (column, text) in row.enumerated() {
        line += (column > 0 ? "  " : "") + text.padded(widths[column], left: column >= leftColumns)
      }
      while line.last == " " { line.removeLast() }
      Output.line(line)
    }
  }
}

/// One layer of `model.json`, applied to an image's shape.
private struct SummaryRow {
  var name: String
  var output: [Int]
  var parameters = 0
  var flops = 0

  init(_ layer: JSONValue, input: [Int]) {
    let type = layer["type"]?.string ?? "?"
    let size = { (name: String) in layer[name]?.integer ?? 1 }
    name = type
    output = input
    switch type {
    case "conv2d":
      let (kernel, padding) = (size("kernel"), layer["padding"]?.integer ?? 0)
      let area = [input[0], input[1]].map { $0 + 2 * padding - kernel + 1 }
      name = "conv2d \(kernel)×\(kernel)"
      output = area + [size("out")]
      let weights = kernel * kernel * size("in") * size("out")
      parameters = weights + size("out")
      flops = 2 * weights * area[0] * area[1]
    case "maxPool2d":
      name = "maxPool2d \(size("window"))×\(size("window"))"
      output = [input[0] / size("window"), input[1] / size("window"), input[2]]
    case "flatten": output = [input.reduce(1, *)]
    case "linear":
      output = [size("out")]
      parameters = (size("in") + 1) * size("out")
      flops = 2 * size("in") * size("out")
    default: break
    }
  }
}
