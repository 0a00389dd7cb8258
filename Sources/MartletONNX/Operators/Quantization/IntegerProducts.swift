// Products of eight-bit integers: u8 by i8 on the runtime's integer kernels, zero points by sums of rows and
// columns; other forms, exactly too, by floating-point kernels: sums of at most 2²⁴ in size are integers
// that float32 holds, and float64 holds all of them.

import MartletIR
import MartletOps

/// One side of an integer product.
struct IntegerSide {
  /// uint8 or int8.
  var bytes: Tensor
  /// The elements where they are known: weights.
  var known: HostTensor?
  /// int32, to be taken from each element, brought into shape; nil for zeros.
  var zero: Tensor?
  /// The zero point where it is one known number, that of the input's own bytes.
  var knownZero: Int? = 0
  /// Unsigned bytes around 128: signed ones around 0.
  var isCentred = false
  /// How large an element less its zero point may be.
  var bound: Int

  /// int32, without the zero point.
  var elements: Tensor {
    let wide = bytes.converted(to: .int32)
    return zero.map { wide - $0 } ?? wide
  }

  /// What is added to each byte to make it one of the other sign.
  private var flip: Int { bytes.dtype == .uint8 ? -128 : 128 }

  /// The bytes as `dtype`, and the zero point that goes with them.
  private func flipped(to dtype: DType) -> (bytes: Tensor, zero: Tensor?) {
    if bytes.dtype == dtype { return (bytes, zero) }
    let shift = bytes.trace.constant(Double(flip), .int32)
    return (
      (bytes.converted(to: .int32) + shift).converted(to: dtype), zero.map { $0 + shift } ?? shift
    )
  }

  /// What stands for 0 among the bytes of ``left``, where that is one known number.
  var zeroNumber: Int? { knownZero.map { bytes.dtype == .uint8 ? $0 : $0 + 128 } }

  /// As the left side of an integer product.
  var left: (bytes: Tensor, zero: Tensor?) { flipped(to: .uint8) }

  /// As the right side, with the sums over all axes but the last, which are known where the weights
  /// are; these in the order of `permutation`.
  func right(
    permuted permutation: [Int]? = nil
  ) throws -> (bytes: Tensor, zero: Tensor?, sums: Tensor) {
    if let known,
      let array = try permutation.map({ try known.transposed($0) })?.array ?? known.array
    {
      // Unsigned bytes are those of the signed numbers 128 below them, with the top bit flipped.
      let mask: UInt8 = bytes.dtype == .int8 ? 0 : 0x80
      let columns = array.shape.dimensions.last ?? 1
      var values = array.bytePatterns
      var sums = [Int32](repeating: 0, count: columns)
      values.withUnsafeMutableBufferPointer { values in
        sums.withUnsafeMutableBufferPointer { sums in
          for row in 0..<(columns == 0 ? 0 : values.count / columns) {
            for column in 0..<columns {
              let value = values[row * columns + column] ^ mask
              values[row * columns + column] = value
              sums[column] &+= Int32(Int8(bitPattern: value))
            }
          }
        }
      }
      let zero =
        isCentred
        ? nil
        : mask == 0
          ? zero : zero.map { $0 - 128 } ?? bytes.trace.constant(Double(-128), .int32)
      let trace = bytes.trace
      return (
        trace.constant(HostArray(TensorType(.int8, array.shape), bytes: values)), zero,
        trace.constant(HostArray(TensorType(.int32, [columns]), sums.map(Int64.init)))
      )
    }
    var (bytes, zero) = flipped(to: .int8)
    if let permutation { bytes = bytes.transposed(permutation) }
    return (
      bytes, zero,
      bytes.converted(to: .int32).sum(axes: Array(0..<(bytes.rank - 1)))
    )
  }
}

extension NodeContext {
  /// Input `index` with the zero point at `zeroIndex`, which `place` brings into shape.
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
    var side = IntegerSide(
      bytes: x, known: knownConstant(index), zero: nil, bound: max(-lowest, lowest + 255))
    guard has(zeroIndex) else { return side }
    guard try elementType(zeroIndex) == elementType(index) else {
      throw invalid("the zero point is of another type than its input")
    }
    side.bound = 255
    side.knownZero = nil
    if let known = knownConstant(zeroIndex)?.integers, let low = known.min(), let high = known.max()
    {
      side.bound = max(Int(high) - lowest, lowest + 255 - Int(low))
      if low == high { side.knownZero = Int(low) }
      side.isCentred = x.dtype == .uint8 && low == 128 && high == 128
      if low == 0, high == 0 { return side }
    }
    side.zero = try place(try tensor(zeroIndex).converted(to: .int32))
    return side
  }

  /// The matrix product of two sides as int32.
  func integerProduct(_ a: IntegerSide, _ b: IntegerSide) throws -> Tensor {
    let (left, right) = (a.bytes, b.bytes)
    guard left.rank > 0, right.rank > 0 else { throw invalid("needs vectors or matrices") }
    let inner = left.shape[left.rank - 1]
    let innerAxis = max(0, right.rank - 2)
    guard right.shape[innerAxis] == inner else {
      throw invalid("inner extents of \(left.shape) and \(right.shape) differ")
    }
    if right.rank == 2, b.zero?.rank ?? 0 <= 1, a.zero?.rank ?? 0 <= left.rank {
      let (x, zero) = a.left
      let (w, weightZero, sums) = try b.right()
      var product = integerMatmul(x, w)
      if let zero { product = product - zero * sums }
      if let weightZero {
        // Σ (x − a)(w − b) = Σ x w − a Σ w − b (Σ x − K a)
        var rows = x.converted(to: .int32).sum(axes: [x.rank - 1], keepDims: true)
        if let zero { rows = rows - zero * Double(inner) }
        product = product - rows * weightZero
      }
      return product
    }
    // As many terms as are exact in float32 at a time.
    let (x, y) = (a.elements, b.elements)
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
    if let sum = try byteConvolution(x, w) { return sum }
    let terms = Shape(Array(w.bytes.shape.dimensions.dropFirst())).checkedCount ?? Int.max
    let (size, overflow) = terms.multipliedReportingOverflow(by: max(1, x.bound * w.bound))
    let dtype: DType = !overflow && size <= 1 << 24 ? .float32 : .float64
    return try convolution(x.elements.converted(to: dtype), w.elements.converted(to: dtype))
      .converted(to: .int32)
  }

  /// The same on the integer kernels: two spatial axes, one group, an image's zero point that is
  /// known (it stands around the image) and symmetric weights. Nil for any other.
  private func byteConvolution(_ x: IntegerSide, _ w: IntegerSide) throws -> Tensor? {
    guard x.bytes.rank == 4, w.bytes.rank == 4, try int("group", default: 1) == 1,
      w.bytes.shape[1] == x.bytes.shape[1], w.bytes.count > 0
    else { return nil }
    let (bytes, zero) = x.left
    let (filter, weightZero, sums) = try w.right(permuted: [2, 3, 1, 0])
    guard weightZero == nil else { return nil }
    var around = 0
    if zero != nil {
      // Either the known zero point of the input, or none, and then that of flipped bytes.
      guard let value = x.zeroNumber else { return nil }
      around = value
    }
    let kernel = Array(w.bytes.shape.dimensions[2...])
    if let said = try ints("kernel_shape"), said != kernel {
      throw invalid("kernel_shape \(said) for the filter \(w.bytes.type)")
    }
    let window = try Window(self, input: Array(x.bytes.shape.dimensions[2...]), kernel: kernel)
    let geometry = Conv2DGeometry(
      inputHeight: x.bytes.shape[2], inputWidth: x.bytes.shape[3], kernelHeight: kernel[0],
      kernelWidth: kernel[1], strides: window.strides,
      padding: [window.low[0], window.high[0], window.low[1], window.high[1]],
      dilations: window.dilations, groups: 1)
    let sum = integerConv2d(bytes.channelsLast, filter, geometry, zero: around)
    return zero == nil ? sum : sum - sums * Double(around)
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
