// Convolutions, pools and what belongs to them. Specifications:
// https://onnx.ai/onnx/operators/onnx__NAME.html

import MartletIR
import MartletOps

let windowOperators: [OperatorEntry] = [
  OperatorEntry(Conv.self), OperatorEntry(ConvTranspose.self), OperatorEntry(DeformConv.self),
  OperatorEntry(MaxPool.self), OperatorEntry(AveragePool.self), OperatorEntry(LpPool.self),
  OperatorEntry(GlobalLpPool.self), OperatorEntry(MaxUnpool.self),
  OperatorEntry("GlobalAveragePool") { node in
    let x = try node.tensor(0)
    return [.tensor(x.mean(axes: Array(min(2, x.rank)..<x.rank), keepDims: true))]
  },
  OperatorEntry("GlobalMaxPool") { node in
    let x = try node.tensor(0)
    return [.tensor(x.max(axes: Array(min(2, x.rank)..<x.rank), keepDims: true))]
  },
]
