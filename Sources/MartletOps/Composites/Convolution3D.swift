// Three-dimensional convolutions: the filter's depth becomes channels of a two-dimensional one, whose
// contraction then runs over all of the filter.

import MartletIR

/// Three-dimensional convolution, `[N, D, H, W, I] ∗ [KD, KH, KW, I / groups, O] → [N, D′, H′, W′, O]`,
/// each extent `⌊(n + pads − dilation·(k − 1) − 1) / stride⌋ + 1`.
///
/// `strides` and `dilations` are one number or three (depth, height, width). The filter is not
/// flipped. One two-dimensional convolution over `KD · I` channels. Gradient: to both, to any order.
/// Refused, with a diagnostic: ranks other than 5, channels that do not fit, a window larger than the
/// padded volume.
public func conv3d(
  _ x: Tensor, _ filter: Tensor, strides: [Int] = [1], padding: SpatialPadding = .valid,
  dilations: [Int] = [1], groups: Int = 1, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    let place = x.trace.place
    let (strides, dilations) = (triple(strides), triple(dilations))
    guard x.rank == 5, filter.rank == 5, strides.count == 3, dilations.count == 3, groups > 0,
      filter.shape[3] > 0, x.shape[4] % groups == 0, x.shape[4] / groups == filter.shape[3]
    else {
      return refuse(
        "conv3d", "needs x [N, D, H, W, I] and filter [KD, KH, KW, I / groups, O]", x, filter,
        at: place, hint: "strides and dilations are one number or three")
    }
    let depth = filter.shape[0]
    guard
      let pads = SpatialPadding.pads(
        padding, axis: 0, input: x.shape[1], window: depth, stride: strides[0],
        dilation: dilations[0]),
      let images = padding.images([1, 2])
    else { return refuse("conv3d", "needs one or three pads", x, filter, at: place) }
    let planes: Int
    do throws(TypeError) {
      planes = try slidingExtent(
        op: "conv3d", input: x.shape[1], window: depth, stride: strides[0], low: pads.low,
        high: pads.high, dilation: dilations[0])
    } catch {
      return refuse("conv3d", error.message, x, filter, at: place, hint: error.hint)
    }
    let padded = x.padded(low: [0, pads.low, 0, 0, 0], high: [0, pads.high, 0, 0, 0])
    guard padded.value != nil else { return padded }
    let slices = (0..<depth).map { k in
      padded.planes(from: k * dilations[0], count: planes, stride: strides[0])
    }
    let y = conv2d(
      joined(slices, groups: groups), filter.depthInChannels, strides: Array(strides[1...]),
      padding: images, dilations: Array(dilations[1...]), groups: groups)
    return y.inVolumes(of: x.shape[0])
  }
}

/// Transposed convolution of volumes, `[N, D, H, W, I], [KD, KH, KW, O / groups, I] → [N, D′, H′, W′, O]`:
/// the map from a cotangent of `conv3d`'s output to one of its input.
///
/// Each extent is `(n − 1)·stride + dilation·(k − 1) + 1 − pads + outputPadding`; with `.same`,
/// `n·stride`. Gradient: to both, to any order. Refused as `conv3d`.
public func conv3dTransposed(
  _ x: Tensor, _ filter: Tensor, strides: [Int] = [1], padding: SpatialPadding = .valid,
  outputPadding: [Int] = [0], dilations: [Int] = [1], groups: Int = 1,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    let place = x.trace.place
    let (strides, dilations, extra) = (triple(strides), triple(dilations), triple(outputPadding))
    let limit = Int(Int32.max)
    guard x.rank == 5, filter.rank == 5, strides.count == 3, dilations.count == 3,
      extra.count == 3, groups > 0, x.shape[4] > 0, x.shape[4] % groups == 0,
      filter.shape[4] == x.shape[4],
      (strides + dilations).allSatisfy({ (1...limit).contains($0) }), extra[0] >= 0,
      extra[0] < strides[0], (1...limit).contains(filter.shape[0]),
      (1...limit).contains(x.shape[1])
    else {
      return refuse(
        "conv3dTransposed",
        "needs x [N, D, H, W, I], filter [KD, KH, KW, O / groups, I], output padding in 0..<stride",
        x, filter, at: place)
    }
    let depth = filter.shape[0]
    let reach = dilations[0] * (depth - 1)
    var pads = (low: 0, high: 0)
    if padding == .same {
      let total = max(0, reach + 1 - strides[0])
      pads = (total / 2, total - total / 2)
    } else if let found = SpatialPadding.pads(
      padding, axis: 0, input: x.shape[1], window: depth, stride: strides[0],
      dilation: dilations[0]), (-limit...limit).contains(found.low),
      (-limit...limit).contains(found.high)
    {
      pads = found
    } else {
      return refuse("conv3dTransposed", "needs one or three pads", x, filter, at: place)
    }
    guard let images = padding.images([1, 2]) else {
      return refuse("conv3dTransposed", "needs one or three pads", x, filter, at: place)
    }
    let rest = padding == .same ? max(0, strides[0] - reach - 1) : 0
    let span = (x.shape[1] - 1) * strides[0] + 1
    let planes = span + reach - pads.low - pads.high + extra[0] + rest
    guard planes >= 0 else {
      return refuse("conv3dTransposed", "the pads leave no planes", x, filter, at: place)
    }
    // Planes apart by the stride, with room for the filter at both ends.
    let spread = x.padded(
      low: [0, reach - pads.low, 0, 0, 0],
      high: [0, planes + reach - span - (reach - pads.low), 0, 0, 0],
      interior: [0, strides[0] - 1, 0, 0, 0])
    guard spread.value != nil else { return spread }
    let slices = (0..<depth).map { k in
      spread.planes(from: reach - k * dilations[0], count: planes, stride: 1)
    }
    let (kh, kw) = (filter.shape[1], filter.shape[2])
    let (outputs, inputs) = (filter.shape[3], filter.shape[4])
    // [KH, KW, O / G, G, KD, I / G]: channels as `joined` orders them.
    let flat = filter.reshaped([depth, kh, kw, outputs, groups, inputs / groups])
      .transposed([1, 2, 3, 4, 0, 5]).reshaped([kh, kw, outputs, depth &* inputs])
    let y = conv2dTransposed(
      joined(slices, groups: groups), flat, strides: Array(strides[1...]), padding: images,
      outputPadding: Array(extra[1...]), dilations: Array(dilations[1...]), groups: groups)
    return y.inVolumes(of: x.shape[0])
  }
}

/// A list of one or three numbers as three; other lists stay and are refused later.
package func triple(_ values: [Int]) -> [Int] {
  values.count == 1 ? [values[0], values[0], values[0]] : values
}

/// Images `[M, H, W, C]`, one for each plane of a filter, with their channels joined group by group:
/// `[M, H, W, G · KD · C / G]`.
private func joined(_ slices: [Tensor], groups: Int) -> Tensor {
  guard let first = slices.first, slices.count > 1, first.value != nil else { return slices[0] }
  let s = first.shape
  let split = slices.map { $0.reshaped([s[0], s[1], s[2], groups, s[3] / groups]) }
  return concatenate(split, axis: 4).reshaped([s[0], s[1], s[2], slices.count &* s[3]])
}

extension Tensor {
  /// Every `stride`-th plane of volumes from `start` on, as images `[N · count, H, W, C]`.
  fileprivate func planes(from start: Int, count: Int, stride: Int) -> Tensor {
    let limit = count == 0 ? start : start + (count - 1) * stride + 1
    let s = shape
    return sliced(
      start: [0, start, 0, 0, 0], limit: [s[0], limit, s[2], s[3], s[4]],
      stride: [1, stride, 1, 1, 1]
    ).reshaped([s[0] &* count, s[2], s[3], s[4]])
  }

  /// A filter `[KD, KH, KW, I / G, O]` as `[KH, KW, KD · I / G, O]`.
  fileprivate var depthInChannels: Tensor {
    let s = shape
    return transposed([1, 2, 0, 3, 4]).reshaped([s[1], s[2], s[0] &* s[3], s[4]])
  }

  /// Images `[N · D, H, W, C]` as volumes `[N, D, H, W, C]`; a refused tensor stays one.
  fileprivate func inVolumes(of batch: Int) -> Tensor {
    guard value != nil, rank == 4 else { return poisoned }
    let planes = batch > 0 ? shape[0] / batch : 0
    return reshaped([batch, planes, shape[1], shape[2], shape[3]])
  }
}
