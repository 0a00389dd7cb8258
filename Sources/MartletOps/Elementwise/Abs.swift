import MartletIR
import MartletLoops

/// The magnitude of each element. The least signed integer, which has none, stays as it is.
///
/// Gradient: `dx = dy` where x > 0, `−dy` where x < 0, 0 at 0.
package struct Abs: UnaryElementwise {
  package init() {}
  package static let name = "abs"
  package static let function = UnaryFunction.abs
  package static let samples =
    OpSample.unary(Abs(), 0.5...3, ulp: 0)
    + OpSample.unary(Abs(), -3...3, isSmooth: false, ulp: 0)
    + OpSample.unary(Abs(), -3...3, dtypes: [.int32, .int64, .uint8], isSmooth: false, ulp: 0)
  package func scalar(_ x: Double) -> Double { x.magnitude }
  package func integer(_ x: Int64, _ dtype: DType) -> Int64? {
    dtype != .uint64 && x < 0 ? 0 &- x : x
  }
  package var gradient: Gradient {
    .rule { v in
      let zero = v.x.filled(0)
      return [select(v.x .> zero, v.dy, select(v.x .< zero, -v.dy, zero))]
    }
  }
}

/// The magnitude of each element.
///
/// Shape and dtype of the result: those of `x`, a number. The least signed integer stays as it is.
/// Gradient: `dy · sign(x)`, 0 at 0.
public func abs(_ x: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
  record(Abs(), x, at: here(x, file, line))
}
