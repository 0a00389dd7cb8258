// Losses of classes. Specifications: https://onnx.ai/onnx/operators/onnx__NAME.html

import MartletIR
import MartletOps

let lossOperators: [OperatorEntry] = [
  OperatorEntry(NegativeLogLikelihoodLoss.self), OperatorEntry(SoftmaxCrossEntropyLoss.self),
]

extension NodeContext {
  /// The weighted negative log likelihood of targets `[N, …]` by log probabilities `[N, C, …]`,
  /// reduced by the node's attributes. Weights are input 2.
  func likelihoodLoss(_ x: Tensor) throws -> Tensor {
    let target = try tensor(1)
    guard x.rank >= 2, x.count > 0, target.dtype.isInteger,
      target.shape.dimensions == [x.shape[0]] + x.shape.dimensions[2...]
    else { throw invalid("targets \(target.type) for \(x.type)") }
    let (batch, classes) = (x.shape[0], x.shape[1])
    let rest = x.shape.dimensions[2...].reduce(1, *)
    let labels = target.reshaped([batch, rest])
    // A label that does not count may be outside of the classes.
    let ignored = try int("ignore_index").map { labels .== Double($0) }
    let place = ignored.map { select($0, 0, labels) } ?? labels
    var loss =
      0
      - takeAlongAxis(
        x.reshaped([batch, classes, rest]), place.reshaped([batch, 1, rest]), axis: 1
      ).reshaped([batch, rest])
    if let ignored { loss = select(ignored, 0, loss) }
    var weights: Tensor?
    if let given = try optionalTensor(2) {
      guard given.shape == [classes] else {
        throw invalid("weights \(given.type) for \(classes) classes")
      }
      weights = gather(given, place)
      if let ignored, let all = weights { weights = select(ignored, 0, all) }
    } else if let ignored {
      weights = (.!ignored).converted(to: x.dtype)
    }
    if let weights { loss = loss * weights }
    switch try string("reduction", default: "mean") {
    case "none": return loss.reshaped(target.shape)
    case "sum": return loss.sum()
    case "mean": return weights.map { loss.sum() / $0.sum() } ?? loss.mean()
    case let other: throw invalid("the reduction '\(printable(other))'")
    }
  }
}
