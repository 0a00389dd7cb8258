import MartletIR
import MartletLoops

/// True where either element is, or the bits that either integer has. No gradient.
package struct Or: BinaryLogic {
  package init() {}
  package static let name = "or"
  package static let function = BinaryFunction.or
  package static let samples =
    OpSample.binary(Or(), 0...1, 0...1, dtypes: [.bool], isSmooth: false, ulp: 0)
    + OpSample.binary(Or(), -100...100, -100...100, dtypes: [.int32, .int64, .uint8], ulp: 0)
  package func combine(_ x: Int64, _ y: Int64) -> Int64 { x | y }
}

extension Tensor {
  /// True where either element is; of integers the bits that either has. NumPy broadcasting.
  public static func .| (x: Tensor, y: Tensor) -> Tensor { recordBroadcast(Or(), x, y) }
}
