// Every workload of `martlet bench`, exported: one step gives what the step in process gives.

import MartletCodegen
import MartletExecution
import MartletExport
import MartletIR
import MartletWorkloads
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// `make slow` is running: minutes are there.
let isSlow = getenv("MARTLET_SLOW") != nil

/// One workload, one step: results and state after the step in C and after the step in process.
private func expectEqualStep(_ name: String, _ form: EmissionForm, flags: String) throws {
  guard let compiler = Compiler.found.first else {
    print("skipped: \(name) (needs gcc or clang)")
    return
  }
  let workload = try #require(Workload.named(name))
  let prepared = try workload.prepare()
  let built = try prepared.build(try CompileOptions())
  let program = built.program
  // Written before the first step in process: both begin with the same weights.
  let isTraining = built.training != nil
  let rate = built.training.map { "\(Float($0.learningRate))f" } ?? ""
  let exported = try Exported(
    name, run: isTraining ? nil : program, train: isTraining ? program : nil,
    inputs: prepared.inputs, rate: rate
  ) {
    $0.form = form
    $0.weights = .file
  }
  let got = try exported.run(compiler.rawValue, "\(flags) \(native)")
  let results = try built.step(prepared.inputs)
  var at = 0
  for (index, result) in results.enumerated() {
    let expected = result.withUnsafeBytes { Array($0) }
    let own = Array(got[at..<(at + expected.count)])
    at += expected.count
    let error = difference(own, expected)
    #expect(error <= 1e-5, "\(name), \(form): result \(index)")
    // In tile form the same primitives run in the same order.
    // Compared outside: a failure would print every byte.
    let isSame = form == .scalar || own == expected
    #expect(isSame, "\(name): bits of result \(index), \(error) apart")
  }
  #expect(at == got.count)
  guard !program.state.isEmpty else { return }
  let states = try exported.state(of: program)
  for (item, own) in zip(program.state, states) {
    let array = try #require(try item.variable.read())
    let expected = array.withUnsafeBytes { Array($0) }
    guard array.dtype == .float32 else {
      let isSame = own == expected
      #expect(isSame, "\(name), \(form): \(item.variable.path)")
      continue
    }
    let error = difference(own, expected)
    #expect(error <= 1e-5, "\(name), \(form): \(item.variable.path) off by \(error)")
    let isSame = form == .scalar || own == expected
    #expect(isSame, "\(name): bits of \(item.variable.path)")
  }
}

@Suite(.serialized) struct SuiteTests {
  /// Those that take less than a second, compiled without optimisation.
  @Test(arguments: ["mlp_tiny", "lstm_small"], EmissionForm.allCases)
  func small(_ name: String, _ form: EmissionForm) throws {
    try expectEqualStep(name, form, flags: "-O0")
  }

  @Test(
    .enabled(if: isSlow, "minutes: make slow"), arguments: Workload.all.map(\.name),
    EmissionForm.allCases)
  func whole(_ name: String, _ form: EmissionForm) throws {
    try expectEqualStep(name, form, flags: "-O1")
  }
}
