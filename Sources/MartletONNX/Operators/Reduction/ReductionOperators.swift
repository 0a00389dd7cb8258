// Reductions. Specifications: https://onnx.ai/onnx/operators/onnx__NAME.html

import MartletIR
import MartletOps

let reductionOperators: [OperatorEntry] = [
  .reduce("ReduceSum", axesAsInputFrom: 13) { $0.sum(axes: $1, keepDims: $2) },
  .reduce("ReduceMean") { x, axes, keep in
    x.dtype.isFloatingPoint
      ? x.mean(axes: axes, keepDims: keep)
      : x.sum(axes: axes, keepDims: keep)
        / Double(max(1, axes.reduce(1) { $0 * x.shape[$1] }))
  },
  .reduce("ReduceMax") { x, axes, keep in
    x.dtype == .bool ? x.any(axes: axes, keepDims: keep) : x.max(axes: axes, keepDims: keep)
  },
  .reduce("ReduceMin") { x, axes, keep in
    x.dtype == .bool ? x.all(axes: axes, keepDims: keep) : x.min(axes: axes, keepDims: keep)
  },
  .reduce("ReduceProd") { $0.product(axes: $1, keepDims: $2) },
  .reduce("ReduceL1") { abs($0).sum(axes: $1, keepDims: $2) },
  .reduce("ReduceL2") { sqrt(($0 * $0).sum(axes: $1, keepDims: $2)) },
  .reduce("ReduceSumSquare") { ($0 * $0).sum(axes: $1, keepDims: $2) },
  .reduce("ReduceLogSum") { log($0.sum(axes: $1, keepDims: $2)) },
  .reduce("ReduceLogSumExp") { logSumExp($0, axes: $1, keepDims: $2) },
]

extension OperatorEntry {
  /// A reduction: axes are an attribute, from some version on an input.
  static func reduce(
    _ name: String, axesAsInputFrom version: Int = 18,
    _ body: @escaping @Sendable (Tensor, [Int], Bool) -> Tensor
  ) -> OperatorEntry {
    OperatorEntry(name) { node in
      let x = try node.tensor(0)
      let given = try node.version >= version ? node.optionalIntegers(1) : node.ints("axes")
      let keeps = try node.bool("keepdims", default: true)
      if given?.isEmpty ?? true, try node.bool("noop_with_empty_axes") {
        // Reduced over no axis: each element alone.
        return [.tensor(body(x, [], keeps))]
      }
      let axes = given.flatMap { $0.isEmpty ? nil : $0 } ?? Array(0..<x.rank)
      return [.tensor(body(x, try node.axes(axes, rank: x.rank).sorted(), keeps))]
    }
  }
}
