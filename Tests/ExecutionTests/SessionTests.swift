// Sessions: wrong calls, several callers, asynchronous runs, values that are not finite, odd sizes.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTestSupport
import Testing

private func code(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "no error"
  } catch let error as RunError {
    return error.code.description
  } catch let error as CompileError {
    return error.code.description
  } catch {
    return "\(error)"
  }
}

// MARK: - Wrong calls

@Test func wrongInputsAreErrors() throws {
  let model = Small()
  let step = try smallStep(model)
  let (x, y) = (try smallInput(4), try smallLabels(4))
  #expect(code { _ = try step(try smallInput(3), try smallLabels(3)) } == "input")
  #expect(code { _ = try step(try NDArray(zeros: [4, 3], .float64), y) } == "input")
  #expect(code { _ = try step(y, x) } == "input")
  #expect(code { _ = try step(x) } == "input")
  #expect(code { _ = try step(try smallInput(0), try smallLabels(0)) } == "input")
  #expect(code { _ = try step.resized(batch: 0) } == "input")
  #expect(code { _ = try step(x, try NDArray([0 as Int32, 1, 2, 0])) } == "range")
  #expect(code { _ = try step(x, try NDArray([0 as Int32, -1, 1, 0])) } == "range")
  // Refused calls have changed nothing, and the next one runs.
  let weights = try model.hidden.weight.value().floats
  #expect(code { _ = try step(x, y) } == "no error")
  #expect(try model.hidden.weight.value().floats != weights)
}

@Test func tensorOfAnotherTrace() throws {
  var kept: Tensor?
  _ = try compile(TensorSpec([2]), options: testOptions()) { x in
    kept = x
    return x
  }
  let stale = try #require(kept)
  #expect(
    code {
      _ = try compile(TensorSpec([2]), options: testOptions()) { $0 + stale }
    } == "foreign-tensor")
  #expect(
    code {
      _ = try compile(TensorSpec([2]), options: testOptions()) { _ in stale }
    } == "foreign-tensor")
}

@Test func emptyBatchPredicts() throws {
  let model = Small()
  let predict = try compile(TensorSpec([0, 3]), options: testOptions()) { softmax(model($0)) }
  #expect(try predict(try smallInput(0)).shape == [0, 2])
  let sum = try compile(TensorSpec([0, 3]), options: testOptions()) { $0.sum() }
  #expect(try sum(try smallInput(0)).item() == 0)
  #expect(
    code {
      _ = try compile(TensorSpec([0, 3]), options: testOptions()) { $0.mean() }
    } == "type")
  #expect(code { _ = try predict.resized(batch: -1) } == "type")
}

@Test func impossibleShapesAreErrors() throws {
  let huge = 1 << 40
  #expect(
    code {
      _ = try compile(TensorSpec([huge, huge]), options: testOptions()) { $0 + 1 }
    } == "type")
  #expect(code { _ = try compile(TensorSpec([-1]), options: testOptions()) { $0 + 1 } } == "type")
  #expect(
    code {
      _ = try compile(TensorSpec([2, huge]), options: testOptions()) { Linear(huge, huge)($0) }
    } == "type")
  #expect(
    code {
      _ = try compile(TensorSpec([huge]), options: testOptions()) {
        $0.reshaped([huge, 1]) + $0.reshaped([1, huge])
      }
    } == "type")
  #expect(code { _ = try NDArray(zeros: [huge, huge]) } == "input")
  #expect(code { _ = try Linear(huge, huge).weight.value() } == "out-of-memory")
  #expect(code { _ = try Linear(huge, huge).snapshot() } == "out-of-memory")
  #expect(code { _ = try Linear(1 << 30, 1 << 20).weight.value() } == "out-of-memory")
}

// MARK: - Several callers

@Test func readersTogetherWritersAlone() throws {
  let model = Small()
  let step = try smallStep(model)
  let predict = try compile(TensorSpec([4, 3]), options: testOptions()) { model($0) }
  let (x, y) = (try smallInput(4), try smallLabels(4))
  _ = try step(x, y)
  let block = try #require(model.hidden.weight.variable.block)
  try block.beginReading()
  #expect(code { _ = try predict(x) } == "no error")
  #expect(code { _ = try model.snapshot() } == "no error")
  #expect(code { _ = try step(x, y) } == "busy")
  #expect(code { try model.hidden.weight.set(try NDArray(zeros: [3, 4])) } == "busy")
  block.endReading()
  try block.beginWriting()
  #expect(code { _ = try predict(x) } == "busy")
  #expect(code { _ = try step(x, y) } == "busy")
  #expect(code { _ = try model.snapshot() } == "busy")
  block.endWriting()
  // Refused callers have left no lock behind.
  #expect(code { _ = try step(x, y) } == "no error")
  #expect(code { _ = try predict(x) } == "no error")
}

@Test func predictionsInParallel() async throws {
  let model = Small()
  let program = try compile(TensorSpec([4, 3]), options: testOptions()) { model($0) }.program
  let x = try smallInput(4)
  let expected = try Session(program).hostRun([x])
  let results = try await withThrowingTaskGroup(of: [Float].self) { group in
    for _ in 0..<8 {
      group.addTask {
        let session = try Session(program)
        var last: [Float] = []
        for _ in 0..<200 { last = try await session.run([x])[0].floats }
        return last
      }
    }
    return try await group.reduce(into: []) { $0.append($1) }
  }
  #expect(results.count == 8 && results.allSatisfy { $0 == expected })
}

extension Session {
  /// The first result of the blocking `run`, which an asynchronous function does not pick by itself.
  fileprivate func hostRun(_ inputs: [NDArray]) throws -> [Float] { try run(inputs)[0].floats }
}

/// Holds a session, and is entered again while a run is awaited.
private actor Trainer {
  let step: TrainingStep
  private(set) var losses: [Double] = []
  init(_ model: Small = Small()) throws { step = try smallStep(model) }
  func once(_ x: NDArray, _ y: NDArray) async throws {
    let rate = try NDArray(scalar: 0.5 as Float)
    losses.append(try await step.function.run([x, y, rate])[0].item())
  }
}

@Test func overlappingAsynchronousRunsGoOneByOne() async throws {
  let trainer = try Trainer()
  let (x, y) = (try smallInput(4), try smallLabels(4))
  try await withThrowingTaskGroup(of: Void.self) { group in
    for _ in 0..<50 { group.addTask { try await trainer.once(x, y) } }
    try await group.waitForAll()
  }
  let overlapped = await trainer.losses.sorted()
  let expected = try losses(50, x, y).sorted()
  #expect(overlapped == expected)
}

private func losses(_ count: Int, _ x: NDArray, _ y: NDArray) throws -> [Double] {
  let step = try smallStep(Small())
  return try (0..<count).map { _ in try step(x, y).item() }
}

@Test func writersOfOneStateNeverMix() async throws {
  let model = Small()
  let trainers = [try Trainer(model), try Trainer(model)]
  let (x, y) = (try smallInput(4), try smallLabels(4))
  let busy = try await withThrowingTaskGroup(of: Int.self) { group in
    for trainer in trainers {
      group.addTask {
        var refused = 0
        for _ in 0..<300 {
          do {
            try await trainer.once(x, y)
          } catch let error as RunError where error.code == .busy {
            refused += 1
          }
        }
        return refused
      }
    }
    return try await group.reduce(0, +)
  }
  // The steps that ran are those of one trainer, whoever took them: each loss comes once.
  let (first, second) = (await trainers[0].losses, await trainers[1].losses)
  #expect(first.count + second.count + busy == 600)
  let expected = try losses(first.count + second.count, x, y).sorted()
  #expect((first + second).sorted() == expected)
}

@Test func asynchronousRunsThrow() async throws {
  let model = Small()
  let predict = try compile(TensorSpec([4, 3]), options: testOptions()) { model($0) }
  await #expect(throws: RunError.self) { _ = try await predict.run([]) }
}

// MARK: - Not finite

@Test func notANumberPropagates() throws {
  let model = Small()
  let step = try smallStep(model)
  var bad = try smallInput(4).floats
  bad[5] = .nan
  bad[7] = .infinity
  let x = try NDArray(bad, shape: [4, 3])
  #expect(try step(x, try smallLabels(4)).item().isNaN)
  let weights = try model.hidden.weight.value().floats
  let isSpread = weights.contains { $0.isNaN }
  #expect(isSpread)
  #expect(try step(try smallInput(4), try smallLabels(4)).item().isNaN)
  let net = LeNet5()
  let spec = TensorSpec([2, 28, 28, 1])
  let leNet = try compile(spec, options: testOptions()) { net($0) }
  var pixels = [Float](repeating: 0.5, count: 2 * 784)
  pixels[400] = .nan
  let logits = try leNet(try NDArray(pixels, shape: [2, 28, 28, 1])).floats
  let (first, second) = (logits[0..<10].allSatisfy(\.isNaN), logits[10..<20].allSatisfy(\.isFinite))
  #expect(first && second)
}

@Test func checksNameTheFirstOutputThatIsNotFinite() throws {
  var options = try testOptions()
  options.checks = true
  let model = Small()
  let step = try smallStep(model, options: options)
  _ = try step(try smallInput(4), try smallLabels(4))
  var bad = try smallInput(4).floats
  bad[2] = .nan
  do {
    _ = try step(try NDArray(bad, shape: [4, 3]), try smallLabels(4))
    Issue.record("a NaN loss passed the checks")
  } catch let error as RunError {
    #expect(error.code == .check)
    #expect(error.message == "output 'loss' is nan at position 0")
  }
}

// MARK: - Depth

@Test func tenThousandNodesDeep() throws {
  let (width, depth) = (8, 5_000)
  let options = try testOptions()
  let deep = try compile(TensorSpec([width]), options: options) { x in
    var y = x
    for _ in 0..<depth { y = tanh(y) * 1.25 }
    return y
  }
  let report = deep.program.report
  #expect(report.tracedNodes >= 2 * depth)
  let x = (0..<width).map { Float($0) / 4 - 1 }
  let got = try deep(try NDArray(x)).floats
  // The fixed point of y = 1.25 · tanh y; zero stays zero.
  for (value, start) in zip(got, x) {
    #expect(abs(abs(value) - (start == 0 ? 0 : 0.8879)) < 0.01, "\(value) from \(start)")
  }
  let total =
    report.traceMilliseconds + report.passesMilliseconds + report.emitMilliseconds
    + report.machineCodeMilliseconds
  print("10,000 nodes deep: \(report.kernels) kernels, compiled in \(Int(total)) ms: \(report)")
}
