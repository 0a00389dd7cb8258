// Each loss and each optimizer of `martlet compile --train`, as C: the losses of the first steps, and
// what is in the state behind them, are those of the program in process.

import MartletCodegen
import MartletExecution
import MartletExport
import MartletIR
import MartletNN
import MartletOps
import Testing

/// The losses of `--loss`, each with targets that it is meant for.
private enum Loss: String, CaseIterable {
  case crossEntropy, binaryCrossEntropy, hinge, meanSquaredError, meanAbsoluteError, huber

  func callAsFunction(_ y: Tensor, _ targets: Tensor) -> Tensor {
    switch self {
    case .crossEntropy: softmaxCrossEntropy(logits: y, labels: targets)
    case .binaryCrossEntropy: sigmoidCrossEntropy(logits: y, labels: targets)
    case .hinge: MartletOps.hinge(y, targets)
    case .meanSquaredError: MartletOps.meanSquaredError(y, targets)
    case .meanAbsoluteError: MartletOps.meanAbsoluteError(y, targets)
    case .huber: MartletOps.huber(y, targets)
    }
  }

  func targets(_ rows: Int, _ columns: Int) throws -> (TensorSpec, NDArray) {
    let shape: Shape = [rows, columns]
    let spec = TensorSpec(shape, name: "targets")
    let numbers = try array(shape, seed: 5, scale: 3).floats
    switch self {
    case .crossEntropy:
      return (TensorSpec([rows], .int32, name: "labels"), try labels(rows, below: columns))
    case .binaryCrossEntropy:
      return (spec, try NDArray(numbers.map { Float($0 > 0 ? 1 : 0) }, shape: shape))
    case .hinge: return (spec, try NDArray(numbers.map { Float($0 > 0 ? 1 : -1) }, shape: shape))
    default: return (spec, try NDArray(numbers, shape: shape))
    }
  }
}

/// The rules of `--optimizer`.
private let optimizers: [(name: String, rule: any Optimizer)] = [
  ("sgd", SGD()), ("momentum", Momentum()), ("nesterov", Nesterov()), ("adagrad", AdaGrad()),
  ("rmsprop", RMSProp()), ("adadelta", Adadelta()), ("adam", Adam()), ("adamw", AdamW()),
  ("nadam", NAdam()), ("lion", Lion()),
]

@Suite(.serialized) struct TrainingRulesTests {
  private func check(
    _ loss: Loss, _ optimizer: String, _ compiler: Compiler, _ form: EmissionForm
  ) throws {
    let (rows, columns, steps) = (6, 3, 20)
    let model = MLP([5, 9, columns])
    let (spec, targets) = try loss.targets(rows, columns)
    func make(_ rule: some Optimizer) throws -> TrainingStep {
      try compile(training: model, with: rule, TensorSpec([rows, 5], name: "x"), spec) {
        loss(model($0), $1)
      }
    }
    let rule = try #require(optimizers.first { $0.name == optimizer }).rule
    let step = try make(rule)
    let inputs = [try array([rows, 5], scale: 2), targets]
    let exported = try Exported(
      "rules", run: nil, train: step.program, inputs: inputs, rate: "0.0625f"
    ) { $0.form = form }
    var expected: [UInt8] = []
    var losses: [Double] = []
    for _ in 0..<steps {
      let loss = try step.run(inputs, learningRate: 0.0625).loss
      expected += loss.withUnsafeBytes { Array($0) }
      losses.append(try loss.item())
    }
    let what = "\(loss), \(optimizer), \(compiler), \(form)"
    let got = try exported.run(compiler.rawValue, "-O0 \(native)", steps: steps)
    #expect(difference(got, expected) <= 1e-5, "\(what): losses")
    let isSame = form == .scalar || got == expected
    #expect(isSame, "\(what): bits of the losses")
    // Equal numbers say little if nothing was learnt.
    #expect(Set(losses).count > steps / 2, "\(what): \(losses)")
    let states = try exported.state(of: step.program)
    for (item, own) in zip(step.program.state, states) {
      let array = try #require(try item.variable.read())
      let bytes = array.withUnsafeBytes { Array($0) }
      let isEqual =
        own == bytes || form == .scalar && array.dtype == .float32 && difference(own, bytes) <= 1e-5
      #expect(isEqual, "\(what): \(item.variable.path)")
    }
  }

  /// Three pairs in `make test`; the other losses and rules are in the suite's own models there.
  @Test func rulesInCGiveWhatTheyGiveInProcess() throws {
    guard let compiler = Compiler.found.first else {
      print("skipped: losses and optimizers in C (needs gcc or clang)")
      return
    }
    for (loss, optimizer) in [
      (Loss.huber, "lion"), (.hinge, "nadam"), (.binaryCrossEntropy, "adadelta"),
    ] { try check(loss, optimizer, compiler, .tile) }
  }

  @Test(.enabled(if: isSlow, "a minute: make slow"), arguments: EmissionForm.allCases)
  func allRules(_ form: EmissionForm) throws {
    for compiler in Compiler.found {
      for loss in Loss.allCases { try check(loss, "momentum", compiler, form) }
      for (optimizer, _) in optimizers { try check(.meanSquaredError, optimizer, compiler, form) }
    }
  }
}
