import MartletIR
import MartletOps

/// Determinants of square matrices, by elimination with row exchanges.
/// https://onnx.ai/onnx/operators/onnx__Det.html
struct Det: Operator {
  static let name = "Det"
  static let since = 11
  /// The elimination is unrolled.
  private static let largest = 64

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    guard x.rank >= 2, x.shape[x.rank - 1] == x.shape[x.rank - 2] else {
      throw node.invalid("needs square matrices, got \(x.type)")
    }
    let extent = x.shape[x.rank - 1]
    guard extent <= largest else {
      throw node.unsupported("a determinant of \(extent) rows; at most \(largest)")
    }
    let outer = Shape(Array(x.shape.dimensions.dropLast(2)))
    var rest = x.reshaped([outer.count, extent, extent])
    var result = node.literal(
      HostArray(splat: 1, TensorType(x.dtype, [outer.count])))
    for size in stride(from: extent, to: 0, by: -1) {
      // The row with the largest first element goes to the front.
      let column = rest.sliced(0..<1, axis: 2)
      let place = abs(column).argmax(axis: 1, keepDims: true)
      let pivotRow = gatherRow(rest, place)
      let pivot = pivotRow.sliced(0..<1, axis: 2)
      let sign = select(place .== 0, pivot, 0 - pivot)
      result = result * sign.reshaped([outer.count])
      guard size > 1 else { break }
      let rows = node.trace.iota(TensorType(.int32, [outer.count, size, 1]), axis: 1)
      let moved = select(
        (rows .== place).broadcasted(to: rest.shape),
        rest.sliced(0..<1, axis: 1).broadcasted(to: rest.shape), rest
      ).sliced(1..<size, axis: 1)
      let divisor = select(pivot .== 0, 1, pivot)
      let factor = moved.sliced(0..<1, axis: 2) / divisor
      rest = (moved - factor * pivotRow).sliced(1..<size, axis: 2)
    }
    return [.tensor(result.reshaped(outer))]
  }

  /// One row of each matrix: `[B, n, n], [B, 1, 1] → [B, 1, n]`.
  private static func gatherRow(_ x: Tensor, _ place: Tensor) -> Tensor {
    takeAlongAxis(x, place.broadcasted(to: [x.shape[0], 1, x.shape[2]]), axis: 1)
  }
}
