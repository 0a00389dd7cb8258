// What the three convolution operations share: the geometry of one forward convolution.

import MartletIR

/// A two-dimensional convolution of an NHWC input with an HWIO filter:
/// `y[n, i, j, o] = Σ x[n, i·s − p + u·d, …, c] · w[u, v, c, o]`, in `groups` groups of channels.
///
/// Pads may be negative (they crop). The input's extents are kept because the input gradient cannot
/// infer them from the output when the stride does not divide.
package struct Conv2DGeometry: Hashable, Sendable {
  package var inputHeight: Int
  package var inputWidth: Int
  package var kernelHeight: Int
  package var kernelWidth: Int
  package var strides: [Int]
  /// top, bottom, left, right
  package var padding: [Int]
  package var dilations: [Int]
  package var groups: Int

  package init(
    inputHeight: Int, inputWidth: Int, kernelHeight: Int, kernelWidth: Int, strides: [Int],
    padding: [Int], dilations: [Int], groups: Int
  ) {
    self.inputHeight = inputHeight
    self.inputWidth = inputWidth
    self.kernelHeight = kernelHeight
    self.kernelWidth = kernelWidth
    self.strides = strides
    self.padding = padding
    self.dilations = dilations
    self.groups = groups
  }

  /// The output's extents; only for a geometry that an operation's type rule accepted.
  package var outputHeight: Int {
    (inputHeight + padding[0] + padding[1] - dilations[0] * (kernelHeight - 1) - 1) / strides[0] + 1
  }
  package var outputWidth: Int {
    (inputWidth + padding[2] + padding[3] - dilations[1] * (kernelWidth - 1) - 1) / strides[1] + 1
  }

  /// The table `g` of the runtime's convolutions.
  package func runtimeTable(batch: Int, inputChannels: Int, outputChannels: Int) -> [Int] {
    [
      batch, inputHeight, inputWidth, inputChannels, outputHeight, outputWidth, outputChannels,
      kernelHeight, kernelWidth, strides[0], strides[1], padding[0], padding[2], dilations[0],
      dilations[1], groups,
    ]
  }
}

// MARK: - Attributes

extension Conv2DGeometry {
  package var attributes: [Attribute] {
    [
      Attribute("input", .integers([inputHeight, inputWidth])),
      Attribute("kernel", .integers([kernelHeight, kernelWidth])),
      Attribute("strides", .integers(strides)),
      Attribute("padding", .integers(padding)),
      Attribute("dilations", .integers(dilations)),
      Attribute("groups", .integer(groups)),
    ]
  }

  package init(_ attributes: AttributeReader) throws(TypeError) {
    try attributes.allow(["input", "kernel", "strides", "padding", "dilations", "groups"])
    let input = try attributes.integers("input", count: 2)
    let kernel = try attributes.integers("kernel", count: 2)
    self.init(
      inputHeight: input[0], inputWidth: input[1], kernelHeight: kernel[0], kernelWidth: kernel[1],
      strides: try attributes.integers("strides", count: 2),
      padding: try attributes.integers("padding", count: 4),
      dilations: try attributes.integers("dilations", count: 2),
      groups: try attributes.integer("groups"))
  }
}

extension AttributeReader {
  package func integers(_ key: String, count: Int) throws(TypeError) -> [Int] {
    let values = try integers(key)
    guard values.count == count else {
      throw TypeError(op: op, "attribute '\(key)' must list \(count) integers, got \(values.count)")
    }
    return values
  }
}

// MARK: - Type rules

/// The output extent of a window that slides along one axis; throws where the window does not fit.
package func slidingExtent(
  op: String, input: Int, window: Int, stride: Int, low: Int, high: Int, dilation: Int
) throws(TypeError) -> Int {
  // Bounding every number by 2³¹ keeps all sums and products below in range.
  let limit = Int(Int32.max)
  guard input >= 0, input <= limit, window <= limit, stride <= limit, dilation <= limit,
    (-limit...limit).contains(low), (-limit...limit).contains(high)
  else { throw TypeError(op: op, "an extent, stride, dilation or pad is out of range") }
  guard window >= 1 else { throw TypeError(op: op, "the window's extent \(window) is below 1") }
  guard stride >= 1 else { throw TypeError(op: op, "the stride \(stride) is below 1") }
  guard dilation >= 1 else { throw TypeError(op: op, "the dilation \(dilation) is below 1") }
  let padded = input + low + high
  let reach = dilation * (window - 1) + 1
  guard padded >= reach else {
    throw TypeError(
      op: op,
      "a window of \(window) (reaching over \(reach)) does not fit a padded input of \(padded)",
      hint: "pad more, or use a smaller window")
  }
  return (padded - reach) / stride + 1
}

extension Conv2DGeometry {
  /// Checks the geometry's numbers and the operands' dtypes; gives the output's extents.
  package func checked(
    op: String, dtypes: [DType]
  ) throws(TypeError) -> (height: Int, width: Int) {
    guard strides.count == 2, padding.count == 4, dilations.count == 2 else {
      throw TypeError(op: op, "needs two strides, four pads and two dilations")
    }
    guard dtypes.allSatisfy({ $0 == dtypes[0] }) else {
      throw TypeError(
        op: op, "dtypes differ: \(dtypes.map(\.description).joined(separator: " and "))",
        hint: "convert one of them")
    }
    guard dtypes[0].isFloatingPoint else {
      throw TypeError(op: op, "takes floating-point operands, got \(dtypes[0])")
    }
    guard groups >= 1 else { throw TypeError(op: op, "the number of groups \(groups) is below 1") }
    return (
      try slidingExtent(
        op: op, input: inputHeight, window: kernelHeight, stride: strides[0], low: padding[0],
        high: padding[1], dilation: dilations[0]),
      try slidingExtent(
        op: op, input: inputWidth, window: kernelWidth, stride: strides[1], low: padding[2],
        high: padding[3], dilation: dilations[1])
    )
  }

  package func expectInput(_ type: TensorType, op: String) throws(TypeError) {
    guard type.shape.rank == 4 else {
      throw TypeError(op: op, "needs images [N, H, W, C], got \(type)")
    }
    guard type.shape[1] == inputHeight, type.shape[2] == inputWidth else {
      throw TypeError(op: op, "the images are not \(inputHeight)×\(inputWidth): \(type)")
    }
  }

  package func expectFilter(_ type: TensorType, op: String) throws(TypeError) {
    guard type.shape.rank == 4 else {
      throw TypeError(op: op, "needs a filter [KH, KW, I / groups, O], got \(type)")
    }
    guard type.shape[0] == kernelHeight, type.shape[1] == kernelWidth else {
      throw TypeError(op: op, "the filter is not \(kernelHeight)×\(kernelWidth): \(type)")
    }
    try expectOutputChannels(type.shape[3], op: op)
  }

  package func expectOutput(
    _ type: TensorType, _ extents: (height: Int, width: Int), op: String
  ) throws(TypeError) {
    guard type.shape.rank == 4 else {
      throw TypeError(op: op, "needs images [N, H, W, C], got \(type)")
    }
    guard type.shape[1] == extents.height, type.shape[2] == extents.width else {
      throw TypeError(op: op, "the images are not \(extents.height)×\(extents.width): \(type)")
    }
    try expectOutputChannels(type.shape[3], op: op)
  }

  private func expectOutputChannels(_ channels: Int, op: String) throws(TypeError) {
    guard channels % groups == 0 else {
      throw TypeError(op: op, "\(groups) groups do not divide \(channels) output channels")
    }
  }

  /// The input's channels from the filter's.
  package func inputChannels(_ filterChannels: Int, op: String) throws(TypeError) -> Int {
    let (channels, overflow) = filterChannels.multipliedReportingOverflow(by: groups)
    guard !overflow else { throw TypeError(op: op, "too many channels") }
    return channels
  }
}

// MARK: - Oracle

extension Conv2DGeometry {
  /// Calls `body` with the offsets of input, filter and output of every product of the sum. All
  /// three operations of the convolution are sums over exactly these products.
  package func forEachProduct(
    batch: Int, inputChannels: Int, outputChannels: Int, _ body: (Int, Int, Int) -> Void
  ) {
    let (perGroup, outPerGroup) = (inputChannels / groups, outputChannels / groups)
    for n in 0..<batch {
      for i in 0..<outputHeight {
        for j in 0..<outputWidth {
          let output = ((n * outputHeight + i) * outputWidth + j) * outputChannels
          for u in 0..<kernelHeight {
            let row = i * strides[0] - padding[0] + u * dilations[0]
            guard row >= 0, row < inputHeight else { continue }
            for v in 0..<kernelWidth {
              let column = j * strides[1] - padding[2] + v * dilations[1]
              guard column >= 0, column < inputWidth else { continue }
              let input = ((n * inputHeight + row) * inputWidth + column) * inputChannels
              let filter = (u * kernelWidth + v) * perGroup * outputChannels
              for o in 0..<outputChannels {
                let firstChannel = o / outPerGroup * perGroup
                for c in 0..<perGroup {
                  body(input + firstChannel + c, filter + c * outputChannels + o, output + o)
                }
              }
            }
          }
        }
      }
    }
  }
}

// MARK: - Samples

extension Conv2DGeometry {
  /// A case with its channel counts: unit, strided, padded on one side, cropped, dilated, grouped,
  /// depthwise, 1×1, and an empty batch.
  package struct Sample {
    package var geometry: Conv2DGeometry
    package var batch: Int
    package var inputChannels: Int
    package var outputChannels: Int

    package var input: Shape {
      [batch, geometry.inputHeight, geometry.inputWidth, inputChannels]
    }
    package var filter: Shape {
      [
        geometry.kernelHeight, geometry.kernelWidth, inputChannels / geometry.groups,
        outputChannels,
      ]
    }
    package var output: Shape {
      [batch, geometry.outputHeight, geometry.outputWidth, outputChannels]
    }
  }

  package static let samples: [Sample] = {
    func make(
      _ input: [Int], _ kernel: [Int], _ output: Int, strides: [Int] = [1, 1],
      padding: [Int] = [0, 0, 0, 0], dilations: [Int] = [1, 1], groups: Int = 1
    ) -> Sample {
      Sample(
        geometry: Conv2DGeometry(
          inputHeight: input[1], inputWidth: input[2], kernelHeight: kernel[0],
          kernelWidth: kernel[1], strides: strides, padding: padding, dilations: dilations,
          groups: groups),
        batch: input[0], inputChannels: input[3], outputChannels: output)
    }
    return [
      make([1, 5, 5, 1], [3, 3], 1),
      make([2, 6, 7, 3], [3, 2], 4, padding: [1, 1, 1, 0]),
      make([2, 7, 8, 2], [3, 3], 5, strides: [2, 3], padding: [1, 1, 1, 1]),
      make([1, 8, 8, 2], [2, 3], 3, padding: [0, 1, 2, 1], dilations: [2, 3]),
      make([1, 6, 6, 4], [3, 3], 6, padding: [1, 1, 1, 1], groups: 2),
      make([2, 5, 5, 3], [3, 3], 3, padding: [1, 1, 1, 1], groups: 3),
      make([2, 4, 4, 5], [1, 1], 7),
      make([1, 6, 6, 2], [3, 3], 2, padding: [-1, 0, 0, -1]),
      make([1, 12, 12, 1], [5, 5], 6, padding: [2, 2, 2, 2]),
      make([0, 5, 5, 2], [3, 3], 2),
    ]
  }()

  package static func convolutionSamples(
    _ make: (Conv2DGeometry) -> any Op, _ operands: (Sample) -> [Shape]
  ) -> [OpSample] {
    [.float32, .float64].flatMap { dtype in
      samples.map { sample in
        OpSample(
          make(sample.geometry), operands(sample).map { TensorType(dtype, $0) }, [-2...2, -2...2],
          ulp: 64)
      }
    }
  }
}
