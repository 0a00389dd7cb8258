// The element types of ONNX, and which Martlet dtype carries each.

import MartletIR

/// An element type of ONNX (`TensorProto.DataType`).
///
/// Types that Martlet has no dtype for are carried by one that holds all of their values: eight-bit
/// floats by `float32`, four-bit and two-bit integers by eight-bit ones.
public enum ElementType: Int, CaseIterable, Hashable, Sendable {
  /// IEEE 754, 32 bits.
  case float = 1
  /// 8 bits without sign.
  case uint8 = 2
  /// 8 bits with sign.
  case int8 = 3
  /// 16 bits without sign.
  case uint16 = 4
  /// 16 bits with sign.
  case int16 = 5
  /// 32 bits with sign.
  case int32 = 6
  /// 64 bits with sign.
  case int64 = 7
  /// Text in UTF-8.
  case string = 8
  /// False or true, a byte.
  case bool = 9
  /// IEEE 754, 16 bits.
  case float16 = 10
  /// IEEE 754, 64 bits.
  case double = 11
  /// 32 bits without sign.
  case uint32 = 12
  /// 64 bits without sign.
  case uint64 = 13
  /// Two 32-bit floats.
  case complex64 = 14
  /// Two 64-bit floats.
  case complex128 = 15
  /// The upper 16 bits of a 32-bit float.
  case bfloat16 = 16
  /// Sign, 4 bits of exponent, 3 of mantissa; NaN, no infinities.
  case float8e4m3fn = 17
  /// The same without negative zero, with another bias.
  case float8e4m3fnuz = 18
  /// Sign, 5 bits of exponent, 2 of mantissa; NaN and infinities.
  case float8e5m2 = 19
  /// Sign, 5 and 2 bits; neither infinities nor negative zero.
  case float8e5m2fnuz = 20
  /// 4 bits without sign, two to a byte.
  case uint4 = 21
  /// 4 bits with sign, two to a byte.
  case int4 = 22
  /// Sign, 2 bits of exponent, 1 of mantissa; two to a byte.
  case float4e2m1 = 23
  /// A power of two: 8 bits of exponent.
  case float8e8m0 = 24
  /// 2 bits without sign, four to a byte.
  case uint2 = 25
  /// 2 bits with sign, four to a byte.
  case int2 = 26
  /// Sign, 2 bits of exponent, 3 of mantissa.
  case float6e2m3 = 27
  /// Sign, 3 bits of exponent, 2 of mantissa.
  case float6e3m2 = 28

  /// The dtype that holds values of this type; nil for strings and complex numbers.
  public var carrier: DType? {
    switch self {
    case .float: .float32
    case .uint8: .uint8
    case .int8: .int8
    case .uint16: .uint16
    case .int16: .int16
    case .int32: .int32
    case .int64: .int64
    case .bool: .bool
    case .float16: .float16
    case .double: .float64
    case .uint32: .uint32
    case .uint64: .uint64
    case .bfloat16: .bfloat16
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float4e2m1, .float8e8m0,
      .float6e2m3, .float6e3m2:
      .float32
    case .uint4, .uint2: .uint8
    case .int4, .int2: .int8
    case .string, .complex64, .complex128: nil
    }
  }

  /// The type that a dtype has of itself.
  public init(_ dtype: DType) {
    self =
      switch dtype {
      case .float32: .float
      case .float64: .double
      case .float16: .float16
      case .bfloat16: .bfloat16
      case .int8: .int8
      case .int16: .int16
      case .int32: .int32
      case .int64: .int64
      case .uint8: .uint8
      case .uint16: .uint16
      case .uint32: .uint32
      case .uint64: .uint64
      case .bool: .bool
      }
  }

  /// True where the carrier is the type itself.
  package var isNative: Bool { carrier.map { ElementType($0) == self } ?? false }

  /// Bits of an element in a file; 0 for strings.
  package var bitCount: Int {
    switch self {
    case .string: 0
    case .complex64: 64
    case .complex128: 128
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0: 8
    case .uint4, .int4, .float4e2m1: 4
    case .uint2, .int2: 2
    case .float6e2m3, .float6e3m2: 6
    default: (carrier?.byteCount ?? 0) * 8
    }
  }

  /// The specification's name: `FLOAT`, `INT64`, ….
  package var name: String { "\(self)".uppercased() }

  /// The small float that this type is, if it is one.
  package var smallFloat: SmallFloat? {
    switch self {
    case .float8e4m3fn: SmallFloat(exponentBits: 4, fractionBits: 3, bias: 7, kind: .finite)
    case .float8e4m3fnuz: SmallFloat(exponentBits: 4, fractionBits: 3, bias: 8, kind: .unsignedZero)
    case .float8e5m2: SmallFloat(exponentBits: 5, fractionBits: 2, bias: 15, kind: .ieee)
    case .float8e5m2fnuz:
      SmallFloat(exponentBits: 5, fractionBits: 2, bias: 16, kind: .unsignedZero)
    case .float4e2m1: SmallFloat(exponentBits: 2, fractionBits: 1, bias: 1, kind: .numbersOnly)
    case .float6e2m3: SmallFloat(exponentBits: 2, fractionBits: 3, bias: 1, kind: .numbersOnly)
    case .float6e3m2: SmallFloat(exponentBits: 3, fractionBits: 2, bias: 3, kind: .numbersOnly)
    case .float8e8m0: SmallFloat(exponentBits: 8, fractionBits: 0, bias: 127, kind: .powers)
    default: nil
    }
  }
}

/// A floating-point format of at most eight bits.
/// https://onnx.ai/onnx/technical/float8.html
package struct SmallFloat: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    /// Infinities and NaN at the largest exponent.
    case ieee
    /// NaN where all bits are ones; no infinity.
    case finite
    /// NaN is the negative zero; no infinity.
    case unsignedZero
    /// Neither NaN nor infinity.
    case numbersOnly
    /// Powers of two without sign; all ones are NaN.
    case powers
  }
  package var exponentBits: Int
  package var fractionBits: Int
  package var bias: Int
  package var kind: Kind

  /// The number that some bits stand for.
  package func value(ofBits bits: UInt8) -> Double {
    if kind == .powers {
      return bits == 255 ? .nan : Double(sign: .plus, exponent: Int(bits) - bias, significand: 1)
    }
    let width = exponentBits + fractionBits
    let sign = bits >> UInt8(width) & 1 == 0 ? 1.0 : -1.0
    let magnitude = Int(bits) & ((1 << width) - 1)
    let exponent = magnitude >> fractionBits
    let fraction = magnitude & ((1 << fractionBits) - 1)
    switch kind {
    case .ieee where exponent == (1 << exponentBits) - 1:
      return fraction == 0 ? sign * .infinity : .nan
    case .finite where magnitude == (1 << width) - 1: return .nan
    case .unsignedZero where magnitude == 0 && sign < 0: return .nan
    default: break
    }
    let scaled = exponent == 0 ? fraction : fraction + (1 << fractionBits)
    let power = max(exponent, 1) - bias - fractionBits
    return sign * Double(scaled) * Double(sign: .plus, exponent: power, significand: 1)
  }
}
