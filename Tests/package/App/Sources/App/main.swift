// A program outside of Martlet's repository: its public API, and the type that the plugin wrote.
import Martlet

// Trains y = 2a − 3b.
let model = Sequential { Linear(2, 1) }
let step = try compile(
  training: model, with: SGD(learningRate: 0.1), TensorSpec([4, 2]), TensorSpec([4, 1])
) { x, y in meanSquaredError(model(x), y) }
let x = try NDArray([[0, 0], [0, 1], [1, 0], [1, 1]] as [[Float]])
let y = try NDArray([[0], [-3], [2], [-1]] as [[Float]])
var loss = Double.infinity
for _ in 0..<300 { loss = try step(x, y).item() }
precondition(loss < 1e-4, "loss \(loss)")

// Digits.martlet among the resources: a type of its own.
let digits = try Digits(batch: 2, threads: 1)
let output = try digits(images: [Float](repeating: 0.25, count: 2 * 28 * 28))
precondition(output.probabilities.count == 20 && Digits.classes.count == 10)
precondition(output.probabilities[..<10] == output.probabilities[10...])
precondition(abs(output.probabilities[..<10].reduce(0, +) - 1) < 1e-5)
do {
  _ = try digits(images: [1, 2, 3])
  preconditionFailure("three numbers are no image")
} catch let error as RunError {
  precondition("\(error)".contains("3 elements"), "\(error)")
}

// Convolution.onnx, one of the ONNX project's own examples: inputs and outputs by their names.
let convolution = try Convolution(threads: 1)
let sums = try convolution(
  x: (0..<35).map(Float.init), W: [Float](repeating: 1, count: 9)
).y
precondition(sums == [12, 27, 24, 63, 108, 81, 123, 198, 141, 112, 177, 124], "\(sums)")

print("a package outside: loss \(loss), ok")
