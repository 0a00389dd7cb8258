import MartletIR
import MartletLoops

/// Two-dimensional convolution (cross-correlation),
/// `[N, H, W, I] ∗ [KH, KW, I / G, O] → [N, H′, W′, O]`.
///
/// Gradient: the input gradient and the filter gradient, which with this one form a closed bilinear
/// triple: each one's gradients are the other two.
package struct Conv2D: Op {
  package var geometry: Conv2DGeometry
  package init(_ geometry: Conv2DGeometry) { self.geometry = geometry }
  package static let name = "conv2d"
  package var attributes: [Attribute] { geometry.attributes }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    geometry = try Conv2DGeometry(attributes)
  }
  package static let samples = Conv2DGeometry.convolutionSamples(Conv2D.init) {
    [$0.input, $0.filter]
  }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 2)
    let (x, w) = (operands[0], operands[1])
    let extents = try geometry.checked(op: name, dtypes: [x.dtype, w.dtype])
    try geometry.expectInput(x, op: name)
    try geometry.expectFilter(w, op: name)
    let channels = try geometry.inputChannels(w.shape[2], op: name)
    guard channels == x.shape[3] else {
      throw TypeError(
        op: name,
        "channels differ: \(x) ∗ \(w) in \(geometry.groups) groups   (\(x.shape[3]) ≠ \(channels))",
        hint: "a filter is [KH, KW, input channels / groups, output channels]")
    }
    return [TensorType(x.dtype, [x.shape[0], extents.height, extents.width, w.shape[3]])]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let type = try infer(inputs.map(\.type), [])[0]
    let (x, w) = (inputs[0].doubles, inputs[1].doubles)
    var y = [Double](repeating: 0, count: type.count)
    geometry.forEachProduct(
      batch: type.shape[0], inputChannels: inputs[0].shape[3], outputChannels: type.shape[3]
    ) { y[$2] += x[$0] * w[$1] }
    return [HostArray(type, y)]
  }

  package var lowering: Lowering { .contraction(.conv2d(geometry)) }
  package var gradient: Gradient {
    .rule { v in
      [
        record(Conv2DInputGradient(geometry), v.dy, v.inputs[1]),
        record(Conv2DFilterGradient(geometry), v.inputs[0], v.dy),
      ]
    }
  }
}

/// How many zeros stand around an image before a window slides over it.
public enum Padding2D: Hashable, Sendable {
  /// As many as give an output of `⌈input / stride⌉`; the odd one goes to the bottom and the right.
  case same
  /// None: the window stays inside of the image.
  case valid
  /// As many as let the window overlap the image by one element: `(window − 1) · dilation`.
  case full
  /// So many on each side; negative numbers crop.
  case explicit(top: Int, bottom: Int, left: Int, right: Int)

  /// The same number on all four sides.
  public static func all(_ count: Int) -> Padding2D {
    .explicit(top: count, bottom: count, left: count, right: count)
  }

  /// top, bottom, left, right; nonsense in gives nonsense that the type rule refuses.
  package func resolved(
    input: [Int], window: [Int], strides: [Int], dilations: [Int]
  ) -> [Int] {
    var pads: [Int] = []
    for axis in 0..<2 {
      let reach = dilations[axis] &* (window[axis] &- 1)
      switch self {
      case .valid: pads += [0, 0]
      case .full: pads += [reach, reach]
      case .explicit(let top, let bottom, let left, let right):
        pads += axis == 0 ? [top, bottom] : [left, right]
      case .same:
        let stride = max(1, strides[axis])
        let output = input[axis] / stride + (input[axis] % stride == 0 ? 0 : 1)
        let total = max(0, (output &- 1) &* stride &+ reach &+ 1 &- input[axis])
        pads += [total / 2, total - total / 2]
      }
    }
    return pads
  }
}

/// A list of one or two numbers as two; longer or empty lists stay and are refused later.
package func pair(_ values: [Int]) -> [Int] {
  values.count == 1 ? [values[0], values[0]] : values
}

/// Two-dimensional convolution, `[N, H, W, I] ∗ [KH, KW, I / groups, O] → [N, H′, W′, O]` with
/// `H′ = ⌊(H + pads − dilation·(KH − 1) − 1) / stride⌋ + 1`.
///
/// `y[n, i, j, o] = Σ_{u,v,c} x[n, i·s − p + u·d, j·s − p + v·d, c] · filter[u, v, c, o]`: the
/// filter is not flipped. `strides` and `dilations` are one number or two (height, width). With
/// `groups`, output channels of group g see the input channels of group g only; `groups == I` is
/// depthwise.
///
/// Gradient: to `x` by
/// ``conv2dTransposed(_:_:strides:padding:outputPadding:dilations:groups:file:line:)`` with the
/// same filter, to `filter` by the correlation of `x` with the cotangent. Refused, with a
/// diagnostic: ranks other than 4, channels that do not fit, a window larger than the padded image.
public func conv2d(
  _ x: Tensor, _ filter: Tensor, strides: [Int] = [1], padding: Padding2D = .valid,
  dilations: [Int] = [1], groups: Int = 1, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  let (strides, dilations) = (pair(strides), pair(dilations))
  guard x.rank == 4, filter.rank == 4, strides.count == 2, dilations.count == 2 else {
    return refuse(
      Conv2D.name, "needs x [N, H, W, I], filter [KH, KW, I / groups, O] and one or two strides",
      x, filter, at: here(x, file, line), hint: "x.expandedDims(at: 0) makes a batch of one image")
  }
  let (h, w) = (x.shape[1], x.shape[2])
  let (kh, kw) = (filter.shape[0], filter.shape[1])
  let geometry = Conv2DGeometry(
    inputHeight: h, inputWidth: w, kernelHeight: kh, kernelWidth: kw, strides: strides,
    padding: padding.resolved(
      input: [h, w], window: [kh, kw], strides: strides, dilations: dilations),
    dilations: dilations, groups: groups)
  return record(Conv2D(geometry), x, filter, at: here(x, file, line))
}

/// Reports a refused call of a public function, unless an operand is poisoned already.
package func refuse(
  _ op: String, _ message: String, _ operands: Tensor..., at place: SourceLocation,
  hint: String? = nil, type: TensorType? = nil
) -> Tensor {
  refuse(op, message, operands, at: place, hint: hint, type: type)
}

package func refuse(
  _ op: String, _ message: String, _ operands: [Tensor], at place: SourceLocation,
  hint: String? = nil, type: TensorType? = nil
) -> Tensor {
  let trace = operands[0].trace
  if operands.allSatisfy({ $0.value != nil }) {
    trace.report(TypeError(op: op, message, hint: hint), operands.map(\.type), at: place)
  }
  return Tensor(trace: trace, value: nil, type: type ?? operands[0].type)
}
