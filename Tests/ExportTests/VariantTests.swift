// Exported programs that choose their instruction set when they run, and what valgrind says of one.

import MartletExecution
import MartletExport
import MartletIR
import MartletJIT
import MartletNN
import MartletOps
import Testing

@Suite(.serialized) struct VariantTests {
  /// A training step for one instruction set, from the same first weights each time: of a small MLP,
  /// and in `make slow` of LeNet-5.
  private func step(_ isa: InstructionSet = .best) throws -> TrainingStep {
    var options = try CompileOptions()
    options.isa = isa
    func make(_ model: some Layer, _ shape: Shape) throws -> TrainingStep {
      try compile(
        training: model, with: Momentum(learningRate: 0.01), TensorSpec(shape, name: "x"),
        TensorSpec([4], .int32, name: "labels"), options: options
      ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
    }
    return isSlow ? try make(LeNet5(), [4, 28, 28, 1]) : try make(MLP([20, 33, 10]), [4, 20])
  }
  private func inputs() throws -> [NDArray] {
    [try array(isSlow ? [4, 28, 28, 1] : [4, 20]), try labels(4, below: 10)]
  }

  /// With -DMARTLET_DISPATCH one executable has all instruction sets: each gives the bits of the
  /// program in process for it.
  @Test func dispatchGivesTheBitsOfEachInstructionSet() throws {
    let sets: [(InstructionSet, has: String)] = [
      (.baseline, "(0)"), (.avx2, "(__builtin_strncmp(f, \"avx512\", 6) != 0)"), (.avx512, "(1)"),
    ]
    let here = sets.filter { $0.0.isSupported && InstructionSet.avx2.isSupported }
    guard !here.isEmpty, !Compiler.found.isEmpty else {
      print("skipped: dispatch (needs x86-64 with AVX2, and gcc or clang)")
      return
    }
    let inputs = try inputs()
    let exported = try Exported("digits", run: nil, train: try step().program, inputs: inputs)
    for (index, (isa, has)) in here.enumerated() {
      let own = try step(isa)
      var expected: [UInt8] = []
      for _ in 0..<3 {
        expected += try own.run(inputs, learningRate: 0.01).loss.withUnsafeBytes { Array($0) }
      }
      // What the CPU has is the test's to say; gcc and clang in turns.
      let compiler = Compiler.found[index % Compiler.found.count]
      let got = try exported.run(
        compiler.rawValue, "-O0 -DMARTLET_DISPATCH '-DMARTLET_CPU_HAS(f)=\(has)'", steps: 3)
      #expect(got == expected, "\(isa) by \(compiler)")
    }
    // The machine's own choice.
    let own = try step()
    var expected: [UInt8] = []
    for _ in 0..<2 {
      expected += try own.run(inputs, learningRate: 0.01).loss.withUnsafeBytes { Array($0) }
    }
    let got = try exported.run(Compiler.found[0].rawValue, "-O0 -DMARTLET_DISPATCH", steps: 2)
    #expect(got == expected)
  }

  /// Kernels of two precisions share parts of the runtime that the program itself does not call.
  @Test func twoPrecisionsLinkWithEveryInstructionSet() throws {
    guard let compiler = Compiler.found.first else { return }
    let x = try array([5, 40])
    let function = try compile(TensorSpec([5, 40], name: "x")) { x in
      x.max(axes: [1]) + x.converted(to: .float64).max(axes: [1]).converted(to: .float32)
    }
    let exported = try Exported("rows", run: function.program, inputs: [x])
    let got = try exported.run(compiler.rawValue, "-O0 -DMARTLET_DISPATCH")
    let expected = try function.run([x])[0].withUnsafeBytes { Array($0) }
    #expect(got == expected)
  }

  @Test func valgrindFindsNothing() throws {
    guard shell("command -v valgrind > /dev/null") == 0, let compiler = Compiler.found.first else {
      print("skipped: valgrind (needs valgrind and a C compiler)")
      return
    }
    let exported = try Exported(
      "digits", run: nil, train: try step().program, inputs: try inputs())
    // Valgrind knows no AVX-512.
    let flags = InstructionSet.avx2.isSupported ? "-mavx2 -mfma -mbmi2" : ""
    for threads in isSlow ? [1, 3] : [1] {
      let got = try exported.run(
        compiler.rawValue, "-O1 -g \(flags) -DMARTLET_THREADS=\(threads) -pthread", steps: 2,
        prefix: "valgrind -q --error-exitcode=9 --leak-check=no")
      #expect(got.count == 8)
    }
  }
}
