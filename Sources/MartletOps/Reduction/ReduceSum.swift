import MartletIR
import MartletLoops

/// What the reductions share: combines over axes, which the result lacks.
package protocol Reduction: Op {
  var axes: [Int] { get }
  init(axes: [Int])
  static var function: ReduceFunction { get }
  /// True where a reduction of no elements has no value.
  static var needsElements: Bool { get }
  /// The oracle over the elements of one group, in order.
  func combine(_ x: [Double]) -> Double
  func combine(_ x: [Int64], _ dtype: DType) -> Int64
}

extension Reduction {
  package static var needsElements: Bool { false }
  package var attributes: [Attribute] { [Attribute("axes", .integers(axes))] }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["axes"])
    self.init(axes: try attributes.integers("axes"))
  }

  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 1)
    let x = operands[0]
    try expectAxes(axes, rank: x.shape.rank)
    guard x.dtype != .bool else {
      throw TypeError(
        op: name, "no such reduction of bool", hint: "convert first: x.converted(to: .int32)")
    }
    let kept = (0..<x.shape.rank).filter { !axes.contains($0) }
    guard !Self.needsElements || axes.allSatisfy({ x.shape[$0] > 0 }) else {
      throw TypeError(op: name, "nothing to choose from: \(x) is empty along axes \(axes)")
    }
    return [TensorType(x.dtype, Shape(kept.map { x.shape[$0] }))]
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let x = inputs[0]
    let groups = ReductionGroups(x.shape, axes)
    let type = TensorType(x.dtype, groups.resultShape)
    if x.dtype.isFloatingPoint {
      let values = x.doubles
      return [HostArray(type, groups.members.map { combine($0.map { values[$0] }) })]
    }
    let values = x.integers
    return [HostArray(type, groups.members.map { combine($0.map { values[$0] }, x.dtype) })]
  }

  package var lowering: Lowering { .reduction(Self.function, axes: axes) }
}

/// Which elements of the operand each element of a reduction's result combines.
package struct ReductionGroups {
  package let resultShape: Shape
  package let members: [[Int]]

  package init(_ shape: Shape, _ axes: [Int]) {
    let kept = (0..<shape.rank).filter { !axes.contains($0) }
    resultShape = Shape(kept.map { shape[$0] })
    let strides = shape.strides
    let outer = IndexMap(dims: kept.map { shape[$0] }, strides: kept.map { strides[$0] })
    let ascending = axes.sorted()
    let inner = IndexMap(
      dims: ascending.map { shape[$0] }, strides: ascending.map { strides[$0] })
    let offsets = (0..<inner.count).map(inner.offset(at:))
    members = (0..<outer.count).map { index in
      let base = outer.offset(at: index)
      return offsets.map { base + $0 }
    }
  }
}

extension OpSample {
  /// Whole, leading, trailing, middle and no axes.
  package static func reduction<R: Reduction>(
    _: R.Type, _ range: ClosedRange<Double>, dtypes: [DType] = [.float32, .float64, .int32],
    ulp: Double = 16
  ) -> [OpSample] {
    let cases: [(Shape, [Int])] = [
      ([7], [0]), ([3, 5], [1]), ([3, 5], [0]), ([3, 5], [0, 1]), ([2, 3, 4], [1]),
      ([2, 3, 4], [0, 2]), ([4], []), ([], []), ([5, 1], [1]), ([2, 130], [1]), ([130, 3], [0]),
    ]
    return dtypes.flatMap { dtype in
      cases.map { OpSample(R(axes: $1), [TensorType(dtype, $0)], [range], ulp: ulp) }
    }
  }
}

/// The sum over axes. Integers wrap.
///
/// Gradient: the cotangent repeated along the summed axes. Compiled sums are taken in a fixed order
/// (64 interleaved accumulators, combined pairwise) that does not depend on threads.
package struct ReduceSum: Reduction {
  package var axes: [Int]
  package init(axes: [Int]) { self.axes = axes }
  package static let name = "reduceSum"
  package static let function = ReduceFunction.sum
  package static let samples = OpSample.reduction(ReduceSum.self, -2...2)
  package func combine(_ x: [Double]) -> Double { x.reduce(0, +) }
  package func combine(_ x: [Int64], _ dtype: DType) -> Int64 { x.reduce(0, &+) }
  package var gradient: Gradient {
    .rule { v in [v.dy.restoring(axes, of: v.x.shape)] }
  }
}

extension Tensor {
  /// Repeats a reduction's result along the reduced axes, back to the operand's shape.
  package func restoring(_ axes: [Int], of shape: Shape) -> Tensor {
    record(
      Broadcast(shape: shape, axes: (0..<shape.rank).filter { !axes.contains($0) }), self)
  }

  /// Axes counted from the front; negative ones count from the end.
  package func normalized(_ axes: [Int]?) -> [Int] {
    guard let axes else { return Array(0..<rank) }
    return axes.map { $0 < 0 ? $0 + rank : $0 }
  }

  /// The sum over `axes` (all of them if nil; negative ones count from the end).
  ///
  /// With `keepDims` the summed axes stay with extent 1. Gradient: the cotangent repeated.
  public func sum(
    axes: [Int]? = nil, keepDims: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let axes = normalized(axes)
    if axes.isEmpty { return self }
    let y = record(ReduceSum(axes: axes), self, at: here(self, file, line))
    return keepDims ? y.keepingDims(axes, of: shape) : y
  }

  package func keepingDims(_ axes: [Int], of shape: Shape) -> Tensor {
    reshaped(Shape(shape.dimensions.indices.map { axes.contains($0) ? 1 : shape[$0] }))
  }
}
