import MartletIR
import MartletLoops

/// True where either element is. Bools only; no gradient.
package struct Or: BinaryLogic {
  package init() {}
  package static let name = "or"
  package static let function = BinaryFunction.or
  package static let samples = OpSample.binary(
    Or(), 0...1, 0...1, dtypes: [.bool], isSmooth: false, ulp: 0)
  package func combine(_ x: Bool, _ y: Bool) -> Bool { x || y }
}

extension Tensor {
  /// True where either element is. Bools, with NumPy broadcasting.
  public static func .| (x: Tensor, y: Tensor) -> Tensor { recordBroadcast(Or(), x, y) }
}
