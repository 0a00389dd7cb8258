import MartletIR
import MartletLoops

/// The cotangent of a convolution's filter from its input and the cotangent of its output:
/// `[N, H, W, I], [N, H′, W′, O] → [KH, KW, I / G, O]`.
///
/// Gradient: to the input the input gradient with the cotangent as filter, to the second operand
/// the convolution of the input with the cotangent.
package struct Conv2DFilterGradient: Op {
  package var geometry: Conv2DGeometry
  package init(_ geometry: Conv2DGeometry) { self.geometry = geometry }
  package static let name = "conv2dFilterGradient"
  package var attributes: [Attribute] { geometry.attributes }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    geometry = try Conv2DGeometry(attributes)
  }
  package static let samples = Conv2DGeometry.convolutionSamples(Conv2DFilterGradient.init) {
    [$0.input, $0.output]
  }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 2)
    let (x, dy) = (operands[0], operands[1])
    let extents = try geometry.checked(op: name, dtypes: [x.dtype, dy.dtype])
    try geometry.expectInput(x, op: name)
    try geometry.expectOutput(dy, extents, op: name)
    guard x.shape[0] == dy.shape[0] else {
      throw TypeError(op: name, "batches differ: \(x) and \(dy)")
    }
    guard x.shape[3] % geometry.groups == 0 else {
      throw TypeError(
        op: name, "\(geometry.groups) groups do not divide \(x.shape[3]) input channels")
    }
    return [
      TensorType(
        x.dtype,
        [
          geometry.kernelHeight, geometry.kernelWidth, x.shape[3] / geometry.groups, dy.shape[3],
        ])
    ]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let type = try infer(inputs.map(\.type), [])[0]
    let (x, dy) = (inputs[0].doubles, inputs[1].doubles)
    var dw = [Double](repeating: 0, count: type.count)
    geometry.forEachProduct(
      batch: inputs[0].shape[0], inputChannels: inputs[0].shape[3], outputChannels: type.shape[3]
    ) { dw[$1] += x[$0] * dy[$2] }
    return [HostArray(type, dw)]
  }

  package var lowering: Lowering { .contraction(.conv2dFilterGradient(geometry)) }
  package var gradient: Gradient {
    .rule { v in
      [
        record(Conv2DInputGradient(geometry), v.inputs[1], v.dy),
        record(Conv2D(geometry), v.inputs[0], v.dy),
      ]
    }
  }
}
