// One directory of the ONNX project's tests: a model, inputs, and the outputs that are expected.

import MartletExecution
import MartletIR
import MartletONNXFormat

/// A test directory: `model.onnx` and `test_data_set_*/input_*.pb`, `output_*.pb`.
package struct ConformanceTest: Sendable {
  /// What came of it.
  package enum Outcome: Sendable, Hashable {
    case passed
    case failed(String)
    case unsupported(String)
  }
  package let name: String
  package let path: String

  package init(name: String, path: String) {
    self.name = name
    self.path = path
  }

  /// The tests in a directory, by name; folders may be links.
  package static func all(in folder: String) -> [ConformanceTest] {
    (FileSystem.names(in: folder) ?? []).sorted().compactMap { name in
      let path = FileSystem.join(folder, name)
      guard FileSystem.exists(FileSystem.join(path, "model.onnx")) else { return nil }
      return ConformanceTest(name: name, path: path)
    }
  }

  /// Runs all data sets. The operator that the test is of, and the outcome.
  package func run(
    limits: ONNXLimits, options: CompileOptions, tolerance: Tolerance = .onnx
  ) -> (operation: String, outcome: Outcome) {
    var operation = "?"
    do {
      let model = try ONNXModel(
        contentsOf: FileSystem.join(path, "model.onnx"), limits: limits)
      operation = ConformanceTest.operation(of: model, name)
      let sets = (FileSystem.names(in: path) ?? []).filter { $0.hasPrefix("test_data_set_") }
      guard !sets.isEmpty else { return (operation, .failed("there is no data set")) }
      for set in sets.sorted() {
        let folder = FileSystem.join(path, set)
        var inputs: [String: ONNXValue] = [:]
        for (index, port) in model.inputs.enumerated() {
          let file = FileSystem.join(folder, "input_\(index).pb")
          guard FileSystem.exists(file) else { continue }
          inputs[port.name] = try model.file.value(
            FileSystem.read(file, limit: limits.bytes), port.kind)
        }
        let outputs = try model.run(values: inputs, options: options)
        for (index, port) in model.outputs.enumerated() {
          let file = FileSystem.join(folder, "output_\(index).pb")
          guard FileSystem.exists(file) else { continue }
          let expected = try model.file.value(
            FileSystem.read(file, limit: limits.bytes), port.kind)
          guard let got = outputs[port.name] else {
            return (operation, .failed("the output '\(printable(port.name))' is missing"))
          }
          if let why = got.difference(from: expected, tolerance) {
            return (operation, .failed("output '\(printable(port.name))': \(why)"))
          }
        }
      }
      return (operation, .passed)
    } catch let error as ONNXError where error.code == .unsupported {
      return (operation, .unsupported(error.description))
    } catch {
      return (operation, .failed("\(error)"))
    }
  }

  /// A node test is of its one node's operator; a test of a function's body is named after it.
  private static func operation(of model: ONNXModel, _ name: String) -> String {
    let nodes = model.file.model.graph.node
    let spelled = nodes.map {
      let domain = Importer.canonical($0.domain)
      return domain.isEmpty ? $0.opType : "\(domain).\($0.opType)"
    }
    if spelled.count == 1 { return printable(spelled[0]) }
    let plain = name.replacing("_", with: "").lowercased()
    // Not `contains`: beside a module that imports Foundation, it would be Foundation's.
    let named = spelled.filter {
      plain.firstRange(of: $0.lowercased()) != nil && $0 != "Constant"
    }
    .max { $0.count < $1.count }
    return printable(named ?? spelled.first { $0 != "Constant" } ?? "(none)")
  }
}
