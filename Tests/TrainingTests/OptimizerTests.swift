// Every rule, decay, clipping and schedule against PyTorch (or, where PyTorch has none, against the
// textbook's formula) over 50 steps with a falling learning rate, in float64 and float32.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTestSupport
import Testing

private struct Affine: Layer {
  let weight: Parameter
  let bias: Parameter
  init(_ dtype: DType) {
    weight = Parameter([4, 3], dtype, initializer: .zeros)
    bias = Parameter([3], dtype, initializer: .zeros)
  }
  func callAsFunction(_ x: Tensor) -> Tensor {
    tanh(matmul(x, weight.tensor(in: x.trace)) + bias.tensor(in: x.trace))
  }
}

private let rules: [String: any Optimizer] = [
  "sgd": SGD(), "momentum": Momentum(),
  "momentum-velocity": Momentum(form: .velocity),
  "momentum-accumulated": Momentum(form: .accumulated),
  "momentum-average": Momentum(form: .exponentialAverage),
  "nesterov": Nesterov(form: .scaledVelocity),
  "adagrad": AdaGrad(epsilonPlace: .outsideRoot),
  "adagrad-inside": AdaGrad(epsilon: 1e-3),
  "rmsprop": RMSProp(decay: 0.9, epsilonPlace: .outsideRoot),
  "rmsprop-centered": RMSProp(
    decay: 0.9, momentum: 0.5, epsilon: 1e-3, epsilonPlace: .outsideRoot, centered: true),
  "rmsprop-corrected": RMSProp(decay: 0.9, momentum: 0.5, epsilon: 1e-3, correctsBias: true),
  "adadelta": Adadelta(),
  "adam": Adam(), "adam-l2": Adam().weightDecay(0.1, form: .l2),
  "adamw": AdamW(weightDecay: 0.1), "nadam": NAdam(),
  "lion": Lion().weightDecay(0.1, of: .all),
  "clip-value": SGD().clipping(value: 0.05), "clip-norm": SGD().clipping(norm: 0.1),
  "clip-global-norm": Adam().clipping(globalNorm: 0.1),
  "max-norm": SGD().maxNorm(0.8), "accumulation": Adam().accumulating(5),
  "sgd-l2": SGD().weightDecay(0.1, form: .l2),
  "rmsprop-momentum": RMSProp(
    decay: 0.9, momentum: 0.9, epsilon: 1e-3, epsilonPlace: .outsideRoot),
  "nadam-l2": NAdam().weightDecay(0.1, form: .l2),
]

private func largestDifference(_ a: [Double], _ b: [Double]) -> Double {
  a.count == b.count ? zip(a, b).map { abs($0 - $1) / max(1, abs($1)) }.max() ?? 0 : .infinity
}

/// A step of `optimizer` down the fixture's mean squared error.
private func fixtureStep(
  _ model: Affine, _ optimizer: some Optimizer, _ dtype: DType
) throws -> TrainingStep {
  try compile(
    training: model, with: optimizer, TensorSpec([8, 4], dtype), TensorSpec([8, 3], dtype),
    options: testOptions()
  ) { x, y in meanSquaredError(model(x), y) }
}

private func converted(_ array: NDArray, _ dtype: DType) throws -> NDArray {
  dtype == .float64 ? array : try NDArray(array.doubles.map { Float($0) }, shape: array.shape)
}

@Test(arguments: rules.keys.sorted(), [DType.float64, .float32])
func optimizersFollowTheReference(_ name: String, _ dtype: DType) throws {
  let fixture = try Fixture("rules")
  let optimizer = try #require(rules[name])
  let model = Affine(dtype)
  try model.weight.set(try converted(try fixture["weight"], dtype))
  try model.bias.set(try converted(try fixture["bias"], dtype))
  let step = try fixtureStep(model, optimizer, dtype)
  let losses = try fixture["losses.\(name)"].doubles
  // Lion takes a sign: where rounding turns one in float32, the ways part.
  let tolerance = dtype == .float64 ? 1e-10 : name == "lion" ? 1e-2 : 1e-5
  for index in 0..<50 {
    let x = try converted(try fixture.row("x", index), dtype)
    let y = try converted(try fixture.row("y", index), dtype)
    let loss = try step(x, y, learningRate: 0.05 / (1 + 0.02 * Double(index))).item()
    #expect(
      abs(loss - losses[index]) <= tolerance * max(1, losses[index]),
      "\(name) \(dtype) loss \(index): \(loss), expected \(losses[index])")
    if index % 10 == 9 {
      let found = largestDifference(
        try model.weight.value().doubles, try fixture.row("weights.\(name)", index / 10).doubles)
      #expect(found <= tolerance, "\(name) \(dtype) weight after \(index + 1): off by \(found)")
    }
  }
  let found = largestDifference(
    try model.bias.value().doubles, try fixture["bias.\(name)"].doubles)
  #expect(found <= tolerance, "\(name) \(dtype) bias: off by \(found)")
}

/// With a constant rate, the textbooks' Nesterov and PyTorch's take the same steps.
@Test func nesterovFormsAgreeAtAConstantRate() throws {
  let fixture = try Fixture("rules")
  func run(_ form: Momentum.Form) throws -> [Double] {
    let model = Affine(.float64)
    try model.weight.set(try fixture["weight"])
    let step = try fixtureStep(model, Nesterov(learningRate: 0.05, form: form), .float64)
    for index in 0..<50 { _ = try step(try fixture.row("x", index), try fixture.row("y", index)) }
    return try model.weight.value().doubles
  }
  #expect(largestDifference(try run(.velocity), try run(.scaledVelocity)) < 1e-12)
}

@Test func groupsFreezeAndScale() throws {
  let fixture = try Fixture("rules")
  let model = Affine(.float64)
  try model.weight.set(try fixture["weight"])
  let before = try model.weight.value().doubles
  let optimizer = SGD(learningRate: 0.1).learningRate(of: .path("weight"), times: 0)
    .learningRate(of: .path("bias"), times: 0.5)
  let (x, y) = (try fixture.row("x", 0), try fixture.row("y", 0))
  _ = try fixtureStep(model, optimizer, .float64)(x, y)
  #expect(try model.weight.value().doubles == before)
  let other = Affine(.float64)
  try other.weight.set(try fixture["weight"])
  _ = try fixtureStep(other, SGD(learningRate: 0.05), .float64)(x, y)
  #expect(largestDifference(try model.bias.value().doubles, try other.bias.value().doubles) < 1e-15)
}

@Test func l1PullsByTheSign() throws {
  let fixture = try Fixture("rules")
  let (x, y) = (try fixture.row("x", 0), try fixture.row("y", 0))
  func stepped(_ optimizer: some Optimizer) throws -> [Double] {
    let model = Affine(.float64)
    try model.weight.set(try fixture["weight"])
    _ = try fixtureStep(model, optimizer, .float64)(x, y)
    return try model.weight.value().doubles
  }
  let plain = try stepped(SGD(learningRate: 0.1))
  let pulled = try stepped(SGD(learningRate: 0.1).weightDecay(0.2, form: .l1))
  let expected = zip(plain, try fixture["weight"].doubles).map {
    $0 - 0.1 * 0.2 * ($1 > 0 ? 1 : -1)
  }
  #expect(largestDifference(pulled, expected) < 1e-15)
}

@Test func averagesOfWeightsAreKeptAndSwapped() throws {
  let fixture = try Fixture("rules")
  let model = Affine(.float64)
  try model.weight.set(try fixture["weight"])
  let step = try fixtureStep(model, SGD(learningRate: 0.1).averagingWeights(decay: 0.8), .float64)
  var average = try model.weight.value().doubles
  for index in 0..<5 {
    _ = try step(try fixture.row("x", index), try fixture.row("y", index))
    average = zip(average, try model.weight.value().doubles).map { 0.8 * $0 + (1 - 0.8) * $1 }
  }
  let weights = try model.weight.value().doubles
  #expect(largestDifference(try #require(try step.averages()["weight"]).doubles, average) < 1e-14)
  try step.swapAverages()
  #expect(largestDifference(try model.weight.value().doubles, average) < 1e-14)
  try step.swapAverages()
  #expect(try model.weight.value().doubles == weights)
}

@Test func gradientNormIsReported() throws {
  let fixture = try Fixture("rules")
  let model = Affine(.float64)
  try model.weight.set(try fixture["weight"])
  let optimizer = SGD(learningRate: 1).clipping(globalNorm: 1e-3).reportingGradientNorm()
  let before = try model.weight.value().doubles + model.bias.value().doubles
  let result = try fixtureStep(model, optimizer, .float64)(
    try fixture.row("x", 0), try fixture.row("y", 0))
  let norm = try #require(result.auxiliary["gradientNorm"]).item()
  #expect(norm > 0.01)
  // What was applied is clipped: a step of length 1e-3.
  let after = try model.weight.value().doubles + model.bias.value().doubles
  let length = zip(after, before).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
  #expect(abs(length - 1e-3 * norm / (norm + 1e-6)) < 1e-9)
}

@Test func schedulesFollowPyTorch() throws {
  let fixture = try Fixture("schedules")
  let all: [String: Schedule] = [
    "exponential": .exponential(0.95), "staircase": .staircase(every: 7, factor: 0.5),
    "milestones": .milestones([5, 11, 30], factor: 0.3),
    "linear": .linear(from: 0.25, to: 1, over: 12), "polynomial": .polynomial(power: 2, over: 20),
    "cosine": .cosine(to: 0.1, over: 40),
    "restarts": .cosineRestarts(to: 0.05, first: 6, multiplier: 2),
    "one-cycle": .oneCycle(over: 41),
  ]
  for (name, schedule) in all {
    let expected = try fixture[name].doubles
    let found = largestDifference((0..<40).map { schedule.factor(at: $0) }, expected)
    #expect(found < 1e-12, "\(name): off by \(found)")
  }
}

@Test func schedulesCompose() {
  let schedule = Schedule.cosine(over: 10).warmUp(over: 5)
  #expect((0..<6).map { schedule.factor(at: $0) } == [0, 0.2, 0.4, 0.6, 0.8, 1])
  #expect(abs(schedule.factor(at: 10) - 0.5) < 1e-15 && schedule.factor(at: 99) == 0)
  let chained = Schedule.constant.followed(at: 3, by: .exponential(0.5))
  #expect((0..<6).map { chained.factor(at: $0) } == [1, 1, 1, 1, 0.5, 0.25])
  #expect((Schedule.inverseTime(decay: 1) * .exponential(0.5)).factor(at: 1) == 0.25)
  #expect(Schedule.inverseSquareRoot(2).factor(at: 4) == 1)
}

@Test func plateausLowerTheRate() {
  var plateau = Plateau(factor: 0.5, patience: 1)
  #expect(
    [1.0, 0.9, 0.95, 0.95, 0.8, 0.8, 0.8, 0.8].map { plateau.update($0) }
      == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25])
}

// MARK: - L-BFGS

private struct Pair: Layer {
  let w = Parameter([2], .float64, initializer: .constant(-1.2))
  func callAsFunction(_ x: Tensor) -> Tensor { w.tensor(in: x.trace) * x }
}

/// Rosenbrock's valley, `100(b − a²)² + (1 − a)²`: the minimum is at (1, 1).
@Test func lbfgsFollowsTheValley() throws {
  let model = Pair()
  try model.w.set(try NDArray([-1.2, 1] as [Double]))
  let fit = try LBFGS().minimize(
    model, [try NDArray([1, 1] as [Double])], options: testOptions()
  ) { inputs in
    let w = model(inputs[0])
    let (a, b) = (w[0..<1], w[1..<2])
    let valley = b - a * a
    let rest = 1 - a
    return (valley * valley * 100 + rest * rest).sum()
  }
  let w = try model.w.value().doubles
  #expect(abs(w[0] - 1) < 1e-5 && abs(w[1] - 1) < 1e-5, "\(w) after \(fit)")
  #expect(fit.ending == .converged && fit.evaluations < 80, "\(fit)")
  #expect(zip(fit.losses, fit.losses.dropFirst()).allSatisfy { $0 >= $1 })
}
