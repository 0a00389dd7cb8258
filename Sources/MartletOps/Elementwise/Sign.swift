import MartletIR
import MartletLoops

/// −1, 0 or 1 by the sign of each element; ±0 and NaN are kept.
///
/// Gradient: none flows: the function is constant between its jumps.
package struct Sign: UnaryElementwise {
  package init() {}
  package static let name = "sign"
  package static let function = UnaryFunction.sign
  package static let samples =
    OpSample.unary(Sign(), -3...3, isSmooth: false, ulp: 0)
    + OpSample.unary(Sign(), -3...3, dtypes: [.int32, .int64, .uint8], isSmooth: false, ulp: 0)
  package func scalar(_ x: Double) -> Double { x > 0 ? 1 : x < 0 ? -1 : x }
  package func integer(_ x: Int64, _ dtype: DType) -> Int64? {
    if dtype == .uint64 { return x == 0 ? 0 : 1 }
    return x.signum()
  }
  package var gradient: Gradient { .rule { _ in [nil] } }
}

/// −1, 0 or 1 by the sign of each element; ±0 and NaN are kept.
///
/// Shape and dtype of the result: those of `x`, a number. Gradient: zero.
public func sign(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Sign(), x, at: here(x, file, line))
}
