// Ten steps of LeNet-5 on the digits, every optimizer, layer and loss, schedules and initial values,
// written down for compare.py to repeat in PyTorch.
//
// MartletCompare DIR writes DIR/run.safetensors: the initial weights, ten batches, and the losses
// with each optimizer; and what Rules.swift and Functions.swift say.

import Martlet
import MartletData

private let batchSize = 64
private let steps = 10

private func run() throws {
  guard CommandLine.arguments.count == 2 else {
    throw RunError(.input, "usage: MartletCompare DIR")
  }
  let model = LeNet5()
  let start = try model.snapshot()
  var arrays = start.values.map { NamedArray("initial.\($0.key)", $0.value) }

  let train = try Dataset.mnist5k().train
  let batches = try train.batches(of: batchSize, seed: 0, epoch: 0, scaling: train.normalization())
  var data: [(images: NDArray, labels: NDArray)] = []
  for index in 0..<steps {
    let batch = try batches.batch(index)
    data.append(batch)
    arrays.append(NamedArray("images.\(index)", batch.images))
    arrays.append(NamedArray("labels.\(index)", batch.labels))
  }
  guard let first = data.first else { return }

  func measure(_ name: String, _ optimizer: some Optimizer) throws {
    try start.restore(into: model)
    let step = try compile(
      training: model, with: optimizer, TensorSpec(first.images.shape),
      TensorSpec(first.labels.shape, .int32)
    ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
    let losses = try data.map { try step($0.images, $0.labels).item() }
    arrays.append(NamedArray("losses.\(name)", try NDArray(losses)))
  }
  try measure("sgd", SGD(learningRate: 0.05))
  try measure("momentum", Momentum(learningRate: 0.02, momentum: 0.9))
  try measure("adam", Adam(learningRate: 1e-3))
  try writeRules(&arrays)
  try writeFunctions(&arrays)
  try Safetensors.save(arrays, to: CommandLine.arguments[1] + "/run.safetensors")
}

try run()
