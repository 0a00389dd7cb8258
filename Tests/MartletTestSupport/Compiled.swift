// Runs graphs through the whole compiler.

import MartletExecution
import MartletIR
import MartletOps

/// Whether `make slow` asks for the tests that take minutes.
package var isSlowRun: Bool { CompileOptions.environment("MARTLET_SLOW") == "1" }

/// Options that do not depend on the environment of the test run.
package func testOptions(
  _ backend: CompileOptions.Backend = .tcc, threads: Int = 1, disable: [String] = []
) throws -> CompileOptions {
  var options = try CompileOptions()
  options.backend = backend
  options.threads = threads
  options.checks = false
  options.disabledPasses = []
  try options.disable(disable)
  return options
}

/// Compiles a graph of arguments and results and runs it once.
package func runCompiled(
  _ graph: Graph, _ inputs: [HostArray], options: CompileOptions
) throws -> [HostArray] {
  let program = try Compiler.compile(graph, state: [], written: [], options: options)
  return try run(program, inputs)
}

/// Runs a program once in a session of its own; the arena begins as NaN, so that nothing can rely on
/// zeros.
package func run(_ program: Program, _ inputs: [HostArray]) throws -> [HostArray] {
  let session = try Session(program)
  session.poisonArena()
  return try session.run(inputs.map { try NDArray($0) }).map(\.hostArray)
}

/// One graph that applies every sample to arguments of its own; results in the samples' order.
package func graph(of samples: [OpSample], name: String) throws -> Graph {
  var graph = Graph(name: name)
  var results: [Value] = []
  for (index, sample) in samples.enumerated() {
    let operands = sample.operands.enumerated().map {
      graph.addParameter($0.element, name: "x\(index)_\($0.offset)")
    }
    results += try graph.append(sample.op, operands, regions: sample.regions)
  }
  for (index, result) in results.enumerated() { graph.addOutput(result, name: "y\(index)") }
  return graph
}
