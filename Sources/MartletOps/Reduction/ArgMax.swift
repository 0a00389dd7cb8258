import MartletIR
import MartletLoops

/// What argMax and argMin share: the index of an extreme along an axis, which the result lacks.
package protocol ArgReduction: Op {
  var axis: Int { get }
  init(axis: Int)
  static var function: ReduceFunction { get }
}

extension ArgReduction {
  package var attributes: [Attribute] { [Attribute("axis", .integer(axis))] }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["axis"])
    self.init(axis: try attributes.integer("axis"))
  }

  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 1)
    let x = operands[0]
    try expectAxes([axis], rank: x.shape.rank)
    guard x.dtype != .bool else {
      throw TypeError(
        op: name, "bools have no order", hint: "convert first: x.converted(to: .uint8)")
    }
    guard x.shape[axis] > 0, x.shape[axis] <= Int(Int32.max) else {
      throw TypeError(op: name, "axis \(axis) of \(x) has no i32 index to choose")
    }
    return [TensorType(.int32, Shape((0..<x.shape.rank).filter { $0 != axis }.map { x.shape[$0] }))]
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let x = inputs[0]
    let groups = ReductionGroups(x.shape, [axis])
    let type = TensorType(.int32, groups.resultShape)
    let wantsMax = Self.function == .max
    func choose<T>(_ values: [T], _ isBetter: (T, T) -> Bool) -> HostArray {
      HostArray(
        type,
        groups.members.map { members in
          var best = 0
          for i in members.indices where isBetter(values[members[i]], values[members[best]]) {
            best = i
          }
          return Int64(best)
        })
    }
    if x.dtype.isFloatingPoint {
      return [
        choose(x.doubles) { a, b in
          if a.isNaN || b.isNaN { return a.isNaN && !b.isNaN }
          return wantsMax ? a > b : a < b
        }
      ]
    }
    if x.dtype == .uint64 {
      return [
        choose(x.integers.map { UInt64(bitPattern: $0) }) { wantsMax ? $0 > $1 : $0 < $1 }
      ]
    }
    return [choose(x.integers) { wantsMax ? $0 > $1 : $0 < $1 }]
  }

  package var lowering: Lowering { .argReduction(Self.function, axis: axis) }
  package var gradient: Gradient { .none(because: "the result is an index") }
}

extension OpSample {
  package static func argReduction<R: ArgReduction>(_: R.Type) -> [OpSample] {
    let cases: [(Shape, Int)] = [
      ([7], 0), ([3, 5], 1), ([3, 5], 0), ([2, 3, 4], 1), ([5, 1], 1), ([2, 130], 1),
      ([130, 3], 0),
      ([0, 3], 1),
    ]
    return [DType.float32, .float64, .int32, .uint8].flatMap { dtype in
      cases.map {
        OpSample(R(axis: $1), [TensorType(dtype, $0)], [-3...3], isSmooth: false, ulp: 0)
      }
    }
  }
}

/// The index of the first largest element along an axis, i32. A NaN counts as the largest.
package struct ArgMax: ArgReduction {
  package var axis: Int
  package init(axis: Int) { self.axis = axis }
  package static let name = "argMax"
  package static let function = ReduceFunction.max
  package static let samples = OpSample.argReduction(ArgMax.self)
}

extension Tensor {
  /// The index (i32) of the first largest element along `axis` (a negative one counts from the end).
  ///
  /// The first NaN wins over all others. With `keepDims` the axis stays with extent 1. No gradient.
  /// Refused for bool and along an empty axis.
  public func argmax(
    axis: Int, keepDims: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    argReduced(ArgMax.self, axis, keepDims, at: here(self, file, line))
  }

  func argReduced<R: ArgReduction>(
    _: R.Type, _ axis: Int, _ keepDims: Bool, at place: SourceLocation
  ) -> Tensor {
    guard let axis = checkedAxis(axis, op: R.name, at: place) else { return poisoned }
    let y = record(R(axis: axis), self, at: place)
    return keepDims ? y.keepingDims([axis], of: shape) : y
  }
}
