// State: who sees which values, copies and snapshots, initial values, frozen programs.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTestSupport
import Testing

/// 3 → 4 → 2, with a name for each layer.
struct Small: Layer {
  let hidden = Linear(3, 4)
  let output = Linear(4, 2)
  func callAsFunction(_ x: Tensor) -> Tensor { output(tanh(hidden(x))) }
}

func smallStep(
  _ model: some Layer, batch: Int = 4, _ optimizer: some Optimizer = SGD(learningRate: 0.5),
  options: CompileOptions? = nil
) throws -> TrainingStep {
  try compile(
    training: model, with: optimizer, TensorSpec([batch, 3], name: "x"),
    TensorSpec([batch], .int32, name: "labels"), options: options ?? testOptions()
  ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
}

func smallInput(_ rows: Int) throws -> NDArray {
  try NDArray((0..<rows * 3).map { Float($0 % 7) / 7 - 0.4 }, shape: [rows, 3])
}

func smallLabels(_ rows: Int) throws -> NDArray { try NDArray((0..<rows).map { Int32($0 % 2) }) }

/// What the model computes, in plain Swift.
private func reference(_ model: Small, _ x: [Float]) throws -> [Float] {
  func dense(_ x: [Float], _ layer: Linear) throws -> [Float] {
    let w = try layer.weight.value().floats
    let b = try #require(try layer.bias?.value().floats)
    let (inputs, outputs) = (layer.weight.shape[0], layer.weight.shape[1])
    return (0..<x.count / inputs).flatMap { row in
      (0..<outputs).map { j in
        (0..<inputs).reduce(b[j]) { $0 + x[row * inputs + $1] * w[$1 * outputs + j] }
      }
    }
  }
  let hidden = try dense(x, model.hidden).map { 1 - 2 / (exponential(2 * Double($0)) + 1) }
  return try dense(hidden.map(Float.init), model.output)
}

private func exponential(_ x: Double) -> Double {
  // The series on a 1,024th of the argument, squared back: no libm import in a test.
  let y = x / 1024
  var term = 1.0
  var sum = 1.0
  for k in 1...12 {
    term *= y / Double(k)
    sum += term
  }
  for _ in 0..<10 { sum *= sum }
  return sum
}

@Test func predictCompiledBeforeTrainingSeesTrainedWeights() throws {
  let model = Small()
  let x = try smallInput(4)
  let predict = try compile(TensorSpec([4, 3]), options: testOptions()) { model($0) }
  let before = try predict(x).floats
  let step = try smallStep(model)
  for _ in 0..<10 { _ = try step(x, try smallLabels(4)) }
  let after = try predict(x).floats
  #expect(before != after)
  for (got, expected) in zip(after, try reference(model, x.floats)) {
    #expect(abs(got - expected) < 1e-5)
  }
}

@Test func shortLastBatch() throws {
  let model = Small()
  let step = try smallStep(model)
  _ = try step(try smallInput(4), try smallLabels(4))
  let weights = try model.hidden.weight.value().floats
  let short = try step.resized(batch: 3)
  #expect(try step.resized(batch: 3) === short)
  #expect(try step.resized(batch: 4) === step)
  let loss = try short(try smallInput(3), try smallLabels(3)).item()
  #expect(loss.isFinite)
  #expect(try model.hidden.weight.value().floats != weights)
  let predict = try compile(TensorSpec([4, 3]), options: testOptions()) { model($0) }
  let rows = try predict.resized(batch: 1)(try smallInput(1))
  #expect(rows.shape == [1, 2])
  // A row's result does not depend on the batch around it.
  let all = try predict(try smallInput(4)).floats
  #expect(rows.floats == Array(all[0..<2]))
}

@Test func auxiliaryOutputsAndTapsByName() throws {
  let model = Small()
  let step = try compile(
    training: model, with: SGD(learningRate: 0.1), TensorSpec([4, 3]), TensorSpec([4], .int32),
    options: testOptions()
  ) { x, y in
    let logits = tap("logits", model(x))
    return (
      softmaxCrossEntropy(logits: logits, labels: y),
      ["accuracy": accuracy(logits: logits, labels: y), "doubled": logits * 2]
    )
  }
  let result = try step(try smallInput(4), try smallLabels(4))
  #expect(Set(result.auxiliary.keys) == ["accuracy", "doubled", "logits"])
  let logits = try #require(result.auxiliary["logits"]).floats
  let doubled = try #require(result.auxiliary["doubled"]).floats
  #expect(doubled == logits.map { $0 * 2 })
  let right = (0..<4).filter { (logits[2 * $0 + 1] > logits[2 * $0]) == ($0 % 2 == 1) }.count
  let share = try #require(result.auxiliary["accuracy"]).item()
  #expect(share == Double(right) / 4)
}

@Test func gradientsAreTensors() throws {
  // d/dw of |dL/dw|² for L = Σ (x·w)²/2 with one weight a row: L′ = w·Σx², (L′²)′ = 2·w·(Σx²)².
  struct Scale: Layer {
    let w = Parameter([1], initializer: .constant(3))
    func callAsFunction(_ x: Tensor) -> Tensor { x * w.tensor(in: x.trace) }
  }
  let model = Scale()
  let function = try compile([TensorSpec([2])], options: testOptions()) { inputs in
    let y = model(inputs[0])
    let (_, first) = valueAndGrad((y * y).sum() * 0.5, wrt: model)
    guard let gradient = first[model.w] else { return [] }
    let (square, second) = valueAndGrad((gradient * gradient).sum(), wrt: model)
    guard let again = second[model.w] else { return [] }
    return [gradient, square, again, gradient * 2 + again]
  }
  let results = try function.run([try NDArray([1 as Float, 2])]).map { $0.floats }
  #expect(results == [[15], [225], [150], [180]])
}

@Test func copiesShareParameters() throws {
  let model = Small()
  let copy = model
  let step = try smallStep(model)
  _ = try step(try smallInput(4), try smallLabels(4))
  let (mine, theirs) = (try model.hidden.weight.value(), try copy.hidden.weight.value())
  #expect(mine.floats == theirs.floats)
  try copy.output.weight.set(try NDArray(zeros: [4, 2]))
  #expect(try model.output.weight.value().floats == [Float](repeating: 0, count: 8))
}

@Test func snapshotsRestore() throws {
  let model = Small()
  let x = try smallInput(4)
  let step = try smallStep(model)
  let predict = try compile(TensorSpec([4, 3]), options: testOptions()) { model($0) }
  _ = try step(x, try smallLabels(4))
  let snapshot = try model.snapshot()
  let before = try predict(x).floats
  let paths: Set = ["hidden.weight", "hidden.bias", "output.weight", "output.bias"]
  #expect(Set(snapshot.values.keys) == paths)
  for _ in 0..<5 { _ = try step(x, try smallLabels(4)) }
  #expect(try predict(x).floats != before)
  try snapshot.restore(into: model)
  #expect(try predict(x).floats == before)
  // Into another model of the same structure; into one of another structure it is refused.
  let other = Small()
  try snapshot.restore(into: other)
  let twin = try compile(TensorSpec([4, 3]), options: testOptions()) { other($0) }
  #expect(try twin(x).floats == before)
  let values = try model.snapshot()
  #expect(throws: RunError.self) { try values.restore(into: Linear(3, 4)) }
  struct Wide: Layer {
    let hidden = Linear(3, 5)
    let output = Linear(5, 2)
    func callAsFunction(_ x: Tensor) -> Tensor { output(hidden(x)) }
  }
  let wide = Wide()
  let untouched = try wide.snapshot()
  #expect(throws: RunError.self) { try values.restore(into: wide) }
  let still = try wide.snapshot().values.mapValues(\.floats)
  #expect(still == untouched.values.mapValues(\.floats))
  // A part of a model names its parameters after itself.
  #expect(Set(try model.hidden.snapshot().values.keys) == ["weight", "bias"])
}

@Test func frozenProgramsKeepTheirValues() throws {
  let model = Small()
  let x = try smallInput(4)
  let step = try smallStep(model)
  let live = try compile(TensorSpec([4, 3]), options: testOptions()) { model($0) }
  let before = try live(x).floats
  let frozen = try compile(frozen: model, TensorSpec([4, 3]), options: testOptions()) { model($0) }
  #expect(frozen.program.state.isEmpty)
  for _ in 0..<5 { _ = try step(x, try smallLabels(4)) }
  #expect(try frozen(x).floats == before)
  #expect(try live(x).floats != before)
  // Another batch size, compiled after training, has the frozen values too.
  #expect(try frozen.resized(batch: 2)(try smallInput(2)).floats == Array(before[0..<4]))
}

@Test func frozenStateCannotBeAssigned() throws {
  let norm = BatchNorm(3)
  let function = try compile(frozen: norm, TensorSpec([4, 3]), options: testOptions()) { norm($0) }
  #expect(try function(try smallInput(4)).shape == [4, 3])
  #expect(throws: CompileError.self) {
    _ = try compile(frozen: norm, TensorSpec([4, 3]), options: testOptions()) { x in
      norm.runningMean.assign(x.sum(axes: [0]))
      return x
    }
  }
}

@Test func initialValuesDependOnSeedAndPathAlone() throws {
  struct Pair: Layer {
    let a: Linear
    let b: Linear
    init(reversed: Bool) {
      if reversed {
        b = Linear(3, 3)
        a = Linear(3, 3)
      } else {
        a = Linear(3, 3)
        b = Linear(3, 3)
      }
    }
    func callAsFunction(_ x: Tensor) -> Tensor { b(a(x)) }
  }
  func values(reversed: Bool, predictFirst: Bool, seed: UInt64 = 0) throws -> [String: [Float]] {
    let model = Pair(reversed: reversed)
    var options = try testOptions()
    options.seed = seed
    if predictFirst {
      _ = try compile(TensorSpec([1, 3]), options: options) { model.b($0) }
      _ = try compile(TensorSpec([1, 3]), options: options) { model($0) }
    }
    _ = try smallStep(model, options: options)
    return Dictionary(
      uniqueKeysWithValues: try model.parameters.map { ($0.path, try $0.value().floats) })
  }
  let expected = try values(reversed: false, predictFirst: false)
  #expect(expected["a.weight"] != expected["b.weight"])
  #expect(try values(reversed: true, predictFirst: false) == expected)
  #expect(try values(reversed: false, predictFirst: true) == expected)
  #expect(try values(reversed: false, predictFirst: false, seed: 1) != expected)
}
