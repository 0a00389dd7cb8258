// Plain host data: literals of the IR, and what the interpreter computes on.

/// A dense array on the host. Floats are held as `Double` rounded to their dtype, integers and
/// bools as wrapped `Int64` (`uint64` by bit pattern), so an oracle never loses a bit.
@usableFromInline
package struct HostArray: Sendable {
  package enum Storage: Sendable {
    case float([Double])
    case integer([Int64])
    /// float32 that stays where it is: weights of hundreds of megabytes exist once.
    case shared(SharedFloats)
    /// int8 or uint8 as they are in memory: weights of integer models.
    case bytes([UInt8])
  }

  package let type: TensorType
  package private(set) var storage: Storage

  package var dtype: DType { type.dtype }
  package var shape: Shape { type.shape }
  package var count: Int {
    switch storage {
    case .float(let x): x.count
    case .integer(let x): x.count
    case .shared(let x): x.count
    case .bytes(let x): x.count
    }
  }

  /// Floats in memory that somebody else owns.
  package init(_ shape: Shape, shared: SharedFloats) {
    type = TensorType(.float32, shape)
    storage = .shared(shared)
  }

  /// Bytes of int8 or uint8.
  package init(_ type: TensorType, bytes: [UInt8]) {
    self.type = type
    storage = .bytes(bytes)
  }

  /// Floats, each rounded to the dtype. For an integer dtype values convert as `convert` does.
  package init(_ type: TensorType, _ values: [Double]) {
    self.type = type
    let dtype = type.dtype
    if dtype.isFloatingPoint {
      storage = .float(dtype == .float64 ? values : values.map(dtype.rounded))
    } else {
      storage = .integer(values.map { HostArray.saturated($0, to: dtype) })
    }
  }

  /// Integers, each wrapped to the dtype. For a float dtype values convert by rounding.
  package init(_ type: TensorType, _ values: [Int64]) {
    self.type = type
    let dtype = type.dtype
    if dtype.isFloatingPoint {
      storage = .float(values.map { dtype.rounded(Double($0)) })
    } else {
      storage = .integer(values.map(dtype.wrapped))
    }
  }

  package init(splat value: Double, _ type: TensorType) {
    self.init(type, [Double](repeating: value, count: type.count))
  }

  /// The elements as `Double` (integers converted).
  package var doubles: [Double] {
    switch storage {
    case .float(let x): x
    case .integer(let x):
      dtype == .uint64 ? x.map { Double(UInt64(bitPattern: $0)) } : x.map(Double.init)
    case .shared(let x): x.map { $0 }
    case .bytes: integers.map(Double.init)
    }
  }

  /// The elements as `Int64` (floats truncated and saturated).
  package var integers: [Int64] {
    switch storage {
    case .float(let x): x.map { HostArray.saturated($0, to: .int64) }
    case .integer(let x): x
    case .shared(let x): x.map { HostArray.saturated($0, to: .int64) }
    case .bytes(let x):
      dtype == .int8 ? x.map { Int64(Int8(bitPattern: $0)) } : x.map { Int64($0) }
    }
  }

  /// The elements of int8 or uint8 as they are in memory.
  package var bytePatterns: [UInt8] {
    if case .bytes(let x) = storage { return x }
    return integers.map { UInt8(truncatingIfNeeded: $0) }
  }

  /// One element as `Double`.
  package func double(at index: Int) -> Double {
    switch storage {
    case .float(let x): x[index]
    case .integer(let x): dtype == .uint64 ? Double(UInt64(bitPattern: x[index])) : Double(x[index])
    case .shared(let x): x[index]
    case .bytes(let x): dtype == .int8 ? Double(Int8(bitPattern: x[index])) : Double(x[index])
    }
  }

  /// The same elements under another shape of equal count.
  package func reshaped(_ shape: Shape) -> HostArray {
    var copy = HostArray(TensorType(dtype, shape), storage: storage)
    copy.storage = storage
    return copy
  }

  /// The elements at `indices` of the flattened array, as a new array of `shape`.
  package func gathered(_ indices: [Int], _ shape: Shape) -> HostArray {
    let type = TensorType(dtype, shape)
    return switch storage {
    case .float(let x): HostArray(type, storage: .float(indices.map { x[$0] }))
    case .integer(let x): HostArray(type, storage: .integer(indices.map { x[$0] }))
    case .shared(let x): HostArray(type, storage: .float(indices.map { x[$0] }))
    case .bytes(let x): HostArray(type, storage: .bytes(indices.map { x[$0] }))
    }
  }

  private init(_ type: TensorType, storage: Storage) {
    self.type = type
    self.storage = storage
  }

  /// Float to integer: truncates towards zero, saturates, NaN gives 0; to bool: `x != 0`.
  package static func saturated(_ x: Double, to dtype: DType) -> Int64 {
    if dtype == .bool { return x != 0 ? 1 : 0 }
    if x.isNaN { return 0 }
    let bounds: (Int64, Int64) =
      switch dtype {
      case .int8: (-128, 127)
      case .int16: (-32768, 32767)
      case .int32: (Int64(Int32.min), Int64(Int32.max))
      case .uint8: (0, 255)
      case .uint16: (0, 65535)
      case .uint32: (0, Int64(UInt32.max))
      default: (Int64.min, Int64.max)
      }
    if dtype == .uint64 {
      if x <= 0 { return 0 }
      return x >= 18446744073709551616.0 ? -1 : Int64(bitPattern: UInt64(x))
    }
    // Double(Int64.max) rounds up to 2^63, so the upper test must not be strict.
    if x >= Double(bounds.1) { return bounds.1 }
    if x <= Double(bounds.0) { return bounds.0 }
    return Int64(x)
  }

  /// The single value when all elements are equal bit for bit.
  package var splatValue: HostArray? {
    guard count > 0 else { return nil }
    switch storage {
    case .float(let x):
      let first = x[0].bitPattern
      guard x.allSatisfy({ $0.bitPattern == first }) else { return nil }
      return HostArray(TensorType(dtype, []), storage: .float([x[0]]))
    case .integer(let x):
      guard x.allSatisfy({ $0 == x[0] }) else { return nil }
      return HostArray(TensorType(dtype, []), storage: .integer([x[0]]))
    case .shared(let x):
      let first = x[0].bitPattern
      guard x.allSatisfy({ $0.bitPattern == first }) else { return nil }
      return HostArray(TensorType(dtype, []), storage: .float([x[0]]))
    case .bytes(let x):
      guard x.allSatisfy({ $0 == x[0] }) else { return nil }
      return HostArray(TensorType(dtype, []), storage: .bytes([x[0]]))
    }
  }
}

// Equality is by bits, so that NaN equals itself and −0 differs from +0: literals are CSE keys.
extension HostArray: Hashable {
  @usableFromInline
  package static func == (a: HostArray, b: HostArray) -> Bool {
    guard a.type == b.type else { return false }
    switch (a.storage, b.storage) {
    case (.float(let x), .float(let y)):
      return x.count == y.count && zip(x, y).allSatisfy { $0.bitPattern == $1.bitPattern }
    case (.integer(let x), .integer(let y)): return x == y
    case (.shared(let x), .shared(let y)) where x.isSame(as: y): return true
    case (.bytes(let x), .bytes(let y)): return x == y
    case (.bytes, .integer(let y)): return a.integers == y
    case (.integer(let x), .bytes): return x == b.integers
    case (.integer, _), (_, .integer), (.bytes, _), (_, .bytes): return false
    default:
      return (0..<a.count).allSatisfy {
        a.double(at: $0).bitPattern == b.double(at: $0).bitPattern
      }
    }
  }

  @usableFromInline
  package func hash(into hasher: inout Hasher) {
    hasher.combine(type)
    switch storage {
    case .float(let x): for v in x.prefix(16) { hasher.combine(v.bitPattern) }
    case .integer(let x): for v in x.prefix(16) { hasher.combine(v) }
    case .shared(let x): for v in x.prefix(16) { hasher.combine(v.bitPattern) }
    case .bytes(let x):
      for v in x.prefix(16) {
        hasher.combine(dtype == .int8 ? Int64(Int8(bitPattern: v)) : Int64(v))
      }
    }
  }
}

/// float32 elements in memory of somebody else, who keeps them and never changes them; read as
/// `Double`.
///
/// `@unchecked Sendable`: nobody writes the memory while an object of this type exists.
package final class SharedFloats: RandomAccessCollection, @unchecked Sendable {
  /// The elements.
  package let pointer: UnsafePointer<Float>
  /// Keeps the memory.
  package let owner: AnyObject
  package let endIndex: Int
  package var startIndex: Int { 0 }

  package init(_ pointer: UnsafePointer<Float>, count: Int, owner: AnyObject) {
    self.pointer = pointer
    self.owner = owner
    endIndex = count
  }

  package subscript(index: Int) -> Double { Double(pointer[index]) }

  /// The very same memory.
  package func isSame(as other: SharedFloats) -> Bool {
    pointer == other.pointer && endIndex == other.endIndex
  }
}
