// Products of eight-bit integers, exact, by floating-point kernels: sums of at most 2²⁴ in size are
// integers that float32 holds, and float64 holds all of them.

import MartletIR
import MartletOps

/// One side of an integer product: elements without their zero point, and how large they may be.
struct IntegerSide {
  /// int32.
  var elements: Tensor
  var bound: Int
}

extension NodeContext {
  /// Input `index` less the zero point at `zeroIndex`, which `place` brings into shape.
  func integerSide(
    _ index: Int, zero zeroIndex: Int, place: (Tensor) throws -> Tensor
  ) throws -> IntegerSide {
    let x = try tensor(index)
    let lowest: Int
    switch x.dtype {
    case .uint8: lowest = 0
    case .int8: lowest = -128
    default: throw invalid("input \(index) is no eight-bit integer: \(x.type)")
    }
    let wide = x.converted(to: .int32)
    guard has(zeroIndex) else {
      return IntegerSide(elements: wide, bound: max(-lowest, lowest + 255))
    }
    guard try elementType(zeroIndex) == elementType(index) else {
      throw invalid("the zero point is of another type than its input")
    }
    var bound = 255
    if let known = knownConstant(zeroIndex)?.integers, let low = known.min(), let high = known.max()
    {
      if low == 0, high == 0 {
        return IntegerSide(elements: wide, bound: max(-lowest, lowest + 255))
      }
      bound = max(Int(high) - lowest, lowest + 255 - Int(low))
    }
    let zero = try place(try tensor(zeroIndex).converted(to: .int32))
    return IntegerSide(elements: wide - zero, bound: bound)
  }

  /// The matrix product of two sides as int32.
  func integerProduct(_ a: IntegerSide, _ b: IntegerSide) throws -> Tensor {
    let (x, y) = (a.elements, b.elements)
    guard x.rank > 0, y.rank > 0 else { throw invalid("needs vectors or matrices") }
    let inner = x.shape[x.rank - 1]
    let innerAxis = max(0, y.rank - 2)
    guard y.shape[innerAxis] == inner else {
      throw invalid("inner extents of \(x.shape) and \(y.shape) differ")
    }
    // As many terms as are exact in float32 at a time.
    let terms = max(1, (1 << 24) / max(1, a.bound * b.bound))
    var sum: Tensor?
    var start = 0
    repeat {
      let range = start..<min(inner, start + terms)
      let part = try matrixProduct(
        x.sliced(range, axis: x.rank - 1).converted(to: .float32),
        y.sliced(range, axis: innerAxis).converted(to: .float32)
      ).converted(to: .int32)
      sum = sum.map { $0 + part } ?? part
      start += terms
    } while start < inner
    guard let sum else { throw invalid("nothing to multiply") }
    return sum
  }

  /// The convolution of two sides as int32, `[N, …, O]`.
  func integerConvolution(_ x: IntegerSide, _ w: IntegerSide) throws -> Tensor {
    let terms = Shape(Array(w.elements.shape.dimensions.dropFirst())).checkedCount ?? Int.max
    let (size, overflow) = terms.multipliedReportingOverflow(by: max(1, x.bound * w.bound))
    let dtype: DType = !overflow && size <= 1 << 24 ? .float32 : .float64
    return try convolution(x.elements.converted(to: dtype), w.elements.converted(to: dtype))
      .converted(to: .int32)
  }

  /// A zero point or scale of a filter's output channels, to broadcast with `[O, I, …]`.
  func perOutput(_ value: Tensor, rank: Int) throws -> Tensor {
    if value.count == 1 { return value.reshaped([]) }
    guard value.rank == 1 else { throw invalid("needs a number or one for each output channel") }
    return value.reshaped(Shape([value.count] + [Int](repeating: 1, count: rank - 1)))
  }

  /// The zero point or scale of a matrix product's left side (rows) or right side (columns).
  func perLine(_ value: Tensor, rows: Bool) -> Tensor {
    if value.count == 1 { return value.reshaped([]) }
    // A vector names rows of the left side; of the right side it broadcasts as it is.
    return rows && value.rank == 1 ? value.reshaped([value.count, 1]) : value
  }
}

/// The matrix product of eight-bit integers as int32.
/// https://onnx.ai/onnx/operators/onnx__MatMulInteger.html
struct MatMulInteger: Operator {
  static let name = "MatMulInteger"
  static let since = 10

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let a = try node.integerSide(0, zero: 2) { node.perLine($0, rows: true) }
    let b = try node.integerSide(1, zero: 3) { node.perLine($0, rows: false) }
    return [.tensor(try node.integerProduct(a, b))]
  }
}

/// The convolution of eight-bit integers as int32.
/// https://onnx.ai/onnx/operators/onnx__ConvInteger.html
struct ConvInteger: Operator {
  static let name = "ConvInteger"
  static let since = 10

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let rank = try node.rank(1)
    let x = try node.integerSide(0, zero: 2) { $0.reshaped([]) }
    let w = try node.integerSide(1, zero: 3) { try node.perOutput($0, rank: rank) }
    return [.tensor(try node.integerConvolution(x, w).channelsFirst)]
  }
}

/// The matrix product of quantised matrices, quantised.
/// https://onnx.ai/onnx/operators/onnx__QLinearMatMul.html
struct QLinearMatMul: Operator {
  static let name = "QLinearMatMul"
  static let since = 10

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let a = try node.integerSide(0, zero: 2) { node.perLine($0, rows: true) }
    let b = try node.integerSide(3, zero: 5) { node.perLine($0, rows: false) }
    let scales = [
      node.perLine(try node.tensor(1), rows: true), node.perLine(try node.tensor(4), rows: false),
      node.perLine(try node.tensor(6), rows: true),
    ]
    // Scales combine in their own type.
    let scale = (scales[0] * scales[1] / scales[2]).converted(to: .float32)
    let y = try node.integerProduct(a, b).converted(to: .float32) * scale
    let zero = node.perLine(try node.tensor(7), rows: true)
    return [try node.quantized(y, zero, as: try node.elementType(7))]
  }
}

/// The convolution of quantised images, quantised.
/// https://onnx.ai/onnx/operators/onnx__QLinearConv.html
struct QLinearConv: Operator {
  static let name = "QLinearConv"
  static let since = 10

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let rank = try node.rank(3)
    let x = try node.integerSide(0, zero: 2) { $0.reshaped([]) }
    let w = try node.integerSide(3, zero: 5) { try node.perOutput($0, rank: rank) }
    var sums = try node.integerConvolution(x, w)
    if let bias = try node.optionalTensor(8) { sums = sums + bias }
    func scalar(_ index: Int) throws -> Tensor {
      let value = try node.tensor(index)
      guard value.count == 1 else { throw node.invalid("input \(index) needs one element") }
      return value.reshaped([])
    }
    let filter = try node.tensor(4)
    let scale =
      try scalar(1) * (filter.count == 1 ? filter.reshaped([]) : filter) / scalar(6)
    let y = sums.converted(to: .float32) * scale.converted(to: .float32)
    return [
      try node.quantized(y.channelsFirst, scalar(7), as: try node.elementType(7))
    ]
  }
}
