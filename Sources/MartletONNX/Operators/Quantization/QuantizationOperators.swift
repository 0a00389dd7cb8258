// Casts and integers that stand for numbers. Specifications:
// https://onnx.ai/onnx/operators/onnx__NAME.html

let quantizationOperators: [OperatorEntry] = [
  OperatorEntry(Cast.self), OperatorEntry(CastLike.self), OperatorEntry(QuantizeLinear.self),
  OperatorEntry(DequantizeLinear.self), OperatorEntry(DynamicQuantizeLinear.self),
  OperatorEntry(MatMulInteger.self), OperatorEntry(ConvInteger.self),
  OperatorEntry(QLinearMatMul.self), OperatorEntry(QLinearConv.self),
]
