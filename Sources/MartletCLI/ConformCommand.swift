// martlet conform: the ONNX project's own tests, counted by operator.

import ArgumentParser
import Martlet
import MartletIR
import MartletONNX

struct ConformCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "conform",
    abstract: "Run a directory of ONNX tests.",
    discussion: """
      Each folder of DIR holds model.onnx and test_data_set_*/input_*.pb, output_*.pb, as the ONNX \
      project lays them out. Outputs are compared with a relative tolerance of 1e-3 and an absolute \
      one of 1e-7.
      """)

  @Argument(help: ArgumentHelp("A directory of test folders.", valueName: "dir"))
  var directory: String
  @Flag(help: "One JSON object a test, and one with the counts.")
  var json = false
  @Option(help: ArgumentHelp("Only tests whose name contains this.", valueName: "text"))
  var filter: String?
  @Flag(help: "Print every test that did not pass, with the reason.")
  var verbose = false
  @OptionGroup var limits: LimitOptions

  struct Row {
    var passed = 0
    var failed = 0
    var unsupported = 0
  }

  func run() throws {
    guard FileSystem.isDirectory(directory) else {
      throw DataError(.notFound, "no such directory", at: directory)
    }
    var tests = ConformanceTest.all(in: directory)
    guard !tests.isEmpty else {
      throw DataError(
        .notFound, "no tests in the directory", at: directory,
        expected: "folders that hold model.onnx and test_data_set_0")
    }
    if let filter { tests = tests.filter { $0.name.contains(filter) } }
    var limits = limits.limits
    limits.bytes = self.limits.maxBytes ?? min(limits.bytes, 1 << 30)
    limits.seconds = 20
    limits.nodes = 100_000
    limits.iterations = 1 << 20
    var options = try CompileOptions()
    options.threads = 1
    var rows: [String: Row] = [:]
    var total = Row()
    for test in tests {
      let (operation, outcome) = test.run(limits: limits, options: options)
      var (status, reason) = ("passed", "")
      switch outcome {
      case .passed:
        rows[operation, default: Row()].passed += 1
        total.passed += 1
      case .failed(let why):
        rows[operation, default: Row()].failed += 1
        total.failed += 1
        (status, reason) = ("failed", why)
      case .unsupported(let why):
        rows[operation, default: Row()].unsupported += 1
        total.unsupported += 1
        (status, reason) = ("unsupported", why)
      }
      if json {
        Output.line(
          "{\"test\": \(quoted(test.name)), \"operator\": \(quoted(operation)), \"status\": \"\(status)\""
            + (reason.isEmpty ? "" : ", \"reason\": \(quoted(reason))") + "}")
      } else if verbose, !reason.isEmpty {
        Output.line("\(status): \(printable(test.name))")
        for line in reason.split(separator: "\n") { Output.line("    \(line)") }
      }
    }
    if json {
      Output.line(
        "{\"passed\": \(total.passed), \"failed\": \(total.failed), \"unsupported\": \(total.unsupported)}"
      )
      return
    }
    let width = max(8, rows.keys.map(\.count).max() ?? 0)
    Output.line("operator".padded(width) + "  passed  failed  unsupported")
    for (name, row) in rows.sorted(by: { $0.key < $1.key }) {
      Output.line(
        name.padded(width) + "  " + "\(row.passed)".padded(6, left: true) + "  "
          + "\(row.failed)".padded(6, left: true) + "  "
          + "\(row.unsupported)".padded(11, left: true))
    }
    Output.line("\(total.passed) passed, \(total.failed) failed, \(total.unsupported) unsupported")
  }

  private func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      default:
        if scalar.value < 0x20 {
          result += "?"
        } else {
          result.unicodeScalars.append(scalar)
        }
      }
    }
    return result + "\""
  }
}
