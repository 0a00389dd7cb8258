import MartletIR
import MartletLoops

/// True where the element is false. Bools only; no gradient.
package struct Not: Op, AttributeFree {
  package init() {}
  package static let name = "not"
  package static let samples = OpSample.unary(
    Not(), 0...1, dtypes: [.bool], isSmooth: false, ulp: 0)

  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 1)
    guard operands[0].dtype == .bool else {
      throw TypeError(op: name, "takes a bool", hint: "compare first, for example x .!= 0")
    }
    return [operands[0]]
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    [HostArray(inputs[0].type, inputs[0].integers.map { $0 == 0 ? Int64(1) : 0 })]
  }

  package var lowering: Lowering { .elementwise(.unary(.not, .operand(0))) }
  package var gradient: Gradient { .none(because: "the result is bool") }
}

extension Tensor {
  /// True where the element is false; bools.
  public static prefix func .! (x: Tensor) -> Tensor { record(Not(), x) }
}
