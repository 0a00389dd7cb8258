// Exported programs give what programs in process give.

import MartletCodegen
import MartletExecution
import MartletExport
import MartletIR
import MartletJIT
import MartletNN
import MartletOps
import Testing

/// What the C of a test is compiled for: the instruction set that the process runs, so that bits agree.
let native = InstructionSet.best == .avx512 || InstructionSet.best == .avx2 ? "-march=native" : ""

func array(_ shape: Shape, seed: Int = 1, scale: Float = 1) throws -> NDArray {
  var state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 | 1
  var values: [Float] = []
  for _ in 0..<shape.count {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    values.append((Float(state >> 40) / Float(1 << 24) - 0.5) * 2 * scale)
  }
  return try NDArray(values, shape: shape)
}

func labels(_ count: Int, below bound: Int) throws -> NDArray {
  try NDArray((0..<count).map { Int32($0 * 7 % bound) }, shape: [count])
}

@Suite(.serialized) struct EqualityTests {
  @Test(arguments: EmissionForm.allCases) func lenet5(_ form: EmissionForm) throws {
    let model = LeNet5()
    let function = try compile(frozen: model, TensorSpec([3, 28, 28, 1], name: "images")) {
      model($0)
    }
    let images = try array([3, 28, 28, 1])
    let exported = try Exported("lenet5", run: function.program, inputs: [images]) {
      $0.form = form
    }
    let expected = try function.run([images])[0].withUnsafeBytes { Array($0) }
    for compiler in Compiler.found {
      let got = try exported.run(compiler.rawValue, "-O0 \(native)")
      #expect(difference(got, expected) <= 1e-5, "\(compiler)")
      #expect(got == expected, "\(compiler): bits")
    }
  }

  /// Integer inference: bits as in process, where gcc and clang have VNNI and where they have not.
  @Test(arguments: EmissionForm.allCases) func quantizedLenet5(_ form: EmissionForm) throws {
    let model = LeNet5()
    let images = try array([3, 28, 28, 1])
    let floating = try compile(frozen: model, TensorSpec([3, 28, 28, 1], name: "images")) {
      model($0)
    }
    let function = try floating.quantized(try Calibration(of: floating, over: images))
    let exported = try Exported("lenet5", run: function.program, inputs: [images]) {
      $0.form = form
    }
    let expected = try function.run([images])[0].withUnsafeBytes { Array($0) }
    for compiler in Compiler.found {
      for flags in form == .tile ? [native, "", "-mavx2 -mfma"] : [native] {
        let got = try exported.run(compiler.rawValue, "-O0 \(flags)")
        #expect(got == expected, "\(compiler) \(flags): bits")
      }
    }
  }

  @Test(arguments: EmissionForm.allCases) func lenet5Training(_ form: EmissionForm) throws {
    let model = LeNet5()
    let step = try compile(
      training: model, with: Adam(learningRate: 0.01), TensorSpec([16, 28, 28, 1], name: "images"),
      TensorSpec([16], .int32, name: "labels")
    ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
    let infer = try compile(TensorSpec([1, 28, 28, 1], name: "images")) { model($0) }
    let inputs = [try array([16, 28, 28, 1]), try labels(16, below: 10)]
    let exported = try Exported(
      "digits", run: infer.program, train: step.program, inputs: inputs
    ) { $0.form = form }
    var expected: [UInt8] = []
    for _ in 0..<20 {
      expected += try step.run(inputs, learningRate: 0.01).loss.withUnsafeBytes { Array($0) }
    }
    // Both compilers in turn: the other pairs are in hundredStepsAreEqualToTheBit.
    let other = form == .tile ? Compiler.found.first : Compiler.found.last
    for compiler in [other].compactMap({ $0 }) {
      let got = try exported.run(compiler.rawValue, "-O0 \(native)", steps: 20)
      #expect(difference(got, expected) <= 1e-5, "\(compiler)")
    }
  }
}
