// Reductions. Specifications: https://onnx.ai/onnx/operators/onnx__NAME.html

import MartletIR
import MartletOps

let reductionOperators: [OperatorEntry] = [
  OperatorEntry(ArgMax.self), OperatorEntry(ArgMin.self), OperatorEntry(CumSum.self),
  OperatorEntry(CumProd.self), OperatorEntry(TopK.self), OperatorEntry(Det.self),
  .reduce("ReduceSum", axesAsInputFrom: 13) { $0.sum(axes: $1, keepDims: $2) },
  .reduce("ReduceMean") { x, axes, keep in
    x.dtype.isFloatingPoint
      ? x.mean(axes: axes, keepDims: keep)
      : x.sum(axes: axes, keepDims: keep)
        / Double(max(1, axes.reduce(1) { $0 * x.shape[$1] }))
  },
  .reduce("ReduceMax", ofNothing: -.infinity) { x, axes, keep in
    x.dtype == .bool ? x.any(axes: axes, keepDims: keep) : x.max(axes: axes, keepDims: keep)
  },
  .reduce("ReduceMin", ofNothing: .infinity) { x, axes, keep in
    x.dtype == .bool ? x.all(axes: axes, keepDims: keep) : x.min(axes: axes, keepDims: keep)
  },
  .reduce("ReduceProd") { $0.product(axes: $1, keepDims: $2) },
  .reduce("ReduceL1") { abs($0).sum(axes: $1, keepDims: $2) },
  .reduce("ReduceL2") { x, axes, keep in
    x.asFloats { sqrt(($0 * $0).sum(axes: axes, keepDims: keep)) }
  },
  .reduce("ReduceSumSquare") { ($0 * $0).sum(axes: $1, keepDims: $2) },
  .reduce("ReduceLogSum") { x, axes, keep in
    x.asFloats { log($0.sum(axes: axes, keepDims: keep)) }
  },
  .reduce("ReduceLogSumExp", ofNothing: -.infinity) { x, axes, keep in
    x.asFloats { logSumExp($0, axes: axes, keepDims: keep) }
  },
]

extension Tensor {
  /// A function of floats: integers are f64 on the way, and truncated again.
  fileprivate func asFloats(_ body: (Tensor) -> Tensor) -> Tensor {
    dtype.isFloatingPoint ? body(self) : body(converted(to: .float64)).converted(to: dtype)
  }
}

extension OperatorEntry {
  /// A reduction: axes are an attribute, from some version on an input. What has no value over no
  /// elements gets one, which integers saturate.
  static func reduce(
    _ name: String, axesAsInputFrom version: Int = 18, ofNothing empty: Double? = nil,
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
      let axes = try node.axes(
        given.flatMap { $0.isEmpty ? nil : $0 } ?? Array(0..<x.rank), rank: x.rank
      ).sorted()
      if let empty, x.dtype != .bool, axes.contains(where: { x.shape[$0] == 0 }) {
        let all = x.shape.dimensions.indices
        let shape =
          keeps
          ? all.map { axes.contains($0) ? 1 : x.shape[$0] }
          : all.filter { !axes.contains($0) }.map { x.shape[$0] }
        return [.tensor(node.literal(HostArray(splat: empty, TensorType(x.dtype, Shape(shape)))))]
      }
      return [.tensor(body(x, axes, keeps))]
    }
  }
}
