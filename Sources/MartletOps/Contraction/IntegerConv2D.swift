import MartletIR
import MartletLoops

/// Convolution of bytes, `[N, H, W, C] ∗ [KH, KW, C, O] → [N, H′, W′, O]`: images of u8, filters of i8,
/// packed (``PackFilter``), sums of i32 that are exact on every instruction set (and wrap around).
/// Around an image stands `zero`, the byte that means 0 in a quantised image. One group.
///
/// No gradient: the operands are integers.
package struct IntegerConv2D: Op {
  package var geometry: Conv2DGeometry
  /// O: the packed weights do not say it.
  package var columns: Int
  package var zero: Int
  package init(_ geometry: Conv2DGeometry, columns: Int, zero: Int) {
    self.geometry = geometry
    self.columns = columns
    self.zero = zero
  }
  package static let name = "integerConv2d"
  package var attributes: [Attribute] {
    geometry.attributes + [
      Attribute("columns", .integer(columns)), Attribute("zero", .integer(zero)),
    ]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    columns = try attributes.integer("columns")
    zero = try attributes.integer("zero")
    let own = ["columns", "zero"]
    geometry = try Conv2DGeometry(
      AttributeReader(
        op: IntegerConv2D.name,
        attributes.values.filter { !own.contains($0.key) }.map { Attribute($0.key, $0.value) }))
  }
  package static let samples: [OpSample] = {
    func sample(
      _ x: Shape, _ window: [Int], _ columns: Int, _ strides: [Int], _ padding: [Int],
      _ dilations: [Int], _ zero: Int
    ) -> OpSample {
      let geometry = Conv2DGeometry(
        inputHeight: x[1], inputWidth: x[2], kernelHeight: window[0], kernelWidth: window[1],
        strides: strides, padding: padding, dilations: dilations, groups: 1)
      let layout = PackedFilter(geometry, channels: x[3], columns: columns)
      return OpSample(
        IntegerConv2D(geometry, columns: columns, zero: zero),
        [TensorType(.uint8, x), TensorType(.int8, [layout.count ?? 0])], [0...255, -128...127],
        isSmooth: false, ulp: 0)
    }
    // Runs of whole groups of four: what stands behind a run in drawn weights is not zero.
    return [
      sample([2, 6, 5, 4], [3, 3], 5, [1, 1], [1, 1, 1, 1], [1, 1], 7),
      sample([1, 7, 8, 4], [3, 2], 18, [2, 3], [0, 1, 1, 0], [1, 1], 128),
      sample([1, 8, 7, 4], [2, 3], 3, [1, 1], [1, 2, 0, 1], [2, 2], 255),
      sample([2, 4, 4, 8], [1, 1], 4, [2, 2], [0, 0, 0, 0], [1, 1], 0),
      sample([1, 6, 6, 4], [3, 3], 2, [1, 1], [-1, 0, 0, -1], [1, 1], 3),
      sample([0, 4, 4, 2], [2, 2], 2, [1, 1], [0, 0, 0, 0], [1, 1], 0),
    ]
  }()

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    try expectOperands(operands, 2)
    let (x, w) = (operands[0], operands[1])
    guard x.dtype == .uint8, w.dtype == .int8 else {
      throw TypeError(op: name, "takes images of u8 and packed weights of i8, got \(x) and \(w)")
    }
    let extents = try geometry.checked(op: name, dtypes: [.float32])
    try geometry.expectInput(x, op: name)
    guard geometry.groups == 1, (0...255).contains(zero) else {
      throw TypeError(op: name, "takes one group, and a zero from 0 to 255")
    }
    guard
      let count = PackedFilter(geometry, channels: x.shape[3], columns: columns).count,
      w.shape == [count]
    else {
      throw TypeError(op: name, "\(w) are no packed weights of \(columns) columns for \(x)")
    }
    return [TensorType(.int32, [x.shape[0], extents.height, extents.width, columns])]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let type = try infer(inputs.map(\.type), [])[0]
    let (x, w) = (inputs[0].integers, inputs[1].integers)
    let (g, channels) = (geometry, inputs[0].shape[3])
    let layout = PackedFilter(g, channels: channels, columns: columns)
    let isDilated = g.dilations[1] != 1
    var result: [Int64] = []
    result.reserveCapacity(type.count)
    for n in 0..<type.shape[0] {
      for i in 0..<g.outputHeight {
        for j in 0..<g.outputWidth {
          for column in 0..<columns {
            var sum: Int64 = 0
            for u in 0..<g.kernelHeight {
              for v in 0..<g.kernelWidth {
                let row = i * g.strides[0] - g.padding[0] + u * g.dilations[0]
                let place = j * g.strides[1] - g.padding[2] + v * g.dilations[1]
                let isInside =
                  (0..<g.inputHeight).contains(row) && (0..<g.inputWidth).contains(place)
                let from = ((n * g.inputHeight + row) * g.inputWidth + place) * channels
                for c in 0..<channels {
                  let weight =
                    isDilated
                    ? layout.place(u * g.kernelWidth + v, c, column)
                    : layout.place(u, v * channels + c, column)
                  sum &+= (isInside ? x[from + c] : Int64(zero)) &* w[weight]
                }
              }
            }
            result.append(sum)
          }
        }
      }
    }
    return [HostArray(type, result)]
  }

  package var lowering: Lowering {
    .contraction(.integerConv2d(geometry, columns: columns, zero: zero))
  }
  package var forward: ForwardRule { .transposed }
  package var gradient: Gradient { .none(because: "its operands are integers") }
}

/// The convolution of x `[N, H, W, C]` of u8 with a filter `[KH, KW, C, O]` of i8, in i32; `zero` stands
/// around the images.
package func integerConv2d(
  _ x: Tensor, _ filter: Tensor, _ geometry: Conv2DGeometry, zero: Int,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  let place = here(x, file, line)
  guard x.dtype == .uint8, filter.dtype == .int8, x.rank == 4, filter.rank == 4,
    geometry.groups == 1, filter.shape[2] == x.shape[3], geometry.dilations.count == 2,
    filter.shape[0] == geometry.kernelHeight, filter.shape[1] == geometry.kernelWidth
  else {
    return refuse(
      IntegerConv2D.name, "takes u8[N, H, W, C] and i8[KH, KW, C, O]", x, filter, at: place)
  }
  let layout = PackedFilter(geometry, channels: x.shape[3], columns: filter.shape[3])
  return record(
    IntegerConv2D(geometry, columns: filter.shape[3], zero: zero), x,
    filter.packedFilter(runs: layout.runs, at: place), at: place)
}
