import MartletIR
import MartletLoops

/// True where the elements differ. Bools only; no gradient.
package struct Xor: BinaryLogic {
  package init() {}
  package static let name = "xor"
  package static let function = BinaryFunction.xor
  package static let samples = OpSample.binary(
    Xor(), 0...1, 0...1, dtypes: [.bool], isSmooth: false, ulp: 0)
  package func combine(_ x: Bool, _ y: Bool) -> Bool { x != y }
}

extension Tensor {
  /// True where the elements differ. Bools, with NumPy broadcasting.
  public static func .^ (x: Tensor, y: Tensor) -> Tensor { recordBroadcast(Xor(), x, y) }
}
