// Pooling over images [N, H, W, C]: windows slide over height and width, each channel by itself.

import MartletIR

/// The largest element of each window: `[N, H, W, C] → [N, H′, W′, C]` with
/// `H′ = ⌊(H + pads − dilation·(window − 1) − 1) / stride⌋ + 1`.
///
/// `window`, `strides` (the window if nil) and `dilations` are one number or two. Padding is never
/// chosen; NaN propagates. Gradient: `dy` to the first largest element of each window, summed where
/// windows overlap. Refused for ranks other than 4 and windows that do not fit.
public func maxPool2d(
  _ x: Tensor, window: [Int], strides: [Int]? = nil, padding: Padding2D = .valid,
  dilations: [Int] = [1], file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard
      let geometry = WindowGeometry(x, "maxPool2d", window, strides, padding, dilations)
    else { return x.poisoned }
    return recordAll(MaxWindow(geometry), [x])[0]
  }
}

/// The smallest element of each window; otherwise as
/// ``maxPool2d(_:window:strides:padding:dilations:file:line:)``.
public func minPool2d(
  _ x: Tensor, window: [Int], strides: [Int]? = nil, padding: Padding2D = .valid,
  dilations: [Int] = [1], file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    -maxPool2d(
      -x, window: window, strides: strides, padding: padding, dilations: dilations)
  }
}

/// The mean of each window: `[N, H, W, C] → [N, H′, W′, C]`.
///
/// With `countsPadding` (PyTorch's default) every window divides by its full size and padding
/// counts as zeros; without, by the number of elements inside of the image (TensorFlow's rule).
/// Gradient: `dy` spread evenly over its window.
public func averagePool2d(
  _ x: Tensor, window: [Int], strides: [Int]? = nil, padding: Padding2D = .valid,
  countsPadding: Bool = true, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard let geometry = WindowGeometry(x, "averagePool2d", window, strides, padding, [1]) else {
      return x.poisoned
    }
    let sums = record(SumWindow(geometry), x)
    guard sums.value != nil else { return sums }
    if countsPadding || geometry.padding.allSatisfy({ $0 <= 0 }) {
      return sums / Double(geometry.windowHeight * geometry.windowWidth)
    }
    // How many elements of the image each window covers is known now: a constant.
    let rows = geometry.coverage(
      output: sums.shape[1], input: geometry.inputHeight, window: geometry.windowHeight,
      stride: geometry.strides[0], pad: geometry.padding[0])
    let columns = geometry.coverage(
      output: sums.shape[2], input: geometry.inputWidth, window: geometry.windowWidth,
      stride: geometry.strides[1], pad: geometry.padding[2])
    let counts = rows.flatMap { row in columns.map { Double(max(1, row * $0)) } }
    let type = TensorType(x.dtype, [1, rows.count, columns.count, 1])
    return sums / x.trace.constant(HostArray(type, counts))
  }
}

/// The p-norm of each window, `(Σ |x|^p)^{1/p}` with `p ≥ 1`: `[N, H, W, C] → [N, H′, W′, C]`.
///
/// Padding counts as 0. Gradient: `dy · sign(x) · (|x| / y)^{p−1}`, 0 where the window is all
/// zeros.
public func lpPool2d(
  _ x: Tensor, p: Double = 2, window: [Int], strides: [Int]? = nil, padding: Padding2D = .valid,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard p >= 1, p < .infinity else {
      return refuse("lpPool2d", "needs a finite p of at least 1, got \(p)", x, at: x.trace.place)
    }
    guard let geometry = WindowGeometry(x, "lpPool2d", window, strides, padding, [1]) else {
      return x.poisoned
    }
    let powers = p == 2 ? x * x : p == 1 ? abs(x) : pow(abs(x), p)
    let sums = record(SumWindow(geometry), powers)
    if p == 1 { return sums }
    // The root's derivative at 0 is infinite: it must not be taken there, not even masked.
    let isZero = sums .== 0
    let safe = select(isZero, 1, sums)
    return select(isZero, 0, p == 2 ? sqrt(safe) : pow(safe, 1 / p))
  }
}

/// The mean of each channel over the whole image: `[N, H, W, C] → [N, C]`, or `[N, 1, 1, C]` with
/// `keepDims`.
///
/// Gradient: `dy / (H · W)`, repeated. Refused for ranks other than 4.
public func globalAveragePool2d(
  _ x: Tensor, keepDims: Bool = false, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard x.rank == 4 else {
      return refuse(
        "globalAveragePool2d", "needs images [N, H, W, C]", x, at: x.trace.place)
    }
    return x.mean(axes: [1, 2], keepDims: keepDims)
  }
}

extension WindowGeometry {
  /// The geometry of a public function's arguments; nil after reporting that they make none. The
  /// numbers themselves are checked by the operations' type rule.
  fileprivate init?(
    _ x: Tensor, _ op: String, _ window: [Int], _ strides: [Int]?, _ padding: Padding2D,
    _ dilations: [Int]
  ) {
    let window = pair(window)
    let strides = strides.map(pair) ?? window
    let dilations = pair(dilations)
    guard x.rank == 4, window.count == 2, strides.count == 2, dilations.count == 2 else {
      _ = refuse(
        op, "needs images [N, H, W, C] and one or two numbers for window and strides", x,
        at: x.trace.place)
      return nil
    }
    let input = [x.shape[1], x.shape[2]]
    self.init(
      inputHeight: input[0], inputWidth: input[1], windowHeight: window[0],
      windowWidth: window[1], strides: strides,
      padding: padding.resolved(
        input: input, window: window, strides: strides, dilations: dilations),
      dilations: dilations)
  }

  /// How many elements of the input each window covers along an undilated axis.
  fileprivate func coverage(
    output: Int, input: Int, window: Int, stride: Int, pad: Int
  ) -> [Int] {
    (0..<output).map { i in
      let start = i * stride - pad
      return max(0, min(start + window, input) - max(start, 0))
    }
  }
}
