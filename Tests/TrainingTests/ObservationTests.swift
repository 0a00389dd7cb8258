// What a training step tells of itself on request, and what it says of numbers that are none.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTestSupport
import Testing

private struct Network: Layer {
  let first = Linear(6, 8)
  let second = Linear(8, 8)
  let norm = LayerNorm(8)
  let output = Linear(8, 3)
  let drop = Dropout(0.3)
  func callAsFunction(_ x: Tensor) -> Tensor {
    let h = tanh(norm(second(drop(relu(first(x))))))
    return output(h + second(h))
  }
}

private func batch(_ index: Int) throws -> [NDArray] {
  var generator = SplitMix64(seed: UInt64(index))
  return [
    try NDArray(.random(TensorType(.float32, [5, 6]), in: -2...2, &generator)),
    try NDArray(.random(TensorType(.int32, [5]), in: 0...2, &generator)),
  ]
}

private func makeStep(_ model: Network) throws -> TrainingStep {
  var options = try testOptions()
  options.seed = 4
  return try compile(
    training: model, with: Adam(learningRate: 0.01).clipping(globalNorm: 0.5),
    TensorSpec([5, 6]), TensorSpec([5], .int32), options: options
  ) { x, y in
    let logits = model(x)
    return (softmaxCrossEntropy(logits: logits, labels: y), ["logits": logits])
  }
}

@Suite struct StatisticsTests {
  @Test func observedStepsAreTheSameSteps() throws {
    func weights(_ observing: (Int) -> StepStatistics) throws -> [[UInt32]] {
      let model = Network()
      let step = try makeStep(model)
      for index in 0..<6 {
        let result = try step.run(try batch(index), observing: observing(index))
        #expect(result.auxiliary.keys.sorted() == ["logits"])
      }
      #expect(step.session.step == 6)
      return try model.parameters.map { try $0.value().floats.map(\.bitPattern) }
    }
    let plain = try weights { _ in [] }
    #expect(try weights { $0 % 2 == 0 ? [.gradientNorms, .activations] : [] } == plain)
    #expect(try weights { $0 % 3 == 0 ? .activations : .gradientNorms } == plain)
  }

  @Test func normsAreThoseOfTheGradients() throws {
    let model = Network()
    let step = try makeStep(model)
    let result = try step.run(try batch(0), observing: .gradientNorms)
    #expect(result.gradientNorms.keys.sorted() == ["first", "norm", "output", "second"])
    #expect(result.activations.isEmpty)
    // The gradients themselves, on the same weights and draws.
    let other = Network()
    var options = try testOptions()
    options.seed = 4
    let gradients = try compile(
      training: other, with: SGD(learningRate: 0), TensorSpec([5, 6]), TensorSpec([5], .int32),
      options: options
    ) { x, y in
      let loss = softmaxCrossEntropy(logits: other(x), labels: y)
      let all = valueAndGrad(loss, wrt: other).1
      var named: [String: Tensor] = [:]
      for parameter in other.parameters { named[parameter.path] = all[parameter] }
      return (loss, named)
    }.run(try batch(0)).auxiliary
    for (layer, norm) in result.gradientNorms {
      let own = gradients.filter { $0.key.hasPrefix(layer + ".") }
      #expect(own.count == 2)
      let exact = own.values.flatMap(\.doubles).reduce(0) { $0 + $1 * $1 }.squareRoot()
      #expect(abs(norm - exact) <= 1e-5 * exact, "\(layer): \(norm), expected \(exact)")
    }
  }

  @Test func activationsAreThoseAfterTheFunctions() throws {
    let model = Network()
    let step = try makeStep(model)
    let statistics = try step.run(try batch(0), learningRate: 0, observing: .activations)
      .activations
    #expect(
      statistics.keys.sorted() == ["first", "norm", "output", "second", "second#2"])
    var options = try testOptions()
    options.seed = 4
    let values = try Function(
      specs: [TensorSpec([5, 6])], options: options, isTraining: true
    ) { _, x in
      let a = relu(model.first(x[0]))
      let b = model.second(model.drop(a))
      let h = tanh(model.norm(b))
      let c = model.second(h)
      return [a, b, h, c, model.output(h + c)].enumerated().map {
        (name: "\($0.offset)", tensor: $0.element)
      }
    }.run([try batch(0)[0]])
    for (path, array) in zip(["first", "second", "norm", "second#2", "output"], values) {
      let found = try #require(statistics[path])
      let x = array.doubles
      let n = Double(x.count)
      let mean = x.reduce(0, +) / n
      let spread = (x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n).squareRoot()
      #expect(abs(found.mean - mean) < 1e-6, "\(path)")
      #expect(abs(found.standardDeviation - spread) < 1e-6, "\(path)")
      #expect(abs(found.zeros - Double(x.count { $0 == 0 }) / n) < 1e-7, "\(path)")
      if path == "norm" {
        let near = Double(x.count { abs($0) > 0.99 }) / n
        #expect(abs(try #require(found.saturated) - near) < 1e-7)
      } else {
        #expect(found.saturated == nil, "\(path)")
      }
    }
    #expect((statistics["first"]?.zeros ?? 0) > 0.1)
  }

  @Test func otherBatchSizesAreObservedToo() throws {
    let step = try makeStep(Network()).resized(batch: 2)
    let inputs = try batch(0).map { try $0.rows(0..<2) }
    let result = try step.run(inputs, observing: [.gradientNorms, .activations])
    #expect(result.gradientNorms.count == 4 && result.activations.count == 5)
    #expect(result.auxiliary["logits"]?.shape == [2, 3])
  }
}

// MARK: - Numbers that are none

@Suite struct FiniteGuardTests {
  private func error(_ body: () throws -> Void) throws -> RunError {
    do {
      try body()
    } catch let error as RunError { return error }
    throw RunError(.check, "no error")
  }

  private func guarded(_ backend: CompileOptions.Backend = .tcc) throws -> CompileOptions {
    var options = try testOptions(backend)
    options.stopsAtNonFinite = true
    return options
  }

  @Test(arguments: [CompileOptions.Backend.tcc, .interpreter])
  func theFirstBadOperationIsNamedAndNothingIsLost(_ backend: CompileOptions.Backend) throws {
    let model = Network()
    let line: UInt = #line + 6
    let step = try compile(
      training: model, with: Adam(learningRate: 0.01), TensorSpec([5, 6]), TensorSpec([5], .int32),
      options: try guarded(backend)
    ) { x, y in
      let logits = model(x)
      let scaled = log(x.sum(axes: [1], keepDims: true) + 20)
      return softmaxCrossEntropy(logits: logits * scaled, labels: y)
    }
    let good = try batch(1)
    _ = try step.run(good)
    let state = model.parameters.map(\.variable) + step.optimizerState
    let before = try state.map { try #require(try $0.read()).doubles }
    var values = good[0].floats
    values[3 * 6] = -100
    let bad = try NDArray(values, shape: [5, 6])
    let found = try error { _ = try step.run([bad, good[1]]) }
    #expect(found.code == .nonFinite)
    #expect(found.message.contains("'loss' is nan"), "\(found)")
    #expect(
      found.message.contains("first in log(f32[5,1]), which gave nan at position 3 from -"),
      "\(found)")
    #expect(found.place.contains("TrainingTests/ObservationTests.swift:\(line)"), "\(found)")
    #expect(try state.map { try #require(try $0.read()).doubles } == before)
    #expect(step.session.step == 1)
    #expect(try step.run(good).item().isFinite)
  }

  /// Not the loop is to blame but a line in its body; also behind another loop, and backwards.
  @Test(arguments: [false, true]) func theLineInsideOfALoopIsNamed(_ reversed: Bool) throws {
    let line: UInt = #line + 5
    let run = try compile(TensorSpec([9, 4]), TensorSpec([4]), options: try guarded()) { x, start in
      let (_, first) = scan(over: [x], carrying: [start]) { ([$0[0] * 0.5 + $1[0]], [$1[0] * 2]) }
      let (last, _) = scan(over: first, carrying: [start], reversed: reversed) { carry, x in
        let sum = carry[0] + x[0]
        let root = sqrt(sum + 1)
        return ([carry[0] * 0 + root * 0.1], [root])
      }
      return last[0].sum()
    }
    var values = [Float](repeating: 0.25, count: 36)
    #expect(try run(NDArray(values, shape: [9, 4]), NDArray(zeros: [4])).item().isFinite)
    values[5 * 4 + 2] = -7
    let found = try error {
      _ = try run(NDArray(values, shape: [9, 4]), NDArray(zeros: [4]))
    }
    #expect(
      found.message.contains("first in sqrt(f32[4]), which gave nan at position 2"), "\(found)")
    #expect(found.message.contains("in step 5 of a loop of 9"), "\(found)")
    #expect(found.place.contains("ObservationTests.swift:\(line)"), "\(found)")
  }

  /// The layer that is called in each step, while it trains.
  @Test func theLayerInsideOfALoopIsNamed() throws {
    struct Loop: Layer {
      let cell = Linear(4, 4)
      let output = Linear(4, 2)
      func callAsFunction(_ x: Tensor) -> Tensor {
        let start = x.sum(axes: [0]) * 0 + 1
        let (last, _) = scan(over: [x], carrying: [start]) { ([cell($0[0]) + $1[0]], []) }
        return output(last[0] * 1e-30)
      }
    }
    let model = Loop()
    #expect(model.parameters.count == 4)
    let step = try compile(
      training: model, with: SGD(learningRate: 0.1), TensorSpec([6, 2, 4]), TensorSpec([2], .int32),
      options: try guarded()
    ) { softmaxCrossEntropy(logits: model($0), labels: $1) }
    let x = try NDArray((0..<48).map { Float($0 % 5) - 2 }, shape: [6, 2, 4])
    let labels = try NDArray([0, 1] as [Int32])
    _ = try step(x, labels)
    // Finite by itself: 1e25, then 1e50.
    try model.cell.weight.set(NDArray([Float](repeating: 1e25, count: 16), shape: [4, 4]))
    let found = try error { _ = try step(x, labels) }
    #expect(found.message.contains("first in dot(f32[2,4], f32[4,4]), which gave"), "\(found)")
    #expect(found.message.contains("in step 1 of a loop of 6"), "\(found)")
    #expect(found.place.contains("cell"), "\(found)")
  }

  @Test func layersAreNamed() throws {
    let model = Network()
    #expect(model.parameters.count == 8)  // which names them
    try model.second.bias?.set(
      try NDArray([0, 0, 0, 0, .infinity, 0, 0, 0] as [Float]))
    let predict = try compile(TensorSpec([5, 6]), options: try guarded()) { model($0) }
    let state = try error { _ = try predict(try batch(0)[0]) }
    #expect(state.message.contains("the state 'second.bias' was not finite"), "\(state)")
    let huge = Network()
    #expect(huge.parameters.count == 8)
    try huge.second.weight.set(try NDArray([Float](repeating: 3e38, count: 64), shape: [8, 8]))
    let overflow = try error {
      _ = try compile(TensorSpec([5, 6]), options: try guarded()) { huge($0) }(try batch(0)[0])
    }
    #expect(overflow.message.contains("first in dot(f32[5,8], f32[8,8])"), "\(overflow)")
    #expect(overflow.place.contains("second"), "\(overflow)")
    let input = try error {
      _ = try predict(try NDArray([Float](repeating: .nan, count: 30), shape: [5, 6]))
    }
    #expect(input.message.contains("not finite when the step began"), "\(input)")
  }

  /// The loss is 0; only the gradient of the root is infinite.
  @Test func gradientsAreGuardedWhereTheLossIsFine() throws {
    let model = Linear(2, 1, bias: false, initializer: .zeros)
    let line: UInt = #line + 4
    let step = try compile(
      training: model, with: SGD(learningRate: 0.1), TensorSpec([1, 2]), TensorSpec([1, 1]),
      options: try guarded()
    ) { x, y in sqrt(model(x) * model(x)).sum() + y.sum() }
    let found = try error {
      _ = try step(try NDArray([[1, 2]] as [[Float]]), try NDArray([[0]] as [[Float]]))
    }
    #expect(found.message.contains("the new state 'weight' is"), "\(found)")
    #expect(found.place.contains("gradient") && found.place.contains("swift:\(line)"), "\(found)")
    #expect(try model.weight.value().floats == [0, 0])
  }

  @Test func maskedInfinitiesAreNoFault() throws {
    let f = try compile(TensorSpec([4]), TensorSpec([4]), options: try guarded()) { x, y in
      select(x .> 0, log(x), x) + rsqrt(y)
    }
    let x = try NDArray([0, 1, -1, 2] as [Float])
    #expect(try f(x, try NDArray([1, 1, 1, 4] as [Float])).floats[2] == 0)
    let found = try error { _ = try f(x, try NDArray([1, 1, 1, -4] as [Float])) }
    #expect(
      found.message.contains("first in rsqrt(f32[4]), which gave nan at position 3 from -4.0"),
      "\(found)")
  }
}
