import MartletOps

/// Where elements are infinite, of one sign or both. https://onnx.ai/onnx/operators/onnx__IsInf.html
struct IsInf: Operator {
  static let name = "IsInf"

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let negative = try node.bool("detect_negative", default: true)
    let positive = try node.bool("detect_positive", default: true)
    let (below, above) = (x .== -Double.infinity, x .== Double.infinity)
    switch (negative, positive) {
    case (true, true): return [.tensor(below .| above)]
    case (true, false): return [.tensor(below)]
    case (false, true): return [.tensor(above)]
    case (false, false): return [.tensor(below .& above)]
    }
  }
}
