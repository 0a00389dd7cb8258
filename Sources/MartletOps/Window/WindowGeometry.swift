// What the window operations share: the geometry of a window that slides over NHWC images.

import MartletIR
import MartletLoops

/// A window over the height and width of images `[N, H, W, C]`, each channel by itself.
package struct WindowGeometry: Hashable, Sendable {
  package var inputHeight: Int
  package var inputWidth: Int
  package var windowHeight: Int
  package var windowWidth: Int
  package var strides: [Int]
  /// top, bottom, left, right
  package var padding: [Int]
  package var dilations: [Int]

  package init(
    inputHeight: Int, inputWidth: Int, windowHeight: Int, windowWidth: Int, strides: [Int],
    padding: [Int], dilations: [Int]
  ) {
    self.inputHeight = inputHeight
    self.inputWidth = inputWidth
    self.windowHeight = windowHeight
    self.windowWidth = windowWidth
    self.strides = strides
    self.padding = padding
    self.dilations = dilations
  }

  package var attributes: [Attribute] {
    [
      Attribute("input", .integers([inputHeight, inputWidth])),
      Attribute("window", .integers([windowHeight, windowWidth])),
      Attribute("strides", .integers(strides)),
      Attribute("padding", .integers(padding)),
      Attribute("dilations", .integers(dilations)),
    ]
  }

  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["input", "window", "strides", "padding", "dilations"])
    let input = try attributes.integers("input", count: 2)
    let window = try attributes.integers("window", count: 2)
    self.init(
      inputHeight: input[0], inputWidth: input[1], windowHeight: window[0], windowWidth: window[1],
      strides: try attributes.integers("strides", count: 2),
      padding: try attributes.integers("padding", count: 4),
      dilations: try attributes.integers("dilations", count: 2))
  }

  /// The output's extents, or why the numbers make no sense.
  package func extents(op: String) throws(TypeError) -> (height: Int, width: Int) {
    guard strides.count == 2, padding.count == 4, dilations.count == 2 else {
      throw TypeError(op: op, "needs two strides, four pads and two dilations")
    }
    // The index inside of a window is an i32.
    let (places, overflow) = windowHeight.multipliedReportingOverflow(by: windowWidth)
    guard !overflow, places <= Int(Int32.max) else {
      throw TypeError(op: op, "the window \(windowHeight)×\(windowWidth) is too large")
    }
    return (
      try slidingExtent(
        op: op, input: inputHeight, window: windowHeight, stride: strides[0], low: padding[0],
        high: padding[1], dilation: dilations[0]),
      try slidingExtent(
        op: op, input: inputWidth, window: windowWidth, stride: strides[1], low: padding[2],
        high: padding[3], dilation: dilations[1])
    )
  }

  /// Checks images as large as the window's input; gives the output's shape.
  package func outputShape(of input: TensorType, op: String) throws(TypeError) -> Shape {
    let extents = try extents(op: op)
    try expectImages(input, inputHeight, inputWidth, op: op)
    return [input.shape[0], extents.height, extents.width, input.shape[3]]
  }

  /// Checks images as large as the window's output; gives the input's shape.
  package func inputShape(of output: TensorType, op: String) throws(TypeError) -> Shape {
    let extents = try extents(op: op)
    try expectImages(output, extents.height, extents.width, op: op)
    return [output.shape[0], inputHeight, inputWidth, output.shape[3]]
  }

  private func expectImages(
    _ type: TensorType, _ height: Int, _ width: Int, op: String
  ) throws(TypeError) {
    guard type.shape.rank == 4 else {
      throw TypeError(
        op: op, "needs images [N, H, W, C], got \(type)",
        hint: "x.expandedDims(at: 0) makes a batch of one image")
    }
    guard type.dtype.isFloatingPoint else {
      throw TypeError(
        op: op, "takes floating-point images, got \(type)",
        hint: "convert first: x.converted(to: .float32)")
    }
    guard type.shape[1] == height, type.shape[2] == width else {
      throw TypeError(op: op, "the images are not \(height)×\(width): \(type)")
    }
  }

  package func expectIndex(_ index: TensorType, _ shape: Shape, op: String) throws(TypeError) {
    guard index == TensorType(.int32, shape) else {
      throw TypeError(op: op, "the index must be i32\(shape), got \(index)")
    }
  }

  /// One call of the runtime, with the table `w` of its window functions.
  package func call(
    _ symbol: String, input: TensorType, output: TensorType, _ arguments: [RuntimeCall.Argument]
  ) -> [RuntimeCall] {
    let (x, y) = (input.shape, output.shape)
    let table = [
      x[0], inputHeight, inputWidth, x[3], y[1], y[2], windowHeight, windowWidth, strides[0],
      strides[1], padding[0], padding[2], dilations[0], dilations[1],
    ]
    return [RuntimeCall("\(symbol)_\(input.dtype)", [.table(table)] + arguments)]
  }
}

// MARK: - Oracle

extension WindowGeometry {
  /// The offset in images of `input` that place (u, v) of the window of output element `index`
  /// covers; nil in the padding.
  package func inputOffset(
    _ index: (n: Int, i: Int, j: Int, c: Int), place: Int, channels: Int
  ) -> Int? {
    guard place >= 0, place < windowHeight * windowWidth else { return nil }
    let row = index.i * strides[0] - padding[0] + place / windowWidth * dilations[0]
    let column = index.j * strides[1] - padding[2] + place % windowWidth * dilations[1]
    guard row >= 0, row < inputHeight, column >= 0, column < inputWidth else { return nil }
    return ((index.n * inputHeight + row) * inputWidth + column) * channels + index.c
  }

  /// Visits the output's elements in order.
  package func forEachOutput(
    _ shape: Shape, _ body: (_ offset: Int, _ index: (n: Int, i: Int, j: Int, c: Int)) -> Void
  ) {
    var offset = 0
    for n in 0..<shape[0] {
      for i in 0..<shape[1] {
        for j in 0..<shape[2] {
          for c in 0..<shape[3] {
            body(offset, (n, i, j, c))
            offset += 1
          }
        }
      }
    }
  }

  /// Visits every (output offset, input offset) that the sum over windows connects.
  package func forEachPair(_ output: Shape, _ body: (Int, Int) -> Void) {
    forEachOutput(output) { offset, index in
      for place in 0..<(windowHeight * windowWidth) {
        if let source = inputOffset(index, place: place, channels: output[3]) {
          body(offset, source)
        }
      }
    }
  }
}

// MARK: - Samples

extension WindowGeometry {
  /// 2×2 by 2, overlapping with padding, cut-off rests, dilated, cropped, whole image, no batch.
  package static let samples: [(geometry: WindowGeometry, input: Shape, output: Shape)] = {
    func make(
      _ input: Shape, _ window: [Int], strides: [Int], padding: [Int] = [0, 0, 0, 0],
      dilations: [Int] = [1, 1]
    ) -> (geometry: WindowGeometry, input: Shape, output: Shape) {
      let geometry = WindowGeometry(
        inputHeight: input[1], inputWidth: input[2], windowHeight: window[0],
        windowWidth: window[1], strides: strides, padding: padding, dilations: dilations)
      let output = try? geometry.outputShape(of: TensorType(.float32, input), op: "sample")
      return (geometry, input, output ?? [])
    }
    return [
      make([1, 4, 4, 1], [2, 2], strides: [2, 2]),
      make([2, 7, 6, 3], [3, 2], strides: [2, 1], padding: [1, 1, 0, 1]),
      make([1, 7, 5, 2], [2, 2], strides: [2, 2]),
      make([1, 8, 8, 2], [2, 3], strides: [1, 2], padding: [0, 0, 2, 2], dilations: [3, 2]),
      make([1, 5, 5, 2], [2, 2], strides: [1, 1], padding: [-1, 0, 0, -1]),
      make([2, 4, 3, 5], [4, 3], strides: [1, 1]),
      make([0, 4, 4, 2], [2, 2], strides: [2, 2]),
    ]
  }()
}

/// An operation whose attributes are a window's geometry.
package protocol WindowOp: Op {
  var geometry: WindowGeometry { get }
  init(_ geometry: WindowGeometry)
}

extension WindowOp {
  package var attributes: [Attribute] { geometry.attributes }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    self.init(try WindowGeometry(attributes))
  }
}
