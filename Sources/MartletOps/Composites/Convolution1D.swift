// One-dimensional convolutions: two-dimensional ones over images of height 1.

import MartletIR

/// How many zeros stand before and after each spatial axis under a window that slides over it; for one
/// or three axes what ``Padding2D`` is for two.
public enum SpatialPadding: Hashable, Sendable {
  /// As many as give an output of `⌈input / stride⌉`; the odd one goes to the end.
  case same
  /// None: the window stays inside.
  case valid
  /// As many as let the window overlap the input by one element: `(window − 1) · dilation`.
  case full
  /// So many before and after each axis; negative numbers crop.
  case explicit(low: [Int], high: [Int])

  /// The same number before and after one axis.
  public static func all(_ count: Int) -> SpatialPadding { .explicit(low: [count], high: [count]) }

  /// Padding before and after one axis.
  package static func pads(
    _ padding: SpatialPadding, axis: Int, input: Int, window: Int, stride: Int, dilation: Int
  ) -> (low: Int, high: Int)? {
    let reach = dilation &* (window &- 1)
    switch padding {
    case .valid: return (0, 0)
    case .full: return (reach, reach)
    case .explicit(let low, let high):
      // One number stands for all axes.
      let (l, h) = (low.count == 1 ? 0 : axis, high.count == 1 ? 0 : axis)
      return low.indices.contains(l) && high.indices.contains(h) ? (low[l], high[h]) : nil
    case .same:
      let stride = max(1, stride)
      let output = input / stride + (input % stride == 0 ? 0 : 1)
      let total = max(0, (output &- 1) &* stride &+ reach &+ 1 &- input)
      return (total / 2, total - total / 2)
    }
  }

  /// The padding of an image whose height (`axes[0]`) and width (`axes[1]`) are these axes; nil for an
  /// axis that is not there.
  package func images(_ axes: [Int?]) -> Padding2D? {
    switch self {
    case .same: return .same
    case .valid: return .valid
    case .full: return .full
    case .explicit(let low, let high):
      let pads = axes.map { axis -> (Int, Int)? in
        guard let axis else { return (0, 0) }
        let (l, h) = (low.count == 1 ? 0 : axis, high.count == 1 ? 0 : axis)
        return low.indices.contains(l) && high.indices.contains(h) ? (low[l], high[h]) : nil
      }
      guard let rows = pads[0], let columns = pads[1] else { return nil }
      return .explicit(top: rows.0, bottom: rows.1, left: columns.0, right: columns.1)
    }
  }
}

/// One-dimensional convolution, `[N, W, I] ∗ [K, I / groups, O] → [N, W′, O]` with
/// `W′ = ⌊(W + pads − dilation·(K − 1) − 1) / stride⌋ + 1`.
///
/// The filter is not flipped. Gradient: to both, to any order. Refused as
/// ``conv2d(_:_:strides:padding:dilations:groups:file:line:)``.
public func conv1d(
  _ x: Tensor, _ filter: Tensor, stride: Int = 1, padding: SpatialPadding = .valid,
  dilation: Int = 1, groups: Int = 1, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard x.rank == 3, filter.rank == 3, let pads = padding.images([nil, 0]) else {
      return refuse(
        "conv1d", "needs x [N, W, I], filter [K, I / groups, O] and one pad before and after", x,
        filter, at: x.trace.place)
    }
    return conv2d(
      x.expandedDims(at: 1), filter.expandedDims(at: 0), strides: [1, stride], padding: pads,
      dilations: [1, dilation], groups: groups
    ).withoutHeight
  }
}

/// Transposed convolution of sequences, `[N, W, I], [K, O / groups, I] → [N, W′, O]`, the map from a
/// cotangent of `conv1d`'s output to one of its input.
///
/// `W′ = (W − 1)·stride + dilation·(K − 1) + 1 − pads + outputPadding`; with `.same`, `W′ = W·stride`.
/// Otherwise as ``conv2dTransposed(_:_:strides:padding:outputPadding:dilations:groups:file:line:)``.
public func conv1dTransposed(
  _ x: Tensor, _ filter: Tensor, stride: Int = 1, padding: SpatialPadding = .valid,
  outputPadding: Int = 0, dilation: Int = 1, groups: Int = 1, file: StaticString = #fileID,
  line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard x.rank == 3, filter.rank == 3, let pads = padding.images([nil, 0]) else {
      return refuse(
        "conv1dTransposed", "needs x [N, W, I] and filter [K, O / groups, I]", x, filter,
        at: x.trace.place)
    }
    return conv2dTransposed(
      x.expandedDims(at: 1), filter.expandedDims(at: 0), strides: [1, stride], padding: pads,
      outputPadding: [0, outputPadding], dilations: [1, dilation], groups: groups
    ).withoutHeight
  }
}

/// Depthwise convolution: each channel by itself, with `M` filters,
/// `[N, H, W, C] ∗ [KH, KW, C, M] → [N, H′, W′, C·M]`.
///
/// Output channel `c·M + m` is filter m over channel c. Otherwise as
/// ``conv2d(_:_:strides:padding:dilations:groups:file:line:)`` in C groups.
public func depthwiseConv2d(
  _ x: Tensor, _ filter: Tensor, strides: [Int] = [1], padding: Padding2D = .valid,
  dilations: [Int] = [1], file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard x.rank == 4, filter.rank == 4, filter.shape[2] == x.shape[3], x.shape[3] > 0 else {
      return refuse(
        "depthwiseConv2d", "needs x [N, H, W, C] and filter [KH, KW, C, M]", x, filter,
        at: x.trace.place)
    }
    let grouped = filter.reshaped([
      filter.shape[0], filter.shape[1], 1, filter.shape[2] * filter.shape[3],
    ])
    return conv2d(
      x, grouped, strides: strides, padding: padding, dilations: dilations, groups: x.shape[3])
  }
}

/// A depthwise convolution, then a 1×1 convolution across its channels:
/// `[N, H, W, C], [KH, KW, C, M], [C·M, O] → [N, H′, W′, O]`.
///
/// Gradient: to all three. Chollet, arXiv:1610.02357.
public func separableConv2d(
  _ x: Tensor, depthwise: Tensor, pointwise: Tensor, strides: [Int] = [1],
  padding: Padding2D = .valid, dilations: [Int] = [1], file: StaticString = #fileID,
  line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    matmul(
      depthwiseConv2d(x, depthwise, strides: strides, padding: padding, dilations: dilations),
      pointwise)
  }
}

extension Tensor {
  /// `[N, 1, W, C]` as `[N, W, C]`; a refused tensor stays one.
  package var withoutHeight: Tensor {
    guard value != nil, rank == 4 else { return poisoned }
    return reshaped([shape[0], shape[2], shape[3]])
  }
}
