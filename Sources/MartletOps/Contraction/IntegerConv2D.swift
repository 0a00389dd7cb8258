import MartletIR
import MartletLoops

/// Convolution of bytes, `[N, H, W, C] ∗ [KH, KW, C, O] → [N, H′, W′, O]`: images of u8, filters of i8,
/// packed (``PackFilter``), sums of i32 that are exact on every instruction set (and wrap around).
/// Around an image stands `zero`, the byte that means 0 in a quantised image. One group.
///
/// With `windows` [PH, PW] the result is the largest sum of each window, side by side:
/// `[N, H′ / PH, W′ / PW, O]`, rounded down.
///
/// No gradient: the operands are integers.
package struct IntegerConv2D: Op {
  package var geometry: Conv2DGeometry
  /// O: the packed weights do not say it.
  package var columns: Int
  package var zero: Int
  /// How many outputs of a row share the columns of a product: ``PackedFilter``.
  package var share: Int
  package var windows: [Int]
  package init(
    _ geometry: Conv2DGeometry, columns: Int, zero: Int, share: Int = 1, windows: [Int] = [1, 1]
  ) {
    self.geometry = geometry
    self.columns = columns
    self.zero = zero
    self.share = share
    self.windows = windows
  }
  package static let name = "integerConv2d"
  private static let own = ["columns", "zero", "share", "windows"]
  package var attributes: [Attribute] {
    geometry.attributes + [
      Attribute("columns", .integer(columns)), Attribute("zero", .integer(zero)),
      Attribute("share", .integer(share)), Attribute("windows", .integers(windows)),
    ]
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    columns = try attributes.integer("columns")
    zero = try attributes.integer("zero")
    share = try attributes.integer("share")
    windows = try attributes.integers("windows", count: 2)
    geometry = try Conv2DGeometry(
      AttributeReader(
        op: IntegerConv2D.name,
        attributes.values.filter { !IntegerConv2D.own.contains($0.key) }
          .map { Attribute($0.key, $0.value) }))
  }
  package static let samples: [OpSample] = {
    func sample(
      _ x: Shape, _ window: [Int], _ columns: Int, _ strides: [Int], _ padding: [Int],
      _ dilations: [Int], _ zero: Int, share: Int = 1, windows: [Int] = [1, 1]
    ) -> OpSample {
      let geometry = Conv2DGeometry(
        inputHeight: x[1], inputWidth: x[2], kernelHeight: window[0], kernelWidth: window[1],
        strides: strides, padding: padding, dilations: dilations, groups: 1)
      let layout = PackedFilter(geometry, channels: x[3], columns: columns, share: share)
      return OpSample(
        IntegerConv2D(geometry, columns: columns, zero: zero, share: share, windows: windows),
        [TensorType(.uint8, x), TensorType(.int8, [layout.count ?? 0])], [0...255, -128...127],
        isSmooth: false, ulp: 0)
    }
    // Runs of whole groups of four: what stands behind a run in drawn weights is not zero. Those of
    // shared columns are not zero either where the filter ends, so the oracle reads them too.
    return [
      sample([2, 6, 5, 4], [3, 3], 5, [1, 1], [1, 1, 1, 1], [1, 1], 7),
      sample([1, 7, 8, 4], [3, 2], 18, [2, 3], [0, 1, 1, 0], [1, 1], 128),
      sample([1, 8, 7, 4], [2, 3], 3, [1, 1], [1, 2, 0, 1], [2, 2], 255),
      sample([2, 4, 4, 8], [1, 1], 4, [2, 2], [0, 0, 0, 0], [1, 1], 0),
      sample([1, 6, 6, 4], [3, 3], 2, [1, 1], [-1, 0, 0, -1], [1, 1], 3),
      sample([0, 4, 4, 2], [2, 2], 2, [1, 1], [0, 0, 0, 0], [1, 1], 0),
      sample([2, 8, 8, 1], [5, 5], 6, [1, 1], [2, 2, 2, 2], [1, 1], 9, share: 4),
      sample([1, 7, 10, 1], [3, 2], 9, [2, 2], [1, 0, 1, 1], [1, 1], 2, share: 2),
      sample([2, 9, 8, 4], [3, 3], 5, [1, 1], [1, 1, 1, 1], [2, 1], 7, windows: [2, 3]),
      sample(
        [2, 8, 8, 1], [5, 5], 6, [1, 1], [2, 2, 2, 2], [1, 1], 9, share: 4, windows: [2, 2]),
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
    guard (1...64).contains(share), extents.width % share == 0,
      share == 1 || geometry.dilations[1] == 1
    else {
      throw TypeError(
        op: name, "\(share) outputs cannot share columns in rows of \(extents.width)")
    }
    guard windows.count == 2, (1...extents.height).contains(windows[0]),
      (1...extents.width).contains(windows[1])
    else {
      throw TypeError(
        op: name, "windows of \(windows) do not fit \(extents.height)×\(extents.width) outputs")
    }
    guard
      let count = PackedFilter(geometry, channels: x.shape[3], columns: columns, share: share)
        .count,
      w.shape == [count]
    else {
      throw TypeError(op: name, "\(w) are no packed weights of \(columns) columns for \(x)")
    }
    return [
      TensorType(
        .int32,
        [x.shape[0], extents.height / windows[0], extents.width / windows[1], columns])
    ]
  }

  package func evaluate(
    _ inputs: [HostArray], _ regions: [Graph]
  ) throws(TypeError) -> [HostArray] {
    let type = try infer(inputs.map(\.type), [])[0]
    let (x, w) = (inputs[0].integers, inputs[1].integers)
    let channels = inputs[0].shape[3]
    let layout = PackedFilter(geometry, channels: channels, columns: columns, share: share)
    // The wider filter's convolution: as many elements, in the same order.
    var g = geometry
    g.kernelWidth += (share - 1) * g.strides[1]
    g.strides[1] *= share
    let isDilated = g.dilations[1] != 1
    let (height, width) = (geometry.outputHeight, geometry.outputWidth)
    var sums: [Int64] = []
    sums.reserveCapacity(type.shape[0] * height * width * columns)
    for n in 0..<type.shape[0] {
      for i in 0..<height {
        for j in 0..<(width / share) {
          for column in 0..<layout.columns {
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
            sums.append(sum)
          }
        }
      }
    }
    guard windows != [1, 1] else { return [HostArray(type, sums)] }
    let (rows, across) = (type.shape[1], type.shape[2])
    var result: [Int64] = []
    result.reserveCapacity(type.count)
    for index in 0..<type.count {
      let c = index % columns
      let (q, r, n) = (
        index / columns % across, index / columns / across % rows, index / columns / across / rows
      )
      var most = Int64.min
      for u in 0..<windows[0] {
        for v in 0..<windows[1] {
          let line = n * height + r * windows[0] + u
          most = max(most, sums[(line * width + q * windows[1] + v) * columns + c])
        }
      }
      result.append(most)
    }
    return [HostArray(type, result)]
  }

  package var lowering: Lowering {
    .contraction(
      .integerConv2d(geometry, columns: columns, zero: zero, share: share, windows: windows))
  }
  package var forward: ForwardRule { .transposed }
  package var gradient: Gradient { .none(because: "its operands are integers") }
}

/// The convolution of x `[N, H, W, C]` of u8 with a filter `[KH, KW, C, O]` of i8, in i32; `zero` stands
/// around the images. With `windows` the largest sum of each.
package func integerConv2d(
  _ x: Tensor, _ filter: Tensor, _ geometry: Conv2DGeometry, zero: Int, windows: [Int] = [1, 1],
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  let place = here(x, file, line)
  guard x.dtype == .uint8, filter.dtype == .int8, x.rank == 4, filter.rank == 4,
    geometry.groups == 1, filter.shape[2] == x.shape[3], geometry.dilations.count == 2,
    geometry.strides.count == 2, geometry.padding.count == 4,
    geometry.strides.allSatisfy({ $0 > 0 }),
    filter.shape[0] == geometry.kernelHeight, filter.shape[1] == geometry.kernelWidth
  else {
    return refuse(
      IntegerConv2D.name, "takes u8[N, H, W, C] and i8[KH, KW, C, O]", x, filter, at: place)
  }
  let (channels, columns) = (x.shape[3], filter.shape[3])
  let share = PackedFilter.bestShare(geometry, channels: channels, columns: columns)
  return record(
    IntegerConv2D(geometry, columns: columns, zero: zero, share: share, windows: windows), x,
    filter.packedFilter(
      runs: geometry.kernelHeight * (geometry.dilations[1] == 1 ? 1 : geometry.kernelWidth),
      share: share, shift: share == 1 ? 0 : geometry.strides[1] * channels, at: place), at: place)
}
