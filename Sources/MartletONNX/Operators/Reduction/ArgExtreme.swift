import MartletIR
import MartletOps

/// The place of the largest element along an axis. https://onnx.ai/onnx/operators/onnx__ArgMax.html
struct ArgMax: Operator {
  static let name = "ArgMax"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    [try node.extremePlace { $0.argmax(axis: $1, keepDims: $2) }]
  }
}

/// The place of the smallest element along an axis. https://onnx.ai/onnx/operators/onnx__ArgMin.html
struct ArgMin: Operator {
  static let name = "ArgMin"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    [try node.extremePlace { $0.argmin(axis: $1, keepDims: $2) }]
  }
}

extension NodeContext {
  fileprivate func extremePlace(_ body: (Tensor, Int, Bool) -> Tensor) throws -> ONNXValue {
    let x = try tensor(0)
    let axis = try axis(int("axis", default: 0), rank: x.rank)
    let keeps = try bool("keepdims", default: true)
    guard try bool("select_last_index") else {
      return .tensor(body(x, axis, keeps).converted(to: .int64))
    }
    let place = body(x.reversed(axes: [axis]), axis, keeps)
    return .tensor((Double(x.shape[axis] - 1) - place).converted(to: .int64))
  }
}
