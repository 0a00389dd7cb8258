// Matrix products. Specifications: https://onnx.ai/onnx/operators/onnx__NAME.html

import MartletIR
import MartletOps

let linearOperators: [OperatorEntry] = [
  OperatorEntry("MatMul") { [.tensor(try $0.matrixProduct($0.tensor(0), $0.tensor(1)))] },
  OperatorEntry("Gemm") { node in
    var (a, b) = (try node.tensor(0), try node.tensor(1))
    guard a.rank == 2, b.rank == 2 else { throw node.invalid("needs matrices") }
    if try node.bool("transA") { a = a.transposed([1, 0]) }
    if try node.bool("transB") { b = b.transposed([1, 0]) }
    let (alpha, beta) = (try node.float("alpha", default: 1), try node.float("beta", default: 1))
    var y = matmul(a, b)
    if alpha != 1 { y = y * alpha }
    if let c = try node.optionalTensor(2), beta != 0 { y = y + (beta == 1 ? c : c * beta) }
    return [.tensor(y)]
  },
  OperatorEntry(Einsum.self),
]

extension NodeContext {
  /// NumPy's matrix product: vectors act as rows and columns, leading axes broadcast.
  func matrixProduct(_ x: Tensor, _ y: Tensor) throws -> Tensor {
    guard x.rank > 0, y.rank > 0 else { throw invalid("needs vectors or matrices") }
    if y.rank <= 2 { return matmul(x, y) }
    let left = x.rank == 1 ? x.reshaped([1, x.shape[0]]) : x
    let outer = Array(y.shape.dimensions.dropLast(2))
    guard
      let batch = broadcastShapes(Shape(Array(left.shape.dimensions.dropLast(2))), Shape(outer))
    else { throw invalid("leading axes of \(x.type) and \(y.type) do not broadcast") }
    func broadcast(_ t: Tensor) -> Tensor {
      t.broadcasted(to: Shape(batch.dimensions + t.shape.dimensions.suffix(2)))
    }
    let product = matmul(broadcast(left), broadcast(y))
    guard x.rank == 1 else { return product }
    var shape = product.shape.dimensions
    shape.remove(at: shape.count - 2)
    return product.reshaped(Shape(shape))
  }
}
