// Uses the class that `swift package compile-model` wrote; nothing of Martlet is linked.
import Ahead

let model = try AheadModel()
let image = [Float](repeating: 0.25, count: 28 * 28)
let before = try model.run(images: image)
precondition(before.count == 10)
let batch = [[Float]](repeating: image, count: 4).flatMap { $0 }
var losses: [Float] = []
for _ in 0..<20 {
  losses.append(try model.trainStep(images: batch, labels: [3, 3, 3, 3], learningRate: 0.01))
}
precondition(losses[19] < losses[0], "\(losses)")
let after = try model.run(images: image)
let other = try AheadModel()
try other.load(try model.save())
let again = try other.run(images: image)
precondition(after == again && after != before)
do {
  try other.load([1, 2, 3])
  preconditionFailure("three bytes are no model")
} catch let failure as AheadModel.Failure {
  precondition(failure.status != 0)
}
do {
  _ = try model.run(images: [1])
  preconditionFailure("one number is no image")
} catch let failure as AheadModel.Failure {
  precondition(!"\(failure)".isEmpty)
}
print("compile-model: loss \(losses[0]) → \(losses[19]), ok")
