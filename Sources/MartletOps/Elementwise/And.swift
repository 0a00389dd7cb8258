import MartletIR
import MartletLoops

/// z = f(x, y) for each pair of elements of two bool operands.
package protocol BinaryLogic: Op, AttributeFree {
  static var function: BinaryFunction { get }
  func combine(_ x: Bool, _ y: Bool) -> Bool
}

extension BinaryLogic {
  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 2)
    try expectEqualTypes(operands)
    guard operands[0].dtype == .bool else {
      throw TypeError(op: name, "takes bools", hint: "compare first, for example x .!= 0")
    }
    return [operands[0]]
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let pairs = zip(inputs[0].integers, inputs[1].integers)
    return [HostArray(inputs[0].type, pairs.map { combine($0 != 0, $1 != 0) ? Int64(1) : 0 })]
  }

  package var lowering: Lowering {
    .elementwise(.binary(Self.function, .operand(0), .operand(1)))
  }
  package var gradient: Gradient { .none(because: "the result is bool") }
}

/// True where both elements are. Bools only; no gradient.
package struct And: BinaryLogic {
  package init() {}
  package static let name = "and"
  package static let function = BinaryFunction.and
  package static let samples = OpSample.binary(
    And(), 0...1, 0...1, dtypes: [.bool], isSmooth: false, ulp: 0)
  package func combine(_ x: Bool, _ y: Bool) -> Bool { x && y }
}

extension Tensor {
  /// True where both elements are. Bools, with NumPy broadcasting.
  public static func .& (x: Tensor, y: Tensor) -> Tensor { recordBroadcast(And(), x, y) }
}
