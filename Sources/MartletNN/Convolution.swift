// Convolution and pooling layers.

import MartletExecution
import MartletIR
import MartletOps

/// A two-dimensional convolution of NHWC images, `[N, H, W, in] → [N, H′, W′, out]`.
///
/// `weight` is [kernel, kernel, in / groups, out] (HWIO), `bias` [out].
public struct Conv2D: Layer {
  /// [kernel height, kernel width, in / groups, out]
  public let weight: Parameter
  /// [out], or nil without bias.
  public let bias: Parameter?
  /// One number or (height, width).
  public let strides: [Int]
  /// What surrounds the image.
  public let padding: Padding2D
  /// One number or (height, width).
  public let dilations: [Int]
  /// Groups of channels that do not see each other.
  public let groups: Int

  /// A convolution from its sizes.
  public init(
    _ inputs: Int, _ outputs: Int, kernel: Int, strides: [Int] = [1],
    padding: Padding2D = .valid, dilations: [Int] = [1], groups: Int = 1, bias: Bool = true,
    initializer: Initializer = .torchUniform
  ) {
    let perGroup = inputs / max(1, groups)
    weight = Parameter([kernel, kernel, perGroup, outputs], initializer: initializer)
    let fan = Double(kernel) * Double(kernel) * Double(perGroup)
    let bound = 1 / max(1, fan).squareRoot()
    self.bias = bias ? Parameter([outputs], initializer: .uniform(-bound, bound)) : nil
    self.strides = strides
    self.padding = padding
    self.dilations = dilations
    self.groups = groups
  }

  /// The convolved images.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.trace.scoped(scopeName(weight, "Conv2D")) {
      let y = conv2d(
        x, weight.tensor(in: x.trace), strides: strides, padding: padding, dilations: dilations,
        groups: groups)
      guard let bias else { return y }
      return y + bias.tensor(in: x.trace)
    }
  }
}

/// The largest element of each window, `[N, H, W, C] → [N, H′, W′, C]`.
public struct MaxPool2D: Layer {
  /// Window extents, one number or (height, width).
  public let window: [Int]
  /// Steps; the window's extents if nil.
  public let strides: [Int]?
  /// What surrounds the image; never chosen.
  public let padding: Padding2D
  /// A pool with a square window.
  public init(_ window: Int, strides: [Int]? = nil, padding: Padding2D = .valid) {
    self.window = [window]
    self.strides = strides
    self.padding = padding
  }
  /// The pooled images.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    maxPool2d(x, window: window, strides: strides, padding: padding)
  }
}

/// The mean of each window, `[N, H, W, C] → [N, H′, W′, C]`.
public struct AveragePool2D: Layer {
  /// Window extents, one number or (height, width).
  public let window: [Int]
  /// Steps; the window's extents if nil.
  public let strides: [Int]?
  /// What surrounds the image; counted as zeros.
  public let padding: Padding2D
  /// A pool with a square window.
  public init(_ window: Int, strides: [Int]? = nil, padding: Padding2D = .valid) {
    self.window = [window]
    self.strides = strides
    self.padding = padding
  }
  /// The pooled images.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    averagePool2d(x, window: window, strides: strides, padding: padding)
  }
}
