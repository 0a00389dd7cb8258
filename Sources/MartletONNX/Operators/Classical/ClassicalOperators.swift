// Classical machine learning, domain ai.onnx.ml. Specifications:
// https://onnx.ai/onnx/operators/onnx_aionnxml_NAME.html

import MartletIR
import MartletOps

let classicalOperators: [OperatorEntry] = [
  OperatorEntry(LabelEncoder.self), OperatorEntry(TreeEnsemble.self),
  OperatorEntry("Binarizer", domain: "ai.onnx.ml") { node in
    let x = try node.tensor(0)
    return [.tensor((x .> (try node.float("threshold", default: 0))).converted(to: x.dtype))]
  },
  OperatorEntry("ArrayFeatureExtractor", domain: "ai.onnx.ml") { node in
    let x = try node.tensor(0)
    guard x.rank > 0 else { throw node.invalid("needs at least one axis") }
    let places = try node.places(1, extent: x.shape[x.rank - 1])
    let y = gather(x, places.reshaped([places.count]), axis: x.rank - 1)
    return [.tensor(x.rank == 1 ? y.reshaped([1, places.count]) : y)]
  },
]
