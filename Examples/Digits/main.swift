import Martlet
import MartletData

let digits = try Dataset.mnist5k()  // embedded: 4,000 + 1,000 digits
let model = Sequential {
  Linear(784, 128)
  Activation { relu($0) }
  Linear(128, 10)
}
let images = TensorSpec([50, 784]), labels = TensorSpec([50], .int32)
let step = try compile(training: model, with: Adam(learningRate: 1e-3), images, labels) { x, y in
  softmaxCrossEntropy(logits: model(x), labels: y)  // traced once, here: forward, backward, update
}
for epoch in 0..<5 {
  let batches = try digits.train.batches(of: 50, epoch: epoch)
  for i in 0..<batches.count {
    let (x, y) = try batches.arrays(i)
    let result = try step(NDArray(x, shape: [50, 784]), NDArray(y))  // one call into machine code
    if i == batches.count - 1 { print("epoch \(epoch): loss \(try result.item())") }
  }
}
