// Operators on images and boxes. Specifications: https://onnx.ai/onnx/operators/onnx__NAME.html

let imageOperators: [OperatorEntry] = [
  OperatorEntry(GridSample.self), OperatorEntry(AffineGrid.self), OperatorEntry(RoiAlign.self),
  OperatorEntry(MaxRoiPool.self), OperatorEntry(NonMaxSuppression.self), OperatorEntry(Col2Im.self),
  OperatorEntry(ImageDecoder.self),
]
