import MartletIR
import MartletLoops

/// Each element of x raised to that of y, `z = x^y`. `x^0` is 1 for every x. Integers wrap; a negative
/// exponent gives 0 except over 1 and −1.
///
/// Gradient: `dx = dz · y · x^{y−1}` (0 at 0⁰), `dy = dz · z · ln x` (0 where x = 0, NaN where x < 0).
package struct Power: BinaryElementwise {
  package init() {}
  package static let name = "power"
  package static let function = BinaryFunction.pow
  package static let samples =
    OpSample.binary(Power(), 0.2...3, -3...3)
    + OpSample.binary(Power(), -5...5, 0...9, dtypes: [.int32, .int64, .uint8], ulp: 0)
  package func scalar(_ x: Double, _ y: Double) -> Double { LibM.pow(x, y) }
  package func integer(_ x: Int64, _ y: Int64, _ dtype: DType) -> Int64? {
    if y < 0, dtype != .uint64 {
      return x == 1 ? 1 : x == -1 ? (y & 1 == 0 ? 1 : -1) : 0
    }
    var (result, base, rest) = (Int64(1), x, UInt64(bitPattern: y))
    while rest > 0 {
      if rest & 1 == 1 { result = result &* base }
      base = base &* base
      rest >>= 1
    }
    return result
  }
  package var gradient: Gradient {
    .rule { v in
      let (x, y) = (v.inputs[0], v.inputs[1])
      let (zero, one) = (x.filled(0), x.filled(1))
      // The selects are inside of pow and log: a masked infinity would come back as NaN from the
      // second derivative, as 0 · ∞.
      let isZero = x .== zero
      let exponent = select(isZero .& (y .== zero), zero, y - one)
      let dx = v.dy * (y * record(Power(), x, exponent))
      let dy = select(isZero, zero, v.dy * v.y * log(select(isZero, one, x)))
      return [dx, dy]
    }
  }
}

/// Each element of `x` raised to the power `y`, with NumPy broadcasting; equal dtypes, numbers.
///
/// A negative base needs an integral exponent, else the result is NaN. Integers wrap, and a negative
/// exponent gives 0 except over 1 and −1. Gradient: `dx = dz · y · x^{y−1}`, `dy = dz · x^y · ln x`
/// (0 where `x` is 0).
public func pow(
  _ x: Tensor, _ y: Tensor, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  recordBroadcast(Power(), x, y, at: here(x, file, line))
}

/// Each element raised to a literal power.
///
/// Gradient: `dy · p · x^{p−1}`.
public func pow(
  _ x: Tensor, _ p: Double, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  record(Power(), x, x.filled(p), at: here(x, file, line))
}
