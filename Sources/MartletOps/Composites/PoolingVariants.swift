// Pooling over sequences and volumes, over whole images, and to a given size: by the pooling of images.

import MartletIR

// MARK: - Sequences

/// The largest element of each window of sequences, `[N, W, C] → [N, W′, C]`; otherwise as
/// ``maxPool2d(_:window:strides:padding:dilations:file:line:)``.
public func maxPool1d(
  _ x: Tensor, window: Int, stride: Int? = nil, padding: SpatialPadding = .valid,
  dilation: Int = 1, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  pool1d("maxPool1d", x, padding, file, line) {
    maxPool2d(
      $0, window: [1, window], strides: [1, stride ?? window], padding: $1,
      dilations: [1, dilation])
  }
}

/// The mean of each window of sequences, `[N, W, C] → [N, W′, C]`; otherwise as
/// ``averagePool2d(_:window:strides:padding:countsPadding:file:line:)``.
public func averagePool1d(
  _ x: Tensor, window: Int, stride: Int? = nil, padding: SpatialPadding = .valid,
  countsPadding: Bool = true, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  pool1d("averagePool1d", x, padding, file, line) {
    averagePool2d(
      $0, window: [1, window], strides: [1, stride ?? window], padding: $1,
      countsPadding: countsPadding)
  }
}

/// The p-norm of each window of sequences, `[N, W, C] → [N, W′, C]`; otherwise as
/// ``lpPool2d(_:p:window:strides:padding:file:line:)``.
public func lpPool1d(
  _ x: Tensor, p: Double = 2, window: Int, stride: Int? = nil, padding: SpatialPadding = .valid,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  pool1d("lpPool1d", x, padding, file, line) {
    lpPool2d($0, p: p, window: [1, window], strides: [1, stride ?? window], padding: $1)
  }
}

private func pool1d(
  _ op: String, _ x: Tensor, _ padding: SpatialPadding, _ file: StaticString, _ line: UInt,
  _ pool: (Tensor, Padding2D) -> Tensor
) -> Tensor {
  composite(x, file, line) {
    guard x.rank == 3, let pads = padding.images([nil, 0]) else {
      return refuse(
        op, "needs sequences [N, W, C] and one pad before and after", x, at: x.trace.place)
    }
    return pool(x.expandedDims(at: 1), pads).withoutHeight
  }
}

// MARK: - Volumes

/// The largest element of each window of volumes, `[N, D, H, W, C] → [N, D′, H′, W′, C]`.
///
/// `window`, `strides` (the window if nil) are one number or three. Over the planes, then over the
/// depth. Padding is never chosen; NaN propagates. Gradient: to one largest element of each window.
public func maxPool3d(
  _ x: Tensor, window: [Int], strides: [Int]? = nil, padding: SpatialPadding = .valid,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  pool3d("maxPool3d", x, window, strides, padding, file, line) {
    maxPool2d($0, window: $1, strides: $2, padding: $3)
  }
}

/// The mean of each window of volumes, `[N, D, H, W, C] → [N, D′, H′, W′, C]`; padding counts as zeros
/// with `countsPadding`, else not at all.
///
/// Over the planes, then over the depth. Gradient: `dy` spread evenly over its window.
public func averagePool3d(
  _ x: Tensor, window: [Int], strides: [Int]? = nil, padding: SpatialPadding = .valid,
  countsPadding: Bool = true, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  pool3d("averagePool3d", x, window, strides, padding, file, line) {
    averagePool2d($0, window: $1, strides: $2, padding: $3, countsPadding: countsPadding)
  }
}

private func pool3d(
  _ op: String, _ x: Tensor, _ window: [Int], _ strides: [Int]?, _ padding: SpatialPadding,
  _ file: StaticString, _ line: UInt,
  _ pool: (Tensor, _ window: [Int], _ strides: [Int], Padding2D) -> Tensor
) -> Tensor {
  composite(x, file, line) {
    let window = triple(window)
    let strides = strides.map(triple) ?? window
    guard x.rank == 5, window.count == 3, strides.count == 3,
      let planes = padding.images([1, 2]), let depth = padding.images([0, nil])
    else {
      return refuse(
        op, "needs volumes [N, D, H, W, C] and one or three numbers for window and strides", x,
        at: x.trace.place)
    }
    let s = x.shape
    let flat = pool(
      x.reshaped([s[0] &* s[1], s[2], s[3], s[4]]), Array(window[1...]), Array(strides[1...]),
      planes)
    guard flat.value != nil else { return x.poisoned }
    let t = flat.shape
    let columns = flat.reshaped([s[0], s[1], 1, t[1] * t[2] * t[3]])
    let y = pool(columns, [window[0], 1], [strides[0], 1], depth)
    guard y.value != nil else { return x.poisoned }
    return y.reshaped([s[0], y.shape[1], t[1], t[2], t[3]])
  }
}

// MARK: - Whole images, and to a size

/// The largest element of each channel over the whole image: `[N, H, W, C] → [N, C]`, or
/// `[N, 1, 1, C]` with `keepDims`. Gradient: to the first largest.
public func globalMaxPool2d(
  _ x: Tensor, keepDims: Bool = false, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard x.rank == 4 else {
      return refuse("globalMaxPool2d", "needs images [N, H, W, C]", x, at: x.trace.place)
    }
    return x.max(axes: [1, 2], keepDims: keepDims)
  }
}

/// The p-norm of each channel over the whole image: `[N, H, W, C] → [N, C]`, or `[N, 1, 1, C]` with
/// `keepDims`. Gradient: that of ``norm(_:p:axes:keepDims:file:line:)``.
public func globalLpPool2d(
  _ x: Tensor, p: Double = 2, keepDims: Bool = false, file: StaticString = #fileID,
  line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard x.rank == 4 else {
      return refuse("globalLpPool2d", "needs images [N, H, W, C]", x, at: x.trace.place)
    }
    return norm(x, p: p, axes: [1, 2], keepDims: keepDims)
  }
}

/// Means that make an image of a given size: `[N, H, W, C] → [N, output…, C]`; part i of an axis of n
/// elements covers `⌊i·n/m⌋ ..< ⌈(i+1)·n/m⌉`, as in PyTorch.
///
/// `output` is one number or (height, width). Gradient: `dy` spread evenly over its part.
public func adaptiveAveragePool2d(
  _ x: Tensor, output: [Int], file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  adaptivePool("adaptiveAveragePool2d", x, output, file, line) { part, axis in
    part.mean(axes: [axis], keepDims: true)
  }
}

/// The largest elements of parts that make an image of a given size; otherwise as
/// ``adaptiveAveragePool2d(_:output:file:line:)``. Gradient: to the first largest of each part.
public func adaptiveMaxPool2d(
  _ x: Tensor, output: [Int], file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  adaptivePool("adaptiveMaxPool2d", x, output, file, line) { part, axis in
    part.max(axes: [axis], keepDims: true)
  }
}

// Both means and maxima may be taken over rows first and then over columns.
private func adaptivePool(
  _ op: String, _ x: Tensor, _ output: [Int], _ file: StaticString, _ line: UInt,
  _ reduce: (Tensor, Int) -> Tensor
) -> Tensor {
  composite(x, file, line) {
    let output = pair(output)
    // More parts than elements share elements; 4096 of them would be a mistake.
    guard x.rank == 4, output.count == 2, output.allSatisfy({ (1...4096).contains($0) }),
      x.shape[1] > 0, x.shape[2] > 0
    else {
      return refuse(
        op, "needs images [N, H, W, C] and one or two extents from 1 to 4096", x,
        at: x.trace.place)
    }
    var y = x
    for axis in 1...2 {
      let (n, m) = (x.shape[axis], output[axis - 1])
      if n % m == 0 {
        // Equal parts: one reduction.
        var split = y.shape.dimensions
        split.replaceSubrange(axis...axis, with: [m, n / m])
        y = reduce(y.reshaped(Shape(split)), axis + 1).squeezed(axes: [axis + 1])
      } else {
        let parts = (0..<m).map { i in
          let (from, to) = (i * n / m, ((i + 1) * n + m - 1) / m)
          return reduce(y.sliced(from..<to, axis: axis), axis)
        }
        y = concatenate(parts, axis: axis)
      }
    }
    return y
  }
}
