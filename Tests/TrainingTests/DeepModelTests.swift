// ResNet-20 and VGG-16, narrowed, against PyTorch; and their full sizes.

import MartletExecution
import MartletIR
import MartletNN
import MartletOps
import MartletTestSupport
import Testing

private struct Case: Sendable, CustomTestStringConvertible {
  var name: String
  var images: TensorSpec
  var model: @Sendable () -> any Layer
  var testDescription: String { name }
}

private let cases = [
  Case(name: "resnet20", images: TensorSpec([4, 16, 16, 3], name: "images")) { ResNet20(width: 3) },
  Case(name: "vgg16", images: TensorSpec([2, 64, 64, 3], name: "images")) {
    VGG16(imageSize: 64, classes: 10, width: 2, hidden: 16)
  },
]

extension Case {
  var labels: TensorSpec { TensorSpec([images.type.shape[0]], .int32, name: "labels") }

  func batch(_ fixture: Fixture, _ index: Int) throws -> (NDArray, NDArray) {
    let pixels = try fixture.row("images", index)
    let floats = try pixels.elements(as: UInt8.self).map { Float($0) / 256 }
    return (try NDArray(floats, shape: pixels.shape), try fixture.row("labels", index))
  }
}

@Test(arguments: cases) private func logitsAndGradients(_ item: Case) throws {
  let fixture = try Fixture(item.name)
  func check(_ model: some Layer) throws {
    try fixture.load("initial", into: model)
    let trainable = model.parameters.filter(\.isTrainable)
    // Gradients belong to training: batch norm then takes the batch's statistics.
    let function = try Function(
      specs: [item.images, item.labels], options: testOptions(), isTraining: true
    ) { _, inputs in
      let logits = model(inputs[0])
      let (_, grads) = valueAndGrad(
        softmaxCrossEntropy(logits: logits, labels: inputs[1]), wrt: model)
      return [(name: "logits", tensor: logits)]
        + trainable.compactMap { p in grads[p].map { (name: p.path, tensor: $0) } }
    }
    let (x, y) = try item.batch(fixture, 0)
    let results = try function.run([x, y])
    try #require(results.count == 1 + trainable.count)
    expectClose(results[0], try fixture["logits"], "logits")
    for (parameter, gradient) in zip(trainable, results.dropFirst()) {
      expectClose(
        gradient, try fixture["gradient.\(parameter.path)"], relative: 1e-3, absolute: 2e-5,
        "gradient of \(parameter.path)")
    }
  }
  try check(item.model())
}

@Test(arguments: cases) private func lossesWithMomentum(_ item: Case) throws {
  let fixture = try Fixture(item.name)
  func check(_ model: some Layer) throws {
    try fixture.load("initial", into: model)
    // Compiled first, to see the values and running statistics that training leaves.
    let predict = try compile(item.images, options: testOptions()) { model($0) }
    let step = try compile(
      training: model, with: Momentum(learningRate: 0.01, momentum: 0.9), item.images, item.labels,
      options: testOptions(threads: 2)
    ) { x, y in softmaxCrossEntropy(logits: model(x), labels: y) }
    let losses = try fixture["losses"].doubles
    for (index, loss) in losses.enumerated() {
      let (x, y) = try item.batch(fixture, index)
      let got = try step(x, y).item()
      #expect(abs(got - loss) <= 2e-4 * max(1, loss), "loss \(index): \(got), PyTorch \(loss)")
    }
    for parameter in model.parameters where !parameter.isTrainable {
      expectClose(
        try parameter.value(), try fixture["final.\(parameter.path)"], relative: 1e-3,
        parameter.path)
    }
    let (x, _) = try item.batch(fixture, 0)
    let expected = try fixture["evaluated"]
    expectClose(try predict(x), expected, relative: 5e-3, absolute: 5e-3, "at inference")
    let frozen = try compile(frozen: model, item.images, options: testOptions()) { model($0) }
    expectClose(try frozen(x), expected, relative: 5e-3, absolute: 5e-3, "frozen")
  }
  try check(item.model())
}

@Test func fullSizes() {
  func count(_ model: some Layer) -> Int {
    model.parameters.reduce(0) { $0 + ($1.isTrainable ? $1.type.count : 0) }
  }
  #expect(count(ResNet20()) == 272_474)
  #expect(count(VGG16()) == 138_357_544)
}
