// Branches and loops. Specifications: https://onnx.ai/onnx/operators/onnx__NAME.html

let controlOperators: [OperatorEntry] = [
  OperatorEntry(If.self), OperatorEntry(Loop.self), OperatorEntry(Scan.self),
]
