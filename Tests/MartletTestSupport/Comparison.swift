// Element-by-element comparison of arrays.

import MartletIR

/// The distance of two numbers in units in the last place of `dtype`; NaN equals NaN, −0 equals +0.
package func ulpDistance(_ a: Double, _ b: Double, _ dtype: DType) -> Double {
  if a == b || (a.isNaN && b.isNaN) { return 0 }
  guard a.isFinite, b.isFinite else { return .infinity }
  return abs(a - b) / ulp(max(abs(a), abs(b)), dtype)
}

/// The unit in the last place of a magnitude.
package func ulp(_ magnitude: Double, _ dtype: DType) -> Double {
  switch dtype {
  case .float64: magnitude.ulp
  case .float32: Double(Float(magnitude).ulp)
  case .float16:
    Double(sign: .plus, exponent: max(Int(magnitude.exponent), -14) - 10, significand: 1)
  case .bfloat16:
    Double(sign: .plus, exponent: max(Int(magnitude.exponent), -126) - 7, significand: 1)
  default: 1
  }
}

/// The first difference of two arrays that is larger than allowed, in words; nil if there is none.
///
/// A float may be off by `ulp` units in the last place, by `ulp` units of the largest magnitude in
/// `expected` when `scaled`, or by `absolute`. Integers and bools must be equal.
package func difference(
  _ actual: HostArray, _ expected: HostArray, ulp allowed: Double, scaled: Bool = false,
  absolute: Double = 0
) -> String? {
  guard actual.type == expected.type, actual.count == expected.count else {
    return "\(actual.type) is not \(expected.type)"
  }
  let dtype = expected.dtype
  guard dtype.isFloatingPoint else {
    let (x, y) = (actual.integers, expected.integers)
    guard let index = x.indices.first(where: { x[$0] != y[$0] }) else { return nil }
    return "element \(index) of \(expected.type): \(x[index]), expected \(y[index])"
  }
  let (x, y) = (actual.doubles, expected.doubles)
  let largest = y.lazy.filter(\.isFinite).map { abs($0) }.max() ?? 0
  for index in x.indices {
    if ulpDistance(x[index], y[index], dtype) <= allowed { continue }
    let error = abs(x[index] - y[index])
    if error <= absolute || (scaled && error <= allowed * ulp(largest, dtype)) { continue }
    return "element \(index) of \(expected.type): \(x[index]), expected \(y[index])"
  }
  return nil
}
