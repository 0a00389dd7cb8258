import MartletIR
import MartletOps

/// The discrete Fourier transform along an axis. https://onnx.ai/onnx/operators/onnx__DFT.html
struct DFT: Operator {
  static let name = "DFT"
  static let since = 17

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    guard x.rank >= 2, (1...2).contains(x.shape[x.rank - 1]), x.dtype.isFloatingPoint else {
      throw node.invalid("needs […, 1 or 2] numbers, got \(x.type)")
    }
    let named =
      try node.version < 20
      ? node.int("axis", default: 1) : node.has(2) ? node.integer(2) : -2
    let axis = try node.axis(named, rank: x.rank)
    guard axis < x.rank - 1 else { throw node.invalid("the last axis holds the parts of numbers") }
    let (isInverse, isOneSided) = (try node.bool("inverse"), try node.bool("onesided"))
    var length = isInverse && isOneSided ? 2 * (x.shape[axis] - 1) : x.shape[axis]
    if node.has(1) { length = try node.integer(1) }
    guard length > 0 else { throw node.invalid("the length \(length)") }
    var wide = x.shape.dimensions
    wide[axis] = length
    try node.checkSize(TensorType(.float64, node.checked(wide)))
    // The axis last, parts apart, in double precision: sums of many terms cancel.
    let order = (0..<(x.rank - 1)).filter { $0 != axis } + [axis]
    func part(_ index: Int) -> Tensor {
      x.sliced(index..<(index + 1), axis: x.rank - 1)
        .reshaped(Shape(Array(x.shape.dimensions.dropLast())))
        .transposed(order).converted(to: .float64)
    }
    var spectrum = Spectrum(
      real: part(0), imaginary: x.shape[x.rank - 1] == 2 ? part(1) : nil)
    if isInverse, isOneSided {
      spectrum = spectrum.fitted(length / 2 + 1).mirrored(length)
    } else {
      spectrum = spectrum.fitted(length)
    }
    try node.checkSize(TensorType(.float64, spectrum.real.shape))
    var result = try node.transform(spectrum, isInverse: isInverse)
    if isOneSided, !isInverse { result = result.fitted(length / 2 + 1) }
    var parts = [result.real]
    if !(isInverse && isOneSided) { parts.append(result.imaginary ?? result.real.filled(0)) }
    var back = order
    for (place, axis) in order.enumerated() { back[axis] = place }
    let stacked = parts.map { $0.transposed(back).converted(to: x.dtype) }
    return [.tensor(stack(stacked, axis: x.rank - 1))]
  }
}

/// Complex numbers as two arrays of float64, transformed along their last axis.
struct Spectrum {
  var real: Tensor
  var imaginary: Tensor?

  /// Both parts through a function.
  func map(_ body: (Tensor) -> Tensor) -> Spectrum {
    Spectrum(real: body(real), imaginary: imaginary.map(body))
  }

  /// Cut, or padded with zeros, to a length.
  func fitted(_ length: Int) -> Spectrum {
    map { x in
      let extent = x.shape[x.rank - 1]
      if extent == length { return x }
      if extent > length { return x.sliced(0..<length, axis: x.rank - 1) }
      var high = [Int](repeating: 0, count: x.rank)
      high[x.rank - 1] = length - extent
      return x.padded(low: high.map { _ in 0 }, high: high)
    }
  }

  /// The other half of a real signal's spectrum: conjugates, backwards.
  func mirrored(_ length: Int) -> Spectrum {
    func joined(_ x: Tensor, _ sign: Double) -> Tensor {
      let axis = x.rank - 1
      let rest = length - x.shape[axis]
      guard rest > 0 else { return x.sliced(0..<length, axis: axis) }
      return concatenate(
        [x, x.sliced(1..<(1 + rest), axis: axis).reversed(axes: [axis]) * sign], axis: axis)
    }
    return Spectrum(real: joined(real, 1), imaginary: imaginary.map { joined($0, -1) })
  }
}

extension NodeContext {
  /// The transform along the last axis; the inverse one divided by the length.
  func transform(_ x: Spectrum, isInverse: Bool) throws -> Spectrum {
    let length = x.real.shape[x.real.rank - 1]
    let y = try powers(x, sign: isInverse ? 1 : -1)
    return isInverse ? y.map { $0 / Double(length) } : y
  }

  /// Sums of x times powers of a root of unity: by factors of the length (Cooley and Tukey 1965),
  /// and a matrix product for each factor.
  private func powers(_ x: Spectrum, sign: Double) throws -> Spectrum {
    let axis = x.real.rank - 1
    let length = x.real.shape[axis]
    let factor = length <= 64 ? length : (2...64).last { length % $0 == 0 } ?? length
    func root(_ rows: Int, _ columns: Int, _ of: Int, _ body: (Double) -> Double) throws -> Tensor {
      let type = TensorType(.float64, try checked([rows, columns]))
      try checkSize(type)
      return literal(
        HostArray(
          type,
          (0..<rows).flatMap { row in
            (0..<columns).map { body(sign * 2 * .pi * Double(row * $0 % of) / Double(of)) }
          }))
    }
    if factor == length {
      guard length <= 8192 else {
        throw unsupported("a transform whose length has the factor \(length)")
      }
      let cosines = try root(length, length, length, LibM.cos)
      let sines = try root(length, length, length, LibM.sin)
      let (a, b) = (matmul(x.real, cosines), matmul(x.real, sines))
      guard let imaginary = x.imaginary else { return Spectrum(real: a, imaginary: b) }
      return Spectrum(
        real: a - matmul(imaginary, sines), imaginary: b + matmul(imaginary, cosines))
    }
    // n = factor · rest; x[i · rest + j] → columns j of factor elements, then twiddles, then rows.
    let rest = length / factor
    let outer = Array(x.real.shape.dimensions.dropLast())
    func swapped(_ t: Tensor) -> Tensor {
      t.transposed(Array(0..<(t.rank - 2)) + [t.rank - 1, t.rank - 2])
    }
    let columns = try powers(
      x.map { swapped($0.reshaped(Shape(outer + [factor, rest]))) }, sign: sign)
    // [rest, factor], element (j, k) turned by j · k.
    let cosines = try root(rest, factor, length, LibM.cos)
    let sines = try root(rest, factor, length, LibM.sin)
    let imaginary = columns.imaginary ?? columns.real.filled(0)
    let turned = Spectrum(
      real: columns.real * cosines - imaginary * sines,
      imaginary: columns.real * sines + imaginary * cosines)
    // y[k + factor · m] is element m of the transform of row k.
    let rows = try powers(turned.map(swapped), sign: sign)
    return rows.map { swapped($0).reshaped(Shape(outer + [length])) }
  }
}

/// Fourier transforms of overlapping frames. https://onnx.ai/onnx/operators/onnx__STFT.html
struct STFT: Operator {
  static let name = "STFT"
  static let since = 17

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let x = try node.tensor(0)
    let step = try node.integer(1)
    guard x.rank == 2 || x.rank == 3 && (1...2).contains(x.shape[2]), x.dtype.isFloatingPoint else {
      throw node.invalid("needs [N, length, 1 or 2], got \(x.type)")
    }
    let window = try node.optionalTensor(2)
    let extent = x.shape[1]
    let length = try node.has(3) ? node.integer(3) : window?.count ?? extent
    guard x.count > 0, step > 0, length > 0, length <= extent,
      window.map({ $0.count == length }) ?? true
    else {
      throw node.invalid("frames of \(length) every \(step) in a signal of \(extent)")
    }
    let frames = 1 + (extent - length) / step
    try node.checkSize(TensorType(.float64, node.checked([x.shape[0], frames, length])))
    let places = (0..<frames).flatMap { frame in (0..<length).map { frame * step + $0 } }
    let index = node.literal(places)
    func part(_ number: Int) -> Tensor {
      let signal =
        x.rank == 2
        ? x : x.sliced(number..<(number + 1), axis: 2).reshaped([x.shape[0], extent])
      let cut = gather(signal.converted(to: .float64), index, axis: 1)
        .reshaped([x.shape[0], frames, length])
      guard let window else { return cut }
      return cut * window.converted(to: .float64)
    }
    let isComplex = x.rank == 3 && x.shape[2] == 2
    var result = try node.transform(
      Spectrum(real: part(0), imaginary: isComplex ? part(1) : nil), isInverse: false)
    if try node.bool("onesided", default: true) {
      guard !isComplex else { throw node.invalid("complex signals have no one-sided spectrum") }
      result = result.fitted(length / 2 + 1)
    }
    let parts = [result.real, result.imaginary ?? result.real.filled(0)]
    return [.tensor(stack(parts, axis: 3).converted(to: x.dtype))]
  }
}
