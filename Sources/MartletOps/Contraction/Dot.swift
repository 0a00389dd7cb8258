import MartletIR
import MartletLoops

/// Which axes of a general dot are batched and contracted.
package struct DotAxes: Hashable, Sendable {
  package var leftBatch: [Int]
  package var rightBatch: [Int]
  package var leftContract: [Int]
  package var rightContract: [Int]
  package init(
    leftBatch: [Int] = [], rightBatch: [Int] = [], leftContract: [Int], rightContract: [Int]
  ) {
    self.leftBatch = leftBatch
    self.rightBatch = rightBatch
    self.leftContract = leftContract
    self.rightContract = rightContract
  }
  package func leftFree(_ rank: Int) -> [Int] {
    (0..<rank).filter { !leftBatch.contains($0) && !leftContract.contains($0) }
  }
  package func rightFree(_ rank: Int) -> [Int] {
    (0..<rank).filter { !rightBatch.contains($0) && !rightContract.contains($0) }
  }
}

/// General dot product: `z[b, i, j] = Σ_k x[b, i, k] · y[b, k, j]` over groups of axes.
///
/// Result axes: batch, then the free axes of the left, then those of the right operand.
/// Gradient: two general dots and a transpose. Each sum runs over ascending k.
package struct Dot: Op {
  package var axes: DotAxes
  package init(_ axes: DotAxes) { self.axes = axes }
  package static let name = "dot"
  package var attributes: [Attribute] {
    [
      Attribute("leftBatch", .integers(axes.leftBatch)),
      Attribute("rightBatch", .integers(axes.rightBatch)),
      Attribute("leftContract", .integers(axes.leftContract)),
      Attribute("rightContract", .integers(axes.rightContract)),
    ]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["leftBatch", "rightBatch", "leftContract", "rightContract"])
    axes = DotAxes(
      leftBatch: try attributes.integers("leftBatch"),
      rightBatch: try attributes.integers("rightBatch"),
      leftContract: try attributes.integers("leftContract"),
      rightContract: try attributes.integers("rightContract"))
  }
  package static let samples: [OpSample] = {
    let matrix = DotAxes(leftContract: [1], rightContract: [0])
    let cases: [(DotAxes, Shape, Shape)] = [
      (matrix, [3, 4], [4, 5]), (matrix, [1, 7], [7, 1]), (matrix, [17, 33], [33, 19]),
      (matrix, [3, 0], [0, 2]), (DotAxes(leftContract: [0], rightContract: [0]), [4, 3], [4, 5]),
      (DotAxes(leftContract: [1], rightContract: [1]), [3, 4], [5, 4]),
      (DotAxes(leftContract: [0], rightContract: [0]), [6], [6]),
      (DotAxes(leftContract: [], rightContract: []), [3], [2]),
      (
        DotAxes(leftBatch: [0], rightBatch: [0], leftContract: [2], rightContract: [1]),
        [2, 3, 4], [2, 4, 5]
      ),
      (
        DotAxes(leftBatch: [0, 2], rightBatch: [0, 2], leftContract: [3], rightContract: [3]),
        [2, 3, 2, 4], [2, 5, 2, 4]
      ),
      (DotAxes(leftContract: [0, 2], rightContract: [2, 0]), [2, 3, 4], [4, 5, 2]),
    ]
    return [.float32, .float64, .int32].flatMap { dtype in
      cases.map {
        OpSample(
          Dot($0), [TensorType(dtype, $1), TensorType(dtype, $2)], [-2...2, -2...2], ulp: 64)
      }
    }
  }()

  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 2)
    let (x, y) = (operands[0], operands[1])
    guard x.dtype == y.dtype else {
      throw TypeError(op: name, "dtypes differ: \(x) and \(y)", hint: "convert one of them")
    }
    guard x.dtype != .bool else { throw TypeError(op: name, "no product of bools") }
    try expectAxes(axes.leftBatch + axes.leftContract, rank: x.shape.rank)
    try expectAxes(axes.rightBatch + axes.rightContract, rank: y.shape.rank)
    guard axes.leftBatch.count == axes.rightBatch.count,
      axes.leftContract.count == axes.rightContract.count
    else { throw TypeError(op: name, "the sides name different numbers of axes") }
    for (a, b) in zip(axes.leftBatch, axes.rightBatch) where x.shape[a] != y.shape[b] {
      throw TypeError(
        op: name, "batch sizes differ: \(x) · \(y)   (\(x.shape[a]) ≠ \(y.shape[b]))")
    }
    for (a, b) in zip(axes.leftContract, axes.rightContract) where x.shape[a] != y.shape[b] {
      throw TypeError(
        op: name, "inner sizes differ: \(x) · \(y)   (\(x.shape[a]) ≠ \(y.shape[b]))",
        hint: "the last extent of the left side must equal the first of the right side")
    }
    let shape =
      axes.leftBatch.map { x.shape[$0] } + axes.leftFree(x.shape.rank).map { x.shape[$0] }
      + axes.rightFree(y.shape.rank).map { y.shape[$0] }
    return [TensorType(x.dtype, Shape(shape))]
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) throws(TypeError) -> [HostArray]
  {
    let (x, y) = (inputs[0], inputs[1])
    let type = try infer([x.type, y.type], [])[0]
    func offsets(_ array: HostArray, _ axes: [Int]) -> [Int] {
      let strides = array.shape.strides
      let map = IndexMap(dims: axes.map { array.shape[$0] }, strides: axes.map { strides[$0] })
      return (0..<map.count).map(map.offset(at:))
    }
    let (xb, yb) = (offsets(x, axes.leftBatch), offsets(y, axes.rightBatch))
    let (xk, yk) = (offsets(x, axes.leftContract), offsets(y, axes.rightContract))
    let xi = offsets(x, axes.leftFree(x.shape.rank))
    let yj = offsets(y, axes.rightFree(y.shape.rank))
    if x.dtype.isFloatingPoint {
      let (a, b) = (x.doubles, y.doubles)
      var result: [Double] = []
      result.reserveCapacity(type.count)
      for batch in xb.indices {
        for i in xi {
          for j in yj {
            var sum = 0.0
            for k in xk.indices { sum += a[xb[batch] + i + xk[k]] * b[yb[batch] + j + yk[k]] }
            result.append(sum)
          }
        }
      }
      return [HostArray(type, result)]
    }
    let (a, b) = (x.integers, y.integers)
    var result: [Int64] = []
    for batch in xb.indices {
      for i in xi {
        for j in yj {
          var sum: Int64 = 0
          for k in xk.indices { sum &+= a[xb[batch] + i + xk[k]] &* b[yb[batch] + j + yk[k]] }
          result.append(sum)
        }
      }
    }
    return [HostArray(type, result)]
  }

  package var lowering: Lowering { .contraction(.dot(axes)) }

  package var gradient: Gradient {
    .rule { v in
      let (x, y) = (v.inputs[0], v.inputs[1])
      let batch = axes.leftBatch.count
      let left = axes.leftFree(x.rank)
      let right = axes.rightFree(y.rank)
      let dyBatch = Array(0..<batch)
      let dyLeft = Array(batch..<(batch + left.count))
      let dyRight = Array((batch + left.count)..<(batch + left.count + right.count))
      // dx[b, i, k] = Σ_j dz[b, i, j] · y[b, k, j]: axes batch, left free, y's contracted (ascending).
      let rightOrder = axes.rightContract.sorted()
      let dx = record(
        Dot(
          DotAxes(
            leftBatch: dyBatch, rightBatch: axes.rightBatch, leftContract: dyRight,
            rightContract: right)), v.dy, y)
      let xAxes =
        axes.leftBatch + left
        + rightOrder.map { axes.leftContract[axes.rightContract.firstIndex(of: $0) ?? 0] }
      // dy[b, k, j] = Σ_i x[b, i, k] · dz[b, i, j]: axes batch, x's contracted (ascending), right free.
      let leftOrder = axes.leftContract.sorted()
      let dw = record(
        Dot(
          DotAxes(
            leftBatch: axes.leftBatch, rightBatch: dyBatch, leftContract: left,
            rightContract: dyLeft)), x, v.dy)
      let yAxes =
        axes.rightBatch
        + leftOrder.map { axes.rightContract[axes.leftContract.firstIndex(of: $0) ?? 0] } + right
      return [dx.arranged(xAxes), dw.arranged(yAxes)]
    }
  }
}

extension Tensor {
  /// Puts axes in order: axis i of this tensor becomes axis `targets[i]`.
  package func arranged(_ targets: [Int]) -> Tensor {
    guard targets != Array(0..<rank) else { return self }
    var permutation = targets
    for (from, to) in targets.enumerated() { permutation[to] = from }
    return transposed(permutation)
  }
}

/// Matrix product, `[…, M, K] · [K, N] → […, M, N]`; two operands of rank ≥ 3 are batched over
/// their equal leading axes; vectors act as rows and columns (the last axis of `x`, the first of `y`).
///
/// Gradient: `dx = dz · yᵀ`, `dy = xᵀ · dz`.
public func matmul(
  _ x: Tensor, _ y: Tensor, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  let place = here(x, file, line)
  guard x.rank > 0, y.rank > 0 else {
    return record(Dot(DotAxes(leftContract: [0], rightContract: [0])), x, y, at: place)
  }
  if y.rank <= 2 {
    return record(Dot(DotAxes(leftContract: [x.rank - 1], rightContract: [0])), x, y, at: place)
  }
  let batch = Array(0..<(y.rank - 2))
  return record(
    Dot(
      DotAxes(
        leftBatch: batch, rightBatch: batch, leftContract: [x.rank - 1],
        rightContract: [y.rank - 2])), x, y, at: place)
}
