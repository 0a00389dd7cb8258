import MartletIR
import MartletLoops

/// z = f(x, y) for each pair of elements of two bool operands, or of each pair of bits of integers.
package protocol BinaryLogic: Op, AttributeFree {
  static var function: BinaryFunction { get }
  /// The oracle; bools are 0 and 1.
  func combine(_ x: Int64, _ y: Int64) -> Int64
}

extension BinaryLogic {
  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 2)
    try expectEqualTypes(operands)
    guard operands[0].dtype == .bool || operands[0].dtype.isInteger else {
      throw TypeError(
        op: name, "takes bools or integers", hint: "compare first, for example x .!= 0")
    }
    return [operands[0]]
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let pairs = zip(inputs[0].integers, inputs[1].integers)
    return [HostArray(inputs[0].type, pairs.map { combine($0, $1) })]
  }

  package var lowering: Lowering {
    .elementwise(.binary(Self.function, .operand(0), .operand(1)))
  }
  package var gradient: Gradient { .none(because: "the result is discrete") }
}

/// True where both elements are, or the bits that both integers have. No gradient.
package struct And: BinaryLogic {
  package init() {}
  package static let name = "and"
  package static let function = BinaryFunction.and
  package static let samples =
    OpSample.binary(And(), 0...1, 0...1, dtypes: [.bool], isSmooth: false, ulp: 0)
    + OpSample.binary(And(), -100...100, -100...100, dtypes: [.int32, .int64, .uint8], ulp: 0)
  package func combine(_ x: Int64, _ y: Int64) -> Int64 { x & y }
}

extension Tensor {
  /// True where both elements are; of integers the bits that both have. NumPy broadcasting.
  public static func .& (x: Tensor, y: Tensor) -> Tensor { recordBroadcast(And(), x, y) }
}
