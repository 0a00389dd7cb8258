import MartletIR
import MartletOps

/// A literal. https://onnx.ai/onnx/operators/onnx__Constant.html
struct Constant: Operator {
  static let name = "Constant"
  static let folds = false

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    func numbers(_ dtype: DType, _ shape: Shape, _ values: [Double]) -> [ONNXValue] {
      [.constant(HostTensor(HostArray(TensorType(dtype, shape), values)))]
    }
    if let tensor = try node.tensorAttribute("value") { return [.constant(tensor)] }
    if let tensor = try node.sparseAttribute("sparse_value") { return [.constant(tensor)] }
    if let x = try node.float("value_float") { return numbers(.float32, [], [x]) }
    if let x = try node.floats("value_floats") { return numbers(.float32, [x.count], x) }
    if let x = try node.int("value_int") {
      return [.constant(HostTensor(HostArray(TensorType(.int64, []), [Int64(x)])))]
    }
    if let x = try node.ints("value_ints") { return [.constant(HostTensor(x))] }
    if let x = try node.string("value_string") { return [.constant(HostTensor([x], []))] }
    if let x = try node.strings("value_strings") {
      return [.constant(HostTensor(x, [x.count]))]
    }
    throw node.invalid("there is no value")
  }
}

/// A tensor of one value. https://onnx.ai/onnx/operators/onnx__ConstantOfShape.html
struct ConstantOfShape: Operator {
  static let name = "ConstantOfShape"
  static let since = 9

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let shape = try node.checked(node.integers(0))
    let value =
      try node.tensorAttribute("value")
      ?? HostTensor(HostArray(TensorType(.float32, [1]), [0.0]))
    guard value.count == 1, let array = value.array else {
      throw node.invalid("the value needs one number")
    }
    try node.checkSize(TensorType(array.dtype, shape))
    let scalar = node.literal(array.reshaped([]))
    return [
      .tensor(
        scalar.broadcasted(to: shape),
        as: value.elementType.isNative ? nil : value.elementType)
    ]
  }
}
