import MartletIR
import MartletOps

/// Places of an affinely moved image, for GridSample.
/// https://onnx.ai/onnx/operators/onnx__AffineGrid.html
struct AffineGrid: Operator {
  static let name = "AffineGrid"
  static let since = 20

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let theta = try node.tensor(0)
    let size = try node.integers(1)
    let axes = size.count - 2
    guard axes == 2 || axes == 3, theta.rank == 3,
      theta.shape.dimensions[1...] == [axes, axes + 1],
      size.allSatisfy({ $0 > 0 }), size[0] == theta.shape[0]
    else { throw node.invalid("cannot move \(size) by \(theta.type)") }
    let extents = Array(size[2...])
    let count = try node.checked(extents).count
    try node.checkSize(TensorType(.float64, node.checked([theta.shape[0], count, axes + 1])))
    let alignsCorners = try node.bool("align_corners")
    var rows: [Double] = []
    rows.reserveCapacity(count * (axes + 1))
    for place in 0..<count {
      var rest = place
      // The last axis comes first.
      for axis in extents.indices.reversed() {
        let (at, extent) = (Double(rest % extents[axis]), Double(extents[axis]))
        rest /= extents[axis]
        rows.append(
          alignsCorners
            ? (extents[axis] == 1 ? -1 : at * 2 / (extent - 1) - 1) : (2 * at + 1) / extent - 1)
      }
      rows.append(1)
    }
    let grid = node.literal(HostArray(TensorType(theta.dtype, [count, axes + 1]), rows))
    let moved = matmul(
      grid.broadcasted(to: [theta.shape[0], count, axes + 1]), theta.transposed([0, 2, 1]))
    return [.tensor(moved.reshaped(Shape([theta.shape[0]] + extents + [axes])))]
  }
}
