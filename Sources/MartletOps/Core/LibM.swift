// The C math library without Foundation, under names that do not clash with Martlet's own.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

package enum LibM {
  package static func exp(_ x: Double) -> Double { _exp(x) }
  package static func exp2(_ x: Double) -> Double { _exp2(x) }
  package static func expm1(_ x: Double) -> Double { _expm1(x) }
  package static func log(_ x: Double) -> Double { _log(x) }
  package static func log1p(_ x: Double) -> Double { _log1p(x) }
  package static func tanh(_ x: Double) -> Double { _tanh(x) }
  package static func erf(_ x: Double) -> Double { _erf(x) }
  package static func pow(_ x: Double, _ y: Double) -> Double { _pow(x, y) }
  package static func fmod(_ x: Double, _ y: Double) -> Double { _fmod(x, y) }
  package static func sin(_ x: Double) -> Double { _sin(x) }
  package static func cos(_ x: Double) -> Double { _cos(x) }
  package static func tan(_ x: Double) -> Double { _tan(x) }
  package static func asin(_ x: Double) -> Double { _asin(x) }
  package static func acos(_ x: Double) -> Double { _acos(x) }
  package static func atan(_ x: Double) -> Double { _atan(x) }
  package static func sinh(_ x: Double) -> Double { _sinh(x) }
  package static func cosh(_ x: Double) -> Double { _cosh(x) }
  package static func asinh(_ x: Double) -> Double { _asinh(x) }
  package static func acosh(_ x: Double) -> Double { _acosh(x) }
  package static func atanh(_ x: Double) -> Double { _atanh(x) }
  package static func atan2(_ y: Double, _ x: Double) -> Double { _atan2(y, x) }
}

private let _exp: @Sendable (Double) -> Double = { exp($0) }
private let _exp2: @Sendable (Double) -> Double = { exp2($0) }
private let _expm1: @Sendable (Double) -> Double = { expm1($0) }
private let _log: @Sendable (Double) -> Double = { log($0) }
private let _log1p: @Sendable (Double) -> Double = { log1p($0) }
private let _tanh: @Sendable (Double) -> Double = { tanh($0) }
private let _erf: @Sendable (Double) -> Double = { erf($0) }
private let _pow: @Sendable (Double, Double) -> Double = { pow($0, $1) }
private let _fmod: @Sendable (Double, Double) -> Double = { fmod($0, $1) }
private let _sin: @Sendable (Double) -> Double = { sin($0) }
private let _cos: @Sendable (Double) -> Double = { cos($0) }
private let _tan: @Sendable (Double) -> Double = { tan($0) }
private let _asin: @Sendable (Double) -> Double = { asin($0) }
private let _acos: @Sendable (Double) -> Double = { acos($0) }
private let _atan: @Sendable (Double) -> Double = { atan($0) }
private let _sinh: @Sendable (Double) -> Double = { sinh($0) }
private let _cosh: @Sendable (Double) -> Double = { cosh($0) }
private let _asinh: @Sendable (Double) -> Double = { asinh($0) }
private let _acosh: @Sendable (Double) -> Double = { acosh($0) }
private let _atanh: @Sendable (Double) -> Double = { atanh($0) }
private let _atan2: @Sendable (Double, Double) -> Double = { atan2($0, $1) }
