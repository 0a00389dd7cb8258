// Convolutions, pools and what belongs to them. Specifications:
// https://onnx.ai/onnx/operators/onnx__NAME.html

import MartletIR
import MartletOps

let windowOperators: [OperatorEntry] = [
  OperatorEntry(Conv.self), OperatorEntry(ConvTranspose.self), OperatorEntry(MaxPool.self),
  OperatorEntry(AveragePool.self),
  OperatorEntry("GlobalAveragePool") { node in
    let x = try node.tensor(0)
    return [.tensor(x.mean(axes: Array(min(2, x.rank)..<x.rank), keepDims: true))]
  },
  OperatorEntry("GlobalMaxPool") { node in
    let x = try node.tensor(0)
    return [.tensor(x.max(axes: Array(min(2, x.rank)..<x.rank), keepDims: true))]
  },
  OperatorEntry("BatchNormalization", since: 7) { node in
    guard try !node.bool("training_mode"), node.version >= 14 || !node.wants(output: 1) else {
      throw node.unsupported("training mode")
    }
    let x = try node.tensor(0)
    guard x.rank > 1 else { throw node.invalid("needs [N, C, …], got \(x.type)") }
    // In float32 at least, as the specification's reference does.
    func column(_ index: Int) throws -> Tensor {
      let v = try node.tensor(index)
      return v.reshaped(Shape([v.count] + [Int](repeating: 1, count: x.rank - 2)))
        .converted(to: x.dtype)
    }
    let (scale, bias) = (try column(1), try column(2))
    let (mean, variance) = (try column(3), try column(4))
    let factor = scale * rsqrt(variance + (try node.float("epsilon", default: 1e-5)))
    return [.tensor((x - mean) * factor + bias)]
  },
]
