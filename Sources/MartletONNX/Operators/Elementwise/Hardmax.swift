import MartletIR
import MartletOps

/// 1 at the first largest element along an axis, 0 elsewhere.
/// https://onnx.ai/onnx/operators/onnx__Hardmax.html
struct Hardmax: Operator {
  static let name = "Hardmax"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    if try node.shape(0).count == 0 { return [try node.value(0)] }
    return [
      try node.alongAxis { x, axis in
        let places = node.trace.iota(TensorType(.int32, x.shape), axis: axis)
        return (places .== x.argmax(axis: axis, keepDims: true)).converted(to: x.dtype)
      }
    ]
  }
}
