// Fifty steps of every optimizer in both float types, schedules, and the moments of initial values,
// for rules.py.

import Martlet

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

/// By the names that scripts/make-training-fixtures.py has for them.
private let rules: [String: any Optimizer] = [
  "sgd": SGD(), "momentum": Momentum(), "sgd-l2": SGD().weightDecay(0.1, form: .l2),
  "momentum-velocity": Momentum(form: .velocity),
  "momentum-accumulated": Momentum(form: .accumulated),
  "momentum-average": Momentum(form: .exponentialAverage),
  "nesterov": Nesterov(form: .scaledVelocity),
  "adagrad": AdaGrad(epsilonPlace: .outsideRoot), "adagrad-inside": AdaGrad(epsilon: 1e-3),
  "rmsprop": RMSProp(decay: 0.9, epsilonPlace: .outsideRoot),
  "rmsprop-momentum": RMSProp(
    decay: 0.9, momentum: 0.9, epsilon: 1e-3, epsilonPlace: .outsideRoot),
  "rmsprop-centered": RMSProp(
    decay: 0.9, momentum: 0.5, epsilon: 1e-3, epsilonPlace: .outsideRoot, centered: true),
  "rmsprop-corrected": RMSProp(decay: 0.9, momentum: 0.5, epsilon: 1e-3, correctsBias: true),
  "adadelta": Adadelta(), "adam": Adam(), "adam-l2": Adam().weightDecay(0.1, form: .l2),
  "adamw": AdamW(weightDecay: 0.1), "nadam": NAdam(),
  "nadam-l2": NAdam().weightDecay(0.1, form: .l2),
  "lion": Lion().weightDecay(0.1, of: .all),
  "clip-value": SGD().clipping(value: 0.05), "clip-norm": SGD().clipping(norm: 0.1),
  "clip-global-norm": Adam().clipping(globalNorm: 0.1),
  "max-norm": SGD().maxNorm(0.8), "accumulation": Adam().accumulating(5),
]

private let schedules: [String: Schedule] = [
  "exponential": .exponential(0.95), "staircase": .staircase(every: 7, factor: 0.5),
  "milestones": .milestones([5, 11, 30], factor: 0.3),
  "linear": .linear(from: 0.25, to: 1, over: 12), "polynomial": .polynomial(power: 2, over: 20),
  "cosine": .cosine(to: 0.1, over: 40),
  "restarts": .cosineRestarts(to: 0.05, first: 6, multiplier: 2), "one-cycle": .oneCycle(over: 41),
]

private let initializers: [String: Initializer] = [
  "uniform": .uniform(-0.5, 1.5), "normal": .normal(mean: 0.3, standardDeviation: 0.7),
  "truncated-normal": .truncatedNormal(mean: 0.1, standardDeviation: 0.5),
  "xavier-uniform": .xavierUniform, "xavier-normal": .xavierNormal, "he-uniform": .heUniform,
  "he-normal": .heNormal, "lecun-normal": .lecunNormal, "orthogonal": .orthogonal(gain: 1.5),
]

func writeRules(_ arrays: inout [NamedArray]) throws {
  var draws = Draws(99)
  let x = try draws.array([50, 8, 4], .float64, -2...2)
  let y = try draws.array([50, 8, 3], .float64, -1...1)
  let w = try draws.array([4, 3], .float64, -1...1)
  let b = try draws.array([3], .float64, -0.5...0.5)
  arrays += [
    NamedArray("rules/x", x), NamedArray("rules/y", y), NamedArray("rules/w", w),
    NamedArray("rules/b", b),
  ]
  for name in rules.keys.sorted() {
    guard let optimizer = rules[name] else { continue }
    for dtype in [DType.float32, .float64] {
      func own(_ array: NDArray) throws -> NDArray {
        dtype == .float64 ? array : try NDArray(array.doubles.map { Float($0) }, shape: array.shape)
      }
      func row(_ array: NDArray, _ index: Int) throws -> NDArray {
        try own(array.rows(index..<(index + 1)).reshaped([8, array.shape[2]]))
      }
      let model = Affine(dtype)
      try model.weight.set(own(w))
      try model.bias.set(own(b))
      let step = try compile(
        training: model, with: optimizer, TensorSpec([8, 4], dtype), TensorSpec([8, 3], dtype)
      ) { x, y in meanSquaredError(model(x), y) }
      let losses = try (0..<50).map { index in
        try step(
          row(x, index), row(y, index), learningRate: 0.05 / (1 + 0.02 * Double(index))
        ).item()
      }
      let prefix = "rules/\(name)/\(dtype.rawValue)/"
      arrays.append(NamedArray(prefix + "losses", try NDArray(losses)))
      arrays.append(NamedArray(prefix + "weight", try model.weight.value()))
      arrays.append(NamedArray(prefix + "bias", try model.bias.value()))
    }
  }
  for (name, schedule) in schedules {
    arrays.append(
      NamedArray("schedules/\(name)", try NDArray((0..<40).map { schedule.factor(at: $0) })))
  }
  for (name, initializer) in initializers {
    let parameter = Parameter([400, 300], initializer: initializer)
    arrays.append(NamedArray("initializers/\(name)", try parameter.value()))
  }
  let drop = Dropout(0.3)
  let dropped = try compile(
    training: Affine(.float32), with: SGD(), TensorSpec([1000, 100]), TensorSpec([1])
  ) { x, y in (y.sum(), ["dropped": drop(x)]) }
  let ones = try NDArray([Float](repeating: 1, count: 100_000), shape: [1000, 100])
  let result = try dropped(ones, try NDArray(zeros: [1]))
  if let found = result.auxiliary["dropped"] {
    arrays.append(NamedArray("dropout/0.3", found))
  }
}
