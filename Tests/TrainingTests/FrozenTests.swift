// compile(frozen:) keeps the values of its moment, in the memory where they are; whoever writes the
// state next moves it.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTestSupport
import Testing

/// Large enough that its weights are shared, not copied.
private struct Wide: Layer {
  let layer = Linear(64, 48)
  func callAsFunction(_ x: Tensor) -> Tensor { layer(x) }
}

private let x = TensorSpec([4, 64]), y = TensorSpec([4], .int32)

private func input() throws -> NDArray {
  try NDArray((0..<256).map { Float($0 % 17) / 17 - 0.5 }, shape: [4, 64])
}

private func step(_ model: Wide, _ optimizer: some Optimizer) throws -> TrainingStep {
  try compile(training: model, with: optimizer, x, y, options: testOptions()) { x, y in
    softmaxCrossEntropy(logits: model(x), labels: y)
  }
}

private func weights(_ function: Function) -> UnsafeRawPointer? {
  function.program.constants.max { $0.memory.byteCount < $1.memory.byteCount }
    .map { UnsafeRawPointer($0.memory.base) }
}

@Test func frozenValuesStayInTheirMemory() throws {
  let model = Wide()
  let frozen = try compile(frozen: model, x, options: testOptions()) { model($0) }
  // The state's own memory: nothing was copied.
  #expect(weights(frozen) == UnsafeRawPointer(try #require(model.layer.weight.variable.address)))
  let before = try frozen(input()).floats
  let twice = try compile(frozen: model, x, options: testOptions()) { model($0) }
  #expect(weights(twice) == weights(frozen))
  // Another batch size, later, of the same values.
  let train = try step(model, SGD(learningRate: 0.5))
  let live = try compile(x, options: testOptions()) { model($0) }
  #expect(try live(input()).floats == before)
  let labels = try NDArray([Int32(1), 2, 3, 4])
  _ = try train(input(), labels)
  #expect(weights(frozen) != UnsafeRawPointer(try #require(model.layer.weight.variable.address)))
  #expect(try frozen(input()).floats == before)
  #expect(try live(input()).floats != before)
  let half = try frozen.resized(batch: 2)
  #expect(try half(input().rows(0..<2)).floats == Array(before.prefix(96)))
}

@Test func stateMovesOnceAndSessionsFollow() throws {
  let model = Wide()
  let train = try step(model, SGD(learningRate: 0.5))
  let live = try compile(x, options: testOptions()) { model($0) }
  let labels = try NDArray([Int32(1), 2, 3, 4])
  let reference = Wide()
  let referenceStep = try step(reference, SGD(learningRate: 0.5))
  var frozen: [Function] = []
  var seen: [[Float]] = []
  for _ in 0..<3 {
    _ = try train(input(), labels)
    _ = try referenceStep(input(), labels)
    frozen.append(try compile(frozen: model, x, options: testOptions()) { model($0) })
    seen.append(try live(input()).floats)
    #expect(try model.layer.weight.value().floats == reference.layer.weight.value().floats)
  }
  #expect(seen[0] != seen[1] && seen[1] != seen[2])
  for (function, values) in zip(frozen, seen) { #expect(try function(input()).floats == values) }
  // Set from outside: the frozen ones keep theirs, the live one sees it.
  try model.layer.weight.set(NDArray(zeros: [64, 48]))
  #expect(try live(input()).floats != seen[2])
  #expect(try frozen[2](input()).floats == seen[2])
  // Without a program that shares it, the memory stays where it is.
  frozen = []
  let address = model.layer.weight.variable.address
  _ = try train(input(), labels)
  #expect(model.layer.weight.variable.address == address)
}

@Test func parametersBesideMomentsAreCopied() throws {
  let model = Wide()
  let train = try step(model, Adam())
  let frozen = try compile(frozen: model, x, options: testOptions()) { model($0) }
  let address = try #require(model.layer.weight.variable.address)
  #expect(weights(frozen) != UnsafeRawPointer(address))
  let before = try frozen(input()).floats
  _ = try train(input(), NDArray([Int32(1), 2, 3, 4]))
  #expect(model.layer.weight.variable.address == address)
  #expect(try frozen(input()).floats == before)
}
