// Element types: what a tensor holds.

/// The type of a tensor's elements.
///
/// All of NumPy's numeric kinds. `float32`, `float64`, `int32`, `int64`, `uint8` and `bool` have
/// arithmetic of their own; the others are stored, and computed with in a wider dtype, each operation
/// rounding (or wrapping) its result once: halves in `float32`, small integers in `int32`, `uint32`
/// and `uint64` in `int64`.
public enum DType: String, CaseIterable, Hashable, Sendable {
  /// IEEE 754 double precision.
  case float64 = "f64"
  /// IEEE 754 single precision.
  case float32 = "f32"
  /// IEEE 754 half precision.
  case float16 = "f16"
  /// The upper half of a `float32`: 8 bits of exponent, 7 of fraction.
  case bfloat16 = "bf16"
  /// Signed, 8 bits.
  case int8 = "i8"
  /// Signed, 16 bits.
  case int16 = "i16"
  /// Signed, 32 bits: labels and indices.
  case int32 = "i32"
  /// Signed, 64 bits.
  case int64 = "i64"
  /// Unsigned, 8 bits: pixels.
  case uint8 = "u8"
  /// Unsigned, 16 bits.
  case uint16 = "u16"
  /// Unsigned, 32 bits.
  case uint32 = "u32"
  /// Unsigned, 64 bits.
  case uint64 = "u64"
  /// True or false, one byte of 1 or 0.
  case bool = "bool"

  /// Bytes of one element.
  public var byteCount: Int {
    switch self {
    case .float64, .int64, .uint64: 8
    case .float32, .int32, .uint32: 4
    case .float16, .bfloat16, .int16, .uint16: 2
    case .int8, .uint8, .bool: 1
    }
  }

  /// True for the binary floating-point types.
  public var isFloatingPoint: Bool {
    switch self {
    case .float64, .float32, .float16, .bfloat16: true
    default: false
    }
  }

  /// True for the signed and unsigned integers; false for `bool`.
  public var isInteger: Bool { !isFloatingPoint && self != .bool }

  /// True for integers without a sign.
  public var isUnsigned: Bool {
    switch self {
    case .uint8, .uint16, .uint32, .uint64: true
    default: false
    }
  }

  /// The dtype that arithmetic on this one is done in; itself where kernels have it. The one table
  /// that says which dtypes are for storage only.
  package var arithmetic: DType {
    switch self {
    case .float64, .float32, .int32, .int64, .uint8, .bool: self
    case .float16, .bfloat16: .float32
    case .int8, .int16, .uint16: .int32
    case .uint32, .uint64: .int64
    }
  }

  /// True when arithmetic is done in another dtype.
  package var isStorage: Bool { arithmetic != self }

  /// The nearest value of this dtype, for results computed in `Double`.
  package func rounded(_ x: Double) -> Double {
    switch self {
    case .float32: Double(Float(x))
    case .float16: DType.roundToHalf(x)
    case .bfloat16: DType.roundToBFloat(x)
    default: x
    }
  }

  /// Wraps a 64-bit integer to this integer dtype's width (two's complement).
  package func wrapped(_ x: Int64) -> Int64 {
    switch self {
    case .int8: Int64(Int8(truncatingIfNeeded: x))
    case .int16: Int64(Int16(truncatingIfNeeded: x))
    case .int32: Int64(Int32(truncatingIfNeeded: x))
    case .uint8: Int64(UInt8(truncatingIfNeeded: x))
    case .uint16: Int64(UInt16(truncatingIfNeeded: x))
    case .uint32: Int64(UInt32(truncatingIfNeeded: x))
    case .bool: x != 0 ? 1 : 0
    default: x
    }
  }

  /// The 16 bits of a number of a half dtype, rounded to it first.
  package func bits(ofHalf x: Double) -> UInt16 {
    let sign: UInt16 = x.sign == .minus ? 0x8000 : 0
    let y = Swift.abs(rounded(x))
    if self == .bfloat16 {
      return y.isNaN ? sign | 0x7FC0 : sign | UInt16(Float(y).bitPattern >> 16)
    }
    if y.isNaN { return sign | 0x7E00 }
    if y.isInfinite { return sign | 0x7C00 }
    // Counted in the smallest subnormal number, then by exponent and fraction.
    if y < 0x1p-14 { return sign | UInt16(y * 0x1p24) }
    let exponent = Int(y.exponent)
    return sign | UInt16((exponent + 15) << 10) | UInt16((y.significand - 1) * 1024)
  }

  // Rounds to 11 significant bits (half precision), nearest-even, by the exponent of x.
  private static func roundToHalf(_ x: Double) -> Double {
    guard x.isFinite, x != 0 else { return x }
    let quantum = Double(sign: .plus, exponent: max(Int(x.exponent), -14) - 10, significand: 1)
    let y = (x / quantum).rounded(.toNearestOrEven) * quantum
    return Swift.abs(y) > 65504 ? (x < 0 ? -Double.infinity : .infinity) : y
  }

  // bfloat16 is a float32 cut to 8 significant bits, nearest-even.
  private static func roundToBFloat(_ x: Double) -> Double {
    guard x.isFinite, x != 0 else { return x }
    let quantum = Double(sign: .plus, exponent: max(Int(x.exponent), -126) - 7, significand: 1)
    return Double(Float((x / quantum).rounded(.toNearestOrEven) * quantum))
  }
}

extension DType: CustomStringConvertible {
  /// The IR spelling: `f32`, `i64`, `bool`, ….
  public var description: String { rawValue }
}
