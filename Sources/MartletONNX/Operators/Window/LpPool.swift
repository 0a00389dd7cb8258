import MartletOps

/// The p-norm of each window. https://onnx.ai/onnx/operators/onnx__LpPool.html
struct LpPool: Operator {
  static let name = "LpPool"
  static let since = 2

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let window = try node.poolWindow(x)
    let p = try node.int("p", default: 2)
    let places = node.windows(try node.power(x, p), window, filling: 0)
    return [.tensor(try node.root(places.dropFirst().reduce(places[0], +), p))]
  }
}

/// The p-norm of each channel. https://onnx.ai/onnx/operators/onnx__GlobalLpPool.html
struct GlobalLpPool: Operator {
  static let name = "GlobalLpPool"
  static let since = 2

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let p = try node.int("p", default: 2)
    let sum = try node.power(x, p).sum(axes: Array(min(2, x.rank)..<x.rank), keepDims: true)
    return [.tensor(try node.root(sum, p))]
  }
}

extension NodeContext {
  fileprivate func power(_ x: Tensor, _ p: Int) throws -> Tensor {
    guard p > 0 else { throw invalid("p is \(p)") }
    return p == 1 ? abs(x) : p == 2 ? x * x : pow(abs(x), Double(p))
  }

  fileprivate func root(_ x: Tensor, _ p: Int) throws -> Tensor {
    p == 1 ? x : p == 2 ? sqrt(x) : pow(x, 1 / Double(p))
  }
}
