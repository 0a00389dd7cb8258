// Rounding to floating-point formats of at most eight bits, as operations of the trace: the result
// is carried by float32, which holds every value of them.

import MartletIR
import MartletOps

extension SmallFloat {
  /// The exponents of the smallest and of the largest normal number.
  var exponents: ClosedRange<Int> {
    let largest =
      switch kind {
      case .ieee, .powers: (1 << exponentBits) - 2
      case .finite, .unsignedZero, .numbersOnly: (1 << exponentBits) - 1
      }
    return (kind == .powers ? -bias : 1 - bias)...(largest - bias)
  }

  /// The largest finite number.
  var largest: Double {
    let power = Double(sign: .plus, exponent: exponents.upperBound, significand: 1)
    if kind == .powers { return power }
    let ulp = Double(sign: .plus, exponent: -fractionBits, significand: 1)
    return power * (kind == .finite ? 2 - 2 * ulp : 2 - ulp)
  }
}

extension NodeContext {
  /// The nearest values of a format, halves to the even one. Beyond the largest one: that with its
  /// sign where the cast saturates, else infinity, or NaN where there is none.
  /// https://onnx.ai/onnx/technical/float8.html
  func rounded(_ x: Tensor, to format: SmallFloat, saturates: Bool) throws -> Tensor {
    if format.kind == .powers { return try roundedToPower(x, saturates: saturates) }
    // Every step is exact in double precision, but for the one rounding.
    let wide = x.converted(to: .float64)
    let magnitude = abs(wide)
    let bounded = minimum(magnitude, format.largest * 4)
    let quantum =
      power(below: bounded, format.exponents)
      * Double(sign: .plus, exponent: -format.fractionBits, significand: 1)
    let steps = round(bounded / quantum) * quantum
    var result = steps
    if saturates || format.kind == .numbersOnly {
      result = minimum(result, format.largest)
    } else {
      let beyond = format.kind == .ieee ? Double.infinity : Double.nan
      result = select(steps .> format.largest, beyond, steps)
    }
    result = select(wide .< 0, -result, result)
    // Zeros keep their sign, where the format has one.
    if format.kind != .unsignedZero { result = select(wide .== 0, wide, result) }
    let none = format.kind == .numbersOnly ? 0.0 : Double.nan
    return select(isNaN(wide), none, result).converted(to: .float32)
  }

  /// Powers of two: `round_mode` says which one.
  private func roundedToPower(_ x: Tensor, saturates: Bool) throws -> Tensor {
    let mode = try string("round_mode", default: "up")
    let wide = abs(x.converted(to: .float64))
    let exponents = -127...127
    let largest = 0x1p127
    let bounded = minimum(maximum(wide, 0x1p-127), 0x1p129)
    let below = power(below: bounded, exponents)
    var result: Tensor
    switch mode {
    case "up": result = select(bounded .> below, below * 2, below)
    case "down": result = below
    // Halves go up.
    case "nearest": result = select(bounded .>= below * 1.5, below * 2, below)
    default: throw invalid("round_mode '\(printable(mode))'")
    }
    result =
      saturates ? minimum(result, largest) : select(result .> largest, Double.nan, result)
    return select(isFinite(wide), result, Double.nan).converted(to: .float32)
  }

  /// The largest power of two that is not above each number, within some exponents.
  private func power(below x: Tensor, _ exponents: ClosedRange<Int>) -> Tensor {
    let powers = exponents.map { Double(sign: .plus, exponent: $0, significand: 1) }
    let table = literal(HostArray(TensorType(.float64, [powers.count]), powers))
    let (low, high) = (powers[0], powers[powers.count - 1])
    let bounded = x.clipped(low: low, high: high)
    // The logarithm is off by one at most next to a power, which the comparisons repair.
    let place = floor(log(bounded) * 1.4426950408889634) - Double(exponents.lowerBound)
    let guess = gather(table, place.converted(to: .int32))
    let lower = select(guess .> bounded, guess * 0.5, guess)
    return select(lower * 2 .<= bounded, lower * 2, lower).clipped(low: low, high: high)
  }
}
