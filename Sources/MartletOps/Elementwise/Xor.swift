import MartletIR
import MartletLoops

/// True where the elements differ, or the bits in which integers do. No gradient.
package struct Xor: BinaryLogic {
  package init() {}
  package static let name = "xor"
  package static let function = BinaryFunction.xor
  package static let samples =
    OpSample.binary(Xor(), 0...1, 0...1, dtypes: [.bool], isSmooth: false, ulp: 0)
    + OpSample.binary(Xor(), -100...100, -100...100, dtypes: [.int32, .int64, .uint8], ulp: 0)
  package func combine(_ x: Int64, _ y: Int64) -> Int64 { x ^ y }
}

extension Tensor {
  /// True where the elements differ; of integers the bits in which they do. NumPy broadcasting.
  public static func .^ (x: Tensor, y: Tensor) -> Tensor { recordBroadcast(Xor(), x, y) }
}
