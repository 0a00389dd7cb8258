// One line for each operation: parser, docs table, conformance tests and fuzz grammar derive from it.

import MartletIR

package enum Registry {
  package static let ops: [any Op.Type] = [
    Constant.self,
    // Elementwise
    Add.self, Multiply.self, Subtract.self, Tanh.self,
    Divide.self, Negate.self, Abs.self, Sign.self,
    Maximum.self, Minimum.self, Power.self, Remainder.self,
    Exp.self, Exp2.self, Expm1.self, Log.self, Log1p.self,
    Logistic.self, Erf.self, Gelu.self, GeluSlope.self, Sqrt.self, Rsqrt.self, Sin.self, Cos.self,
    Floor.self, Ceil.self, Round.self, Trunc.self, Reciprocal.self,
    Tan.self, Asin.self, Acos.self, Atan.self, Atan2.self,
    Sinh.self, Cosh.self, Asinh.self, Acosh.self, Atanh.self,
    Compare.self, Select.self, Convert.self, StopGradient.self,
    And.self, Or.self, Xor.self, Not.self,
    // Shape
    Broadcast.self, Reshape.self, Transpose.self,
    Slice.self, Reverse.self, Pad.self, Concatenate.self, Iota.self,
    // Reduction
    ReduceSum.self,
    ReduceMax.self, ReduceMin.self, ReduceProduct.self, ArgMax.self, ArgMin.self,
    CumulativeSum.self, CumulativeProduct.self, CumulativeExtreme.self, LinearRecurrence.self,
    // Sorting
    ArgSort.self, ArgTop.self,
    // Contraction
    Dot.self,
    Conv2D.self, Conv2DInputGradient.self, Conv2DFilterGradient.self,
    IntegerDot.self, IntegerConv2D.self, PackFilter.self,
    // Attention
    Attention.self, AttentionGradient.self,
    // Window, Indexing
    MaxWindow.self, WindowScatter.self, WindowGather.self, SumWindow.self, SumWindowTranspose.self,
    ByteMaxWindow.self,
    Gather.self, ScatterAdd.self, ScatterSet.self, TakeAlong.self, AddAlong.self,
    // Random
    RandomBits.self, RandomUniform.self, RandomNormal.self,
    // Control flow
    Call.self, Scan.self, While.self, Conditional.self,
  ]

  /// The operations as the parser of IR text wants them: `Graph(parsing: text, ops: Registry.table)`.
  package static let table = OpTable(ops)

  /// The operation that IR text names, or nil when there is none of that name.
  package static func make(
    _ name: String, _ attributes: AttributeReader
  ) throws(TypeError) -> (any Operation)? {
    try table(name, attributes)
  }
}
