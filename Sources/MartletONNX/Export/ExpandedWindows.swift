// Gradients of convolutions, pools and pads as operations that ONNX has: slices for what a window
// reads, spread and shifted copies for what it writes.

import MartletIR
import MartletOps

extension Expansion {
  /// `x` without gaps between its elements: a new axis of fills behind each, folded into its own.
  static func spread(_ x: Tensor, _ fill: Tensor, _ op: MartletOps.Pad) -> Tensor {
    var (x, high) = (x, op.high)
    for axis in 0..<x.rank where op.interior[axis] > 0 && x.shape[axis] > 1 {
      let (extent, gap) = (x.shape[axis], op.interior[axis])
      var shape = x.shape.dimensions
      shape.insert(1, at: axis + 1)
      var behind = [Int](repeating: 0, count: shape.count)
      behind[axis + 1] = gap
      let none = [Int](repeating: 0, count: shape.count)
      x = record(
        MartletOps.Pad(low: none, high: behind, interior: none), x.reshaped(Shape(shape)), fill)
      shape.remove(at: axis + 1)
      shape[axis] = extent * (gap + 1)
      x = x.reshaped(Shape(shape))
      // The fills behind the last element are none of the gaps.
      high[axis] -= gap
    }
    let none = [Int](repeating: 0, count: x.rank)
    return record(MartletOps.Pad(low: op.low, high: high, interior: none), x, fill)
  }

  // MARK: - Convolutions

  /// A convolution whose pads crop: cropped first.
  static func convolution(_ x: Tensor, _ w: Tensor, _ g: Conv2DGeometry) -> Tensor {
    record(MartletOps.Conv2D(g.unpadded), padded(x, g.padding), w)
  }

  /// Its transpose: of the padded image, of which the pads are then cut.
  static func inputGradient(_ dy: Tensor, _ w: Tensor, _ g: Conv2DGeometry) -> Tensor {
    padded(record(MartletOps.Conv2DInputGradient(g.unpadded), dy, w), g.padding.map { -$0 })
  }

  /// Σ over the batch and places: a convolution of the images, channels as their batch, with the
  /// cotangent as filter, strides and dilations in each other's place. In groups a product for each
  /// place of the filter.
  static func filterGradient(_ x: Tensor, _ dy: Tensor, _ g: Conv2DGeometry) -> Tensor {
    let (image, own) = g.padding.contains { $0 < 0 } ? (padded(x, g.padding), g.unpadded) : (x, g)
    let (height, width) = (g.kernelHeight, g.kernelWidth)
    guard g.groups > 1 else {
      let turned = Conv2DGeometry(
        inputHeight: own.inputHeight, inputWidth: own.inputWidth, kernelHeight: dy.shape[1],
        kernelWidth: dy.shape[2], strides: g.dilations, padding: own.padding,
        dilations: g.strides, groups: 1)
      let sums = record(
        MartletOps.Conv2D(turned), image.transposed([3, 1, 2, 0]), dy.transposed([1, 2, 0, 3]))
      // A stride that does not divide leaves more places than the filter has.
      return sums.sliced(0..<height, axis: 1).sliced(0..<width, axis: 2).transposed([1, 2, 0, 3])
    }
    let window = WindowGeometry(
      inputHeight: own.inputHeight, inputWidth: own.inputWidth, windowHeight: height,
      windowWidth: width, strides: g.strides, padding: own.padding, dilations: g.dilations)
    let rows = dy.shape[0] * dy.shape[1] * dy.shape[2]
    let (inputs, outputs) = (x.shape[3] / g.groups, dy.shape[3] / g.groups)
    let right = dy.reshaped([rows, g.groups, outputs]).transposed([1, 0, 2])
    let read = Windows(image, window, fill: 0, dy.shape)
    let parts = (0..<(height * width)).map { place in
      matmul(read[place].reshaped([rows, g.groups, inputs]).transposed([1, 2, 0]), right)
        .transposed([1, 0, 2]).reshaped([1, inputs, dy.shape[3]])
    }
    return concatenate(parts, axis: 0).reshaped([height, width, inputs, dy.shape[3]])
  }

  /// Images with pads of top, bottom, left and right; negative ones crop.
  private static func padded(_ x: Tensor, _ padding: [Int], with fill: Double = 0) -> Tensor {
    x.padded(
      low: [0, padding[0], padding[2], 0], high: [0, padding[1], padding[3], 0], with: fill)
  }

  // MARK: - Pools

  /// What each place of a window reads, over all windows.
  private struct Windows {
    let padded: Tensor
    let geometry: WindowGeometry
    let output: Shape

    init(_ x: Tensor, _ geometry: WindowGeometry, fill: Double, _ output: Shape) {
      padded = Expansion.padded(x, geometry.padding, with: fill)
      self.geometry = geometry
      self.output = output
    }

    subscript(place: Int) -> Tensor {
      let g = geometry
      let top = place / g.windowWidth * g.dilations[0]
      let left = place % g.windowWidth * g.dilations[1]
      return padded.sliced(
        start: [0, top, left, 0],
        limit: [
          padded.shape[0], top + (output[1] - 1) * g.strides[0] + 1,
          left + (output[2] - 1) * g.strides[1] + 1, padded.shape[3],
        ], stride: [1, g.strides[0], g.strides[1], 1])
    }
  }

  /// A pool whose pads crop, or reach beyond its window: padded first.
  static func sumPool(_ x: Tensor, _ g: WindowGeometry) -> Tensor {
    record(MartletOps.SumWindow(g.unpadded), padded(x, g.padding))
  }
  static func maxPool(_ x: Tensor, _ g: WindowGeometry) -> Tensor {
    recordAll(MartletOps.MaxWindow(g.unpadded), [padded(x, g.padding, with: -.infinity)])[0]
  }

  /// The largest element of each window and its place: the places of the window one after another.
  static func maxWithPlace(_ x: Tensor, _ g: WindowGeometry, _ output: Shape) -> [Tensor] {
    let read = Windows(x, g, fill: -.infinity, output)
    let trace = x.trace
    func filled(_ value: Double, _ dtype: DType) -> Tensor {
      trace.constant(value, dtype).broadcasted(to: output)
    }
    var best = filled(-.infinity, x.dtype)
    var chosen = filled(-1, .int32)
    for place in 0..<(g.windowHeight * g.windowWidth) {
      let candidate = read[place]
      // The first NaN stays, and of equal ones the first.
      var takes = (best .== best) .& ((candidate .> best) .| (candidate .!= candidate))
      takes = takes .| (chosen .< 0)
      if let inside = inside(g, place, output, trace) { takes = takes .& inside }
      best = select(takes, candidate, best)
      chosen = select(takes, filled(Double(place), .int32), chosen)
    }
    return [best, chosen]
  }

  /// Where a place of the windows is no padding; nil where that is everywhere.
  private static func inside(
    _ g: WindowGeometry, _ place: Int, _ output: Shape, _ trace: Trace
  ) -> Tensor? {
    guard g.padding.contains(where: { $0 > 0 }) else { return nil }
    let bits = (0..<(output[1] * output[2])).map { at -> Int64 in
      let index = (n: 0, i: at / output[2], j: at % output[2], c: 0)
      return g.inputOffset(index, place: place, channels: 1) == nil ? 0 : 1
    }
    guard bits.contains(0) else { return nil }
    let mask = trace.constant(HostArray(TensorType(.bool, [1, output[1], output[2], 1]), bits))
    return mask.broadcasted(to: output)
  }

  /// The element that the index names, 0 in the padding.
  static func windowGather(_ x: Tensor, _ index: Tensor, _ g: WindowGeometry) -> Tensor {
    let read = Windows(x, g, fill: 0, index.shape)
    return summed(
      (0..<(g.windowHeight * g.windowWidth)).map { place in
        select(index .== Double(place), read[place], 0)
      })
  }

  /// Each element at the place of its window that the index names.
  static func windowScatter(_ dy: Tensor, _ index: Tensor, _ g: WindowGeometry) -> Tensor {
    summed(
      (0..<(g.windowHeight * g.windowWidth)).map { place in
        let own = select(index .== Double(place), dy, 0)
        return moved(moved(own, g, 1, place / g.windowWidth), g, 2, place % g.windowWidth)
      })
  }

  /// Each element at all places of its window: along the rows, then along the columns.
  static func sumPoolTranspose(_ dy: Tensor, _ g: WindowGeometry) -> Tensor {
    let rows = summed((0..<g.windowHeight).map { moved(dy, g, 1, $0) })
    return summed((0..<g.windowWidth).map { moved(rows, g, 2, $0) })
  }

  /// Elements of windows along one axis at place `place` of these, in an image's extent.
  private static func moved(_ x: Tensor, _ g: WindowGeometry, _ axis: Int, _ place: Int) -> Tensor {
    let (extent, before) =
      axis == 1 ? (g.inputHeight, g.padding[0]) : (g.inputWidth, g.padding[2])
    var low = [0, 0, 0, 0]
    var high = low
    var interior = low
    interior[axis] = g.strides[axis - 1] - 1
    low[axis] = place * g.dilations[axis - 1] - before
    high[axis] = extent - low[axis] - ((x.shape[axis] - 1) * g.strides[axis - 1] + 1)
    return x.padded(low: low, high: high, interior: interior)
  }

  private static func summed(_ parts: [Tensor]) -> Tensor {
    parts.dropFirst().reduce(parts[0]) { $0 + $1 }
  }
}

extension Conv2DGeometry {
  /// The same over images that are padded already.
  fileprivate var unpadded: Conv2DGeometry {
    var copy = self
    copy.inputHeight += padding[0] + padding[1]
    copy.inputWidth += padding[2] + padding[3]
    copy.padding = [0, 0, 0, 0]
    return copy
  }
}

extension WindowGeometry {
  fileprivate var unpadded: WindowGeometry {
    var copy = self
    copy.inputHeight += padding[0] + padding[1]
    copy.inputWidth += padding[2] + padding[3]
    copy.padding = [0, 0, 0, 0]
    return copy
  }

  /// Whether ONNX's pools take the pads as they are.
  var hasPlainPads: Bool {
    padding.allSatisfy { $0 >= 0 } && padding[0] < windowHeight && padding[1] < windowHeight
      && padding[2] < windowWidth && padding[3] < windowWidth
  }
}
