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

  package var outputHeight: Int {
    (inputHeight + padding[0] + padding[1] - dilations[0] * (kernelHeight - 1) - 1) / strides[0] + 1
  }
  package var outputWidth: Int {
    (inputWidth + padding[2] + padding[3] - dilations[1] * (kernelWidth - 1) - 1) / strides[1] + 1
  }
}
