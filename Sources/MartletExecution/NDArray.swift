// The concrete array: data that goes into and comes out of programs.

import MartletIR
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A dense, row-major array of numbers: what programs take and return.
///
/// A value type: copies share memory until one of them is written.
public struct NDArray: @unchecked Sendable {
  // Sendable because writes go through `unshare`, which copies when anybody else holds the memory.
  package private(set) var memory: Memory
  package let offset: Int
  /// dtype and shape.
  public let type: TensorType

  /// The extents.
  public var shape: Shape { type.shape }
  /// The element type.
  public var dtype: DType { type.dtype }
  /// The number of elements.
  public var count: Int { type.count }

  package init(memory: Memory, offset: Int = 0, type: TensorType) {
    self.memory = memory
    self.offset = offset
    self.type = type
  }

  package var base: UnsafeMutableRawPointer { memory.base + offset }

  /// Zeros. Throws when the shape is impossible or there is no memory.
  public init(zeros shape: Shape, _ dtype: DType = .float32) throws(RunError) {
    let type = TensorType(dtype, shape)
    do {
      try type.checkSize(op: "NDArray")
    } catch {
      throw RunError(.input, error.message)
    }
    self.init(memory: try Memory(byteCount: type.byteCount), type: type)
  }

  /// Elements in row-major order. Throws unless there are as many as the shape says.
  public init<T: TensorElement>(_ elements: [T], shape: Shape) throws(RunError) {
    guard elements.count == shape.checkedCount else {
      throw RunError(
        .input, "\(elements.count) elements do not fill the shape \(shape)",
        hint: "the extents must multiply to the number of elements")
    }
    try self.init(zeros: shape, T.dtype)
    elements.withUnsafeBytes { bytes in
      if let source = bytes.baseAddress { base.copyMemory(from: source, byteCount: bytes.count) }
    }
  }

  /// A vector.
  public init<T: TensorElement>(_ elements: [T]) throws(RunError) {
    try self.init(elements, shape: [elements.count])
  }

  /// A matrix from its rows. Throws when they differ in length.
  public init<T: TensorElement>(_ rows: [[T]]) throws(RunError) {
    let cols = rows.first?.count ?? 0
    guard rows.allSatisfy({ $0.count == cols }) else {
      throw RunError(.input, "rows of a nested array differ in length")
    }
    try self.init(rows.flatMap { $0 }, shape: [rows.count, cols])
  }

  /// An array of matrices. Throws when they differ in shape.
  public init<T: TensorElement>(_ planes: [[[T]]]) throws(RunError) {
    let rows = planes.first?.count ?? 0
    let cols = planes.first?.first?.count ?? 0
    guard planes.allSatisfy({ $0.count == rows && $0.allSatisfy { $0.count == cols } }) else {
      throw RunError(.input, "rows of a nested array differ in length")
    }
    try self.init(planes.flatMap { $0.flatMap { $0 } }, shape: [planes.count, rows, cols])
  }

  /// A scalar.
  public init<T: TensorElement>(scalar: T) throws(RunError) { try self.init([scalar], shape: []) }

  /// A copy of a span's elements.
  public init<T: TensorElement & BitwiseCopyable>(_ span: Span<T>, shape: Shape) throws(RunError) {
    guard span.count == shape.checkedCount else {
      throw RunError(.input, "\(span.count) elements do not fill the shape \(shape)")
    }
    try self.init(zeros: shape, T.dtype)
    span.withUnsafeBytes { bytes in
      if let source = bytes.baseAddress { base.copyMemory(from: source, byteCount: bytes.count) }
    }
  }

  /// Memory of the caller, without copying. `owner` is kept alive with the array; the memory must
  /// stay valid and unwritten for as long. Rows dense, aligned to the element's size at least.
  public init(
    borrowing pointer: UnsafeRawPointer, shape: Shape, dtype: DType, owner: AnyObject? = nil
  ) throws(RunError) {
    let type = TensorType(dtype, shape)
    guard shape.checkedCount != nil else { throw RunError(.input, "impossible shape \(shape)") }
    guard Int(bitPattern: pointer) % dtype.byteCount == 0 else {
      throw RunError(.input, "the memory of \(type) is not aligned to \(dtype.byteCount) bytes")
    }
    self.init(
      memory: Memory(
        borrowing: UnsafeMutableRawPointer(mutating: pointer), byteCount: type.byteCount,
        owner: owner), type: type)
    isBorrowed = true
  }

  private var isBorrowed = false

  /// Reads the elements in place.
  public func withUnsafeBytes<R, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    defer { withExtendedLifetime(memory) {} }
    return try body(UnsafeRawBufferPointer(start: base, count: type.byteCount))
  }

  /// Writes the elements in place; copies first when the memory is shared or borrowed.
  public mutating func withUnsafeMutableBytes<R>(
    _ body: (UnsafeMutableRawBufferPointer) throws -> R
  ) throws -> R {
    try unshare()
    return try body(UnsafeMutableRawBufferPointer(start: base, count: type.byteCount))
  }

  private mutating func unshare() throws(RunError) {
    guard isBorrowed || !isKnownUniquelyReferenced(&memory) else { return }
    let copy = try Memory(byteCount: type.byteCount)
    copy.base.copyMemory(from: base, byteCount: type.byteCount)
    self = NDArray(memory: copy, type: type)
  }

  /// The elements in row-major order. Throws unless `T` is the array's dtype.
  public func elements<T: TensorElement>(as _: T.Type = T.self) throws(RunError) -> [T] {
    guard T.dtype == dtype else {
      throw RunError(
        .mismatch, "the array is \(type), not \(T.dtype)",
        hint: "ask for its own dtype, or use doubles")
    }
    return withUnsafeBytes { bytes in Array(bytes.bindMemory(to: T.self)) }
  }

  /// The elements as `Double`, whatever the dtype.
  public var doubles: [Double] { hostArray.doubles }
  /// The elements as `Float`, whatever the dtype.
  public var floats: [Float] {
    (try? elements(as: Float.self)) ?? doubles.map(Float.init)
  }

  /// The single element. Throws unless there is exactly one.
  public func item() throws(RunError) -> Double {
    guard count == 1 else {
      throw RunError(.mismatch, "item() needs exactly one element, the array is \(type)")
    }
    return hostArray.double(at: 0)
  }

  /// The same elements under another shape. Throws unless counts are equal.
  public func reshaped(_ shape: Shape) throws(RunError) -> NDArray {
    guard shape.checkedCount == count else {
      throw RunError(.input, "\(type) does not reshape to \(shape)")
    }
    return NDArray(memory: memory, offset: offset, type: TensorType(dtype, shape))
  }

  /// Rows `range` of the first axis, sharing memory. Throws when out of range.
  public func rows(_ range: Range<Int>) throws(RunError) -> NDArray {
    guard shape.rank > 0, range.lowerBound >= 0, range.upperBound <= shape[0] else {
      throw RunError(.range, "rows \(range) of \(type)")
    }
    let rowBytes = shape[0] == 0 ? 0 : type.byteCount / shape[0]
    var extents = shape.dimensions
    extents[0] = range.count
    return NDArray(
      memory: memory, offset: offset + range.lowerBound * rowBytes,
      type: TensorType(dtype, Shape(extents)))
  }
}

// MARK: - Host arrays

extension NDArray {
  /// The data as the interpreter takes it.
  package var hostArray: HostArray {
    withUnsafeBytes { bytes in HostArray(bytes: bytes, type) }
  }

  /// A copy of the interpreter's data.
  package init(_ array: HostArray) throws(RunError) {
    try self.init(zeros: array.shape, array.dtype)
    array.write(to: UnsafeMutableRawBufferPointer(start: base, count: type.byteCount))
  }
}

extension HostArray {
  /// From dense bytes of the type.
  package init(bytes: UnsafeRawBufferPointer, _ type: TensorType) {
    func load<T>(_: T.Type) -> [T] {
      (0..<type.count).map {
        bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: T.self)
      }
    }
    switch type.dtype {
    case .float64: self.init(type, load(Double.self))
    case .float32: self.init(type, load(Float.self).map(Double.init))
    case .float16: self.init(type, load(UInt16.self).map(HostArray.halfValue))
    case .bfloat16:
      self.init(type, load(UInt16.self).map { Double(Float(bitPattern: UInt32($0) << 16)) })
    case .int64: self.init(type, load(Int64.self))
    case .uint64: self.init(type, load(Int64.self))
    case .int32: self.init(type, load(Int32.self).map(Int64.init))
    case .uint32: self.init(type, load(UInt32.self).map(Int64.init))
    case .int16: self.init(type, load(Int16.self).map(Int64.init))
    case .uint16: self.init(type, load(UInt16.self).map(Int64.init))
    case .int8, .uint8: self.init(type, bytes: Array(bytes.prefix(type.count)))
    case .bool: self.init(type, load(UInt8.self).map(Int64.init))
    }
  }

  private static func halfValue(_ bits: UInt16) -> Double {
    let exponent = Int(bits >> 10 & 31)
    let fraction = Double(bits & 1023)
    let sign = bits >> 15 == 0 ? 1.0 : -1.0
    if exponent == 31 { return fraction == 0 ? sign * .infinity : .nan }
    let scaled = exponent == 0 ? fraction : fraction + 1024
    return sign * scaled * Double(sign: .plus, exponent: max(exponent, 1) - 25, significand: 1)
  }

  /// Writes dense bytes.
  package func write(to bytes: UnsafeMutableRawBufferPointer) {
    func store<T>(_ values: [T]) {
      values.withUnsafeBytes { source in
        bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: source.prefix(bytes.count)))
      }
    }
    switch dtype {
    case .float64: store(doubles)
    case .float32:
      if case .shared(let x) = storage {
        let source = UnsafeRawBufferPointer(UnsafeBufferPointer(start: x.pointer, count: x.count))
        bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: source.prefix(bytes.count)))
      } else {
        store(doubles.map(Float.init))
      }
    case .float16, .bfloat16: store(doubles.map(dtype.bits(ofHalf:)))
    case .int64, .uint64: store(integers)
    case .int32, .uint32: store(integers.map(Int32.init(truncatingIfNeeded:)))
    case .int16, .uint16: store(integers.map(Int16.init(truncatingIfNeeded:)))
    case .int8, .uint8: store(bytePatterns)
    case .bool: store(integers.map(UInt8.init(truncatingIfNeeded:)))
    }
  }
}

// MARK: - Printing

extension NDArray: CustomStringConvertible {
  /// Printed like NumPy: nested brackets, aligned columns, long axes cut in the middle.
  public var description: String {
    let values = hostArray
    let cut = count > 1000 ? 3 : Int.max
    func text(_ index: Int) -> String {
      switch dtype {
      case .bool: return values.integers[index] != 0 ? "true" : "false"
      case _ where dtype.isFloatingPoint: return NDArray.format(values.double(at: index))
      default: return "\(values.integers[index])"
      }
    }
    if shape.rank == 0 { return text(0) }
    if count == 0 { return "[] (\(type))" }
    // Only the shown elements decide the width of the columns.
    var shown: [Int: String] = [:]
    func collect(_ axis: Int, _ base: Int) {
      let stride = shape.strides[axis]
      for index in NDArray.visible(shape[axis], cut) where index >= 0 {
        if axis == shape.rank - 1 {
          shown[base + index] = text(base + index)
        } else {
          collect(axis + 1, base + index * stride)
        }
      }
    }
    collect(0, 0)
    let width = shown.values.map(\.count).max() ?? 0
    func render(_ axis: Int, _ base: Int) -> String {
      let stride = shape.strides[axis]
      let isLast = axis == shape.rank - 1
      let items = NDArray.visible(shape[axis], cut).map { index -> String in
        if index < 0 { return "..." }
        if isLast {
          let text = shown[base + index] ?? ""
          return String(repeating: " ", count: width - text.count) + text
        }
        return render(axis + 1, base + index * stride)
      }
      let separator =
        isLast
        ? " "
        : String(repeating: "\n", count: shape.rank - 1 - axis)
          + String(repeating: " ", count: axis + 1)
      return "[" + items.joined(separator: separator) + "]"
    }
    return render(0, 0)
  }

  /// Indices along an axis; −1 stands for the dots.
  private static func visible(_ extent: Int, _ cut: Int) -> [Int] {
    guard cut < Int.max, extent > 2 * cut else { return Array(0..<extent) }
    return Array(0..<cut) + [-1] + Array((extent - cut)..<extent)
  }

  /// Up to 8 significant digits, as NumPy prints; integral values keep their point.
  package static func format(_ x: Double) -> String {
    if x.isNaN { return "nan" }
    if x.isInfinite { return x < 0 ? "-inf" : "inf" }
    if x == x.rounded(), abs(x) < 1e8 { return "\(Int(x))." }
    if abs(x) >= 1e8 || abs(x) < 1e-4 { return "\(Float(x))" }
    var digits = 8
    var scale = 1.0
    var magnitude = abs(x)
    while magnitude >= 10 {
      magnitude /= 10
      digits -= 1
    }
    for _ in 0..<max(1, digits) { scale *= 10 }
    let rounded = (abs(x) * scale).rounded()
    let whole = Int(rounded / scale)
    var fraction = "\(Int(rounded) - whole * Int(scale))"
    fraction = String(repeating: "0", count: max(0, max(1, digits) - fraction.count)) + fraction
    while fraction.count > 1, fraction.last == "0" { fraction.removeLast() }
    return (x < 0 ? "-" : "") + "\(whole).\(fraction)"
  }
}
