import MartletIR
import MartletLoops

/// A literal array. Scalars print into kernels; larger ones live in the program's constant block.
package struct Constant: Op {
  package var array: HostArray
  package init(_ array: HostArray) { self.array = array }
  package static let name = "constant"
  package var attributes: [Attribute] { [Attribute("value", .array(array))] }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["value"])
    array = try attributes.array("value")
  }
  package static let samples = [
    OpSample(Constant(HostArray(TensorType(.float32, []), [1.5])), [], [], ulp: 0),
    OpSample(Constant(HostArray(TensorType(.int32, [3]), [1.0, 2, 3])), [], [], ulp: 0),
  ]
  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 0)
    return [array.type]
  }
  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] { [array] }
  package var lowering: Lowering { .constant(array) }
  package var gradient: Gradient { .rule { _ in [] } }
}
