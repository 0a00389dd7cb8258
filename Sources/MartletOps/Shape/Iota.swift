import MartletIR
import MartletLoops

/// The index of each element along an axis: 0, 1, 2, …. Takes no operand.
package struct Iota: Op {
  package var dtype: DType
  package var shape: [Int]
  package var axis: Int
  package init(_ type: TensorType, axis: Int) {
    dtype = type.dtype
    shape = type.shape.dimensions
    self.axis = axis
  }
  package static let name = "iota"
  package var attributes: [Attribute] {
    [
      Attribute("dtype", .dtype(dtype)), Attribute("shape", .integers(shape)),
      Attribute("axis", .integer(axis)),
    ]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["dtype", "shape", "axis"])
    dtype = try attributes.dtype("dtype")
    shape = try attributes.integers("shape")
    axis = try attributes.integer("axis")
  }
  package static let samples = [
    OpSample(Iota(TensorType(.float32, [7]), axis: 0), [], [], ulp: 0),
    OpSample(Iota(TensorType(.float64, [3, 5]), axis: 1), [], [], ulp: 0),
    OpSample(Iota(TensorType(.int32, [2, 3, 4]), axis: 1), [], [], ulp: 0),
    OpSample(Iota(TensorType(.int64, [130, 2]), axis: 0), [], [], ulp: 0),
    OpSample(Iota(TensorType(.uint8, [300]), axis: 0), [], [], ulp: 0),
    OpSample(Iota(TensorType(.int32, [0, 2]), axis: 0), [], [], ulp: 0),
  ]

  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 0)
    guard axis >= 0, axis < shape.count else {
      throw TypeError(op: name, "axis \(axis) is out of range for rank \(shape.count)")
    }
    guard dtype != .bool else { throw TypeError(op: name, "a bool holds no index") }
    let type = TensorType(dtype, Shape(shape))
    try type.checkSize(op: name)
    return [type]
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let shape = Shape(shape)
    let inner = shape.strides[axis]
    let indices = (0..<shape.count).map { Int64(($0 / inner) % shape[axis]) }
    return [HostArray(TensorType(dtype, shape), indices)]
  }

  package var lowering: Lowering { .iota(axis: axis) }
  package var gradient: Gradient { .rule { _ in [] } }
}

extension Trace {
  package func iota(_ type: TensorType, axis: Int) -> Tensor {
    record(Iota(type, axis: axis), [])[0]
  }
}

/// The index of each element along `axis`: 0, 1, 2, …, in an array of `shape`.
///
/// `dtype` is a number; narrow integers wrap. No gradient. Only inside of the closure given to
/// `compile`. Refused when the axis is out of range (a negative one counts from the end).
public func iota(
  _ shape: Shape, axis: Int = 0, dtype: DType = .int32, file: StaticString = #fileID,
  line: UInt = #line
) -> Tensor {
  let trace = Trace.currentOrDetached
  let axis = axis < 0 ? axis + shape.rank : axis
  return trace.record(
    Iota(TensorType(dtype, shape), axis: axis), [], at: trace.location(file, line))[0]
}
