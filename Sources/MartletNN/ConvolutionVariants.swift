// Convolution layers over sequences and volumes, transposed and depthwise ones.

import MartletExecution
import MartletIR
import MartletOps

/// A filter and, unless told otherwise, a bias, with PyTorch's initial values: what these layers share.
private func filterAndBias(
  _ shape: Shape, outputs: Int, _ bias: Bool, _ initializer: Initializer
) -> (weight: Parameter, bias: Parameter?) {
  let fan = shape.dimensions.dropLast().reduce(1.0) { $0 * Double($1) }
  let bound = 1 / max(1, fan).squareRoot()
  return (
    Parameter(shape, initializer: initializer),
    bias ? Parameter([outputs], initializer: .uniform(-bound, bound)) : nil
  )
}

extension Layer {
  /// `make` in the layer's scope, plus the bias.
  fileprivate func applied(
    _ x: Tensor, _ weight: Parameter, _ bias: Parameter?, _ name: String,
    _ make: (_ weight: Tensor) -> Tensor
  ) -> Tensor {
    x.trace.scoped(scopeName(weight, name)) {
      let y = make(weight.tensor(in: x.trace))
      guard let bias else { return y }
      return y + bias.tensor(in: x.trace)
    }
  }
}

/// A convolution of sequences, `[N, W, in] → [N, W′, out]`.
///
/// `weight` is [kernel, in / groups, out], `bias` [out].
public struct Conv1D: Layer {
  /// [kernel, in / groups, out]
  public let weight: Parameter
  /// [out], or nil without bias.
  public let bias: Parameter?
  /// The step of the window.
  public let stride: Int
  /// What surrounds the sequence.
  public let padding: SpatialPadding
  /// The step inside of the window.
  public let dilation: Int
  /// Groups of channels that do not see each other.
  public let groups: Int

  /// A convolution from its sizes.
  public init(
    _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, padding: SpatialPadding = .valid,
    dilation: Int = 1, groups: Int = 1, bias: Bool = true,
    initializer: Initializer = .torchUniform
  ) {
    (weight, self.bias) = filterAndBias(
      [kernel, inputs / max(1, groups), outputs], outputs: outputs, bias, initializer)
    self.stride = stride
    self.padding = padding
    self.dilation = dilation
    self.groups = groups
  }

  /// The convolved sequences.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    applied(x, weight, bias, "Conv1D") {
      conv1d(x, $0, stride: stride, padding: padding, dilation: dilation, groups: groups)
    }
  }
}

/// A convolution of volumes, `[N, D, H, W, in] → [N, D′, H′, W′, out]`.
///
/// `weight` is [kernel, kernel, kernel, in / groups, out], `bias` [out].
public struct Conv3D: Layer {
  /// [kernel depth, kernel height, kernel width, in / groups, out]
  public let weight: Parameter
  /// [out], or nil without bias.
  public let bias: Parameter?
  /// One number or (depth, height, width).
  public let strides: [Int]
  /// What surrounds the volume.
  public let padding: SpatialPadding
  /// One number or (depth, height, width).
  public let dilations: [Int]
  /// Groups of channels that do not see each other.
  public let groups: Int

  /// A convolution from its sizes.
  public init(
    _ inputs: Int, _ outputs: Int, kernel: Int, strides: [Int] = [1],
    padding: SpatialPadding = .valid, dilations: [Int] = [1], groups: Int = 1, bias: Bool = true,
    initializer: Initializer = .torchUniform
  ) {
    (weight, self.bias) = filterAndBias(
      [kernel, kernel, kernel, inputs / max(1, groups), outputs], outputs: outputs, bias,
      initializer)
    self.strides = strides
    self.padding = padding
    self.dilations = dilations
    self.groups = groups
  }

  /// The convolved volumes.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    applied(x, weight, bias, "Conv3D") {
      conv3d(
        x, $0, strides: strides, padding: padding, dilations: dilations, groups: groups)
    }
  }
}

/// A transposed convolution of images, which enlarges them: `[N, H, W, in] → [N, H′, W′, out]`.
///
/// `weight` is [kernel, kernel, out / groups, in], `bias` [out].
public struct ConvTranspose2D: Layer {
  /// [kernel height, kernel width, out / groups, in]
  public let weight: Parameter
  /// [out], or nil without bias.
  public let bias: Parameter?
  /// One number or (height, width).
  public let strides: [Int]
  /// What the corresponding convolution has around its input: it is cut off the result.
  public let padding: Padding2D
  /// Rows and columns added to the result at the end.
  public let outputPadding: [Int]
  /// One number or (height, width).
  public let dilations: [Int]
  /// Groups of channels that do not see each other.
  public let groups: Int

  /// A transposed convolution from its sizes.
  public init(
    _ inputs: Int, _ outputs: Int, kernel: Int, strides: [Int] = [1],
    padding: Padding2D = .valid, outputPadding: [Int] = [0], dilations: [Int] = [1],
    groups: Int = 1, bias: Bool = true, initializer: Initializer = .torchUniform
  ) {
    (weight, self.bias) = filterAndBias(
      [kernel, kernel, outputs / max(1, groups), inputs], outputs: outputs, bias, initializer)
    self.strides = strides
    self.padding = padding
    self.outputPadding = outputPadding
    self.dilations = dilations
    self.groups = groups
  }

  /// The enlarged images.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    applied(x, weight, bias, "ConvTranspose2D") {
      conv2dTransposed(
        x, $0, strides: strides, padding: padding, outputPadding: outputPadding,
        dilations: dilations, groups: groups)
    }
  }
}

/// A transposed convolution of sequences, which lengthens them: `[N, W, in] → [N, W′, out]`.
///
/// `weight` is [kernel, out / groups, in], `bias` [out].
public struct ConvTranspose1D: Layer {
  /// [kernel, out / groups, in]
  public let weight: Parameter
  /// [out], or nil without bias.
  public let bias: Parameter?
  /// The step of the window in the result.
  public let stride: Int
  /// What the corresponding convolution has around its input: it is cut off the result.
  public let padding: SpatialPadding
  /// Elements added to the result at the end.
  public let outputPadding: Int
  /// The step inside of the window.
  public let dilation: Int
  /// Groups of channels that do not see each other.
  public let groups: Int

  /// A transposed convolution from its sizes.
  public init(
    _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, padding: SpatialPadding = .valid,
    outputPadding: Int = 0, dilation: Int = 1, groups: Int = 1, bias: Bool = true,
    initializer: Initializer = .torchUniform
  ) {
    (weight, self.bias) = filterAndBias(
      [kernel, outputs / max(1, groups), inputs], outputs: outputs, bias, initializer)
    self.stride = stride
    self.padding = padding
    self.outputPadding = outputPadding
    self.dilation = dilation
    self.groups = groups
  }

  /// The lengthened sequences.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    applied(x, weight, bias, "ConvTranspose1D") {
      conv1dTransposed(
        x, $0, stride: stride, padding: padding, outputPadding: outputPadding, dilation: dilation,
        groups: groups)
    }
  }
}

/// A transposed convolution of volumes, which enlarges them:
/// `[N, D, H, W, in] → [N, D′, H′, W′, out]`.
///
/// `weight` is [kernel, kernel, kernel, out / groups, in], `bias` [out].
public struct ConvTranspose3D: Layer {
  /// [kernel depth, kernel height, kernel width, out / groups, in]
  public let weight: Parameter
  /// [out], or nil without bias.
  public let bias: Parameter?
  /// One number or (depth, height, width).
  public let strides: [Int]
  /// What the corresponding convolution has around its input: it is cut off the result.
  public let padding: SpatialPadding
  /// Planes, rows and columns added to the result at the end.
  public let outputPadding: [Int]
  /// One number or (depth, height, width).
  public let dilations: [Int]
  /// Groups of channels that do not see each other.
  public let groups: Int

  /// A transposed convolution from its sizes.
  public init(
    _ inputs: Int, _ outputs: Int, kernel: Int, strides: [Int] = [1],
    padding: SpatialPadding = .valid, outputPadding: [Int] = [0], dilations: [Int] = [1],
    groups: Int = 1, bias: Bool = true, initializer: Initializer = .torchUniform
  ) {
    (weight, self.bias) = filterAndBias(
      [kernel, kernel, kernel, outputs / max(1, groups), inputs], outputs: outputs, bias,
      initializer)
    self.strides = strides
    self.padding = padding
    self.outputPadding = outputPadding
    self.dilations = dilations
    self.groups = groups
  }

  /// The enlarged volumes.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    applied(x, weight, bias, "ConvTranspose3D") {
      conv3dTransposed(
        x, $0, strides: strides, padding: padding, outputPadding: outputPadding,
        dilations: dilations, groups: groups)
    }
  }
}

/// A convolution of each channel by itself, `[N, H, W, C] → [N, H′, W′, C · multiplier]`.
///
/// `weight` is [kernel, kernel, 1, C · multiplier], as of a ``Conv2D`` in C groups; `bias` [C ·
/// multiplier].
public struct DepthwiseConv2D: Layer {
  /// [kernel height, kernel width, 1, C · multiplier]
  public let weight: Parameter
  /// [C · multiplier], or nil without bias.
  public let bias: Parameter?
  /// One number or (height, width).
  public let strides: [Int]
  /// What surrounds the image.
  public let padding: Padding2D
  /// One number or (height, width).
  public let dilations: [Int]

  /// A depthwise convolution of `channels` channels.
  public init(
    _ channels: Int, multiplier: Int = 1, kernel: Int, strides: [Int] = [1],
    padding: Padding2D = .valid, dilations: [Int] = [1], bias: Bool = true,
    initializer: Initializer = .torchUniform
  ) {
    let outputs = channels &* multiplier
    (weight, self.bias) = filterAndBias(
      [kernel, kernel, 1, outputs], outputs: outputs, bias, initializer)
    self.strides = strides
    self.padding = padding
    self.dilations = dilations
  }

  /// The convolved images.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    applied(x, weight, bias, "DepthwiseConv2D") {
      conv2d(
        x, $0, strides: strides, padding: padding, dilations: dilations,
        groups: x.rank == 4 ? x.shape[3] : 1)
    }
  }
}

/// A depthwise convolution, then a 1×1 convolution: `[N, H, W, in] → [N, H′, W′, out]` with far fewer
/// weights than a full one. Chollet, arXiv:1610.02357.
public struct SeparableConv2D: Layer {
  /// Each channel by itself.
  public let depthwise: DepthwiseConv2D
  /// Across the channels.
  public let pointwise: Conv2D

  /// A separable convolution from its sizes.
  public init(
    _ inputs: Int, _ outputs: Int, kernel: Int, multiplier: Int = 1, strides: [Int] = [1],
    padding: Padding2D = .valid, bias: Bool = true, initializer: Initializer = .torchUniform
  ) {
    depthwise = DepthwiseConv2D(
      inputs, multiplier: multiplier, kernel: kernel, strides: strides, padding: padding,
      bias: false, initializer: initializer)
    pointwise = Conv2D(
      inputs &* multiplier, outputs, kernel: 1, bias: bias, initializer: initializer)
  }

  /// The convolved images.
  public func callAsFunction(_ x: Tensor) -> Tensor { pointwise(depthwise(x)) }
}

/// The largest element of each window of sequences, `[N, W, C] → [N, W′, C]`.
public struct MaxPool1D: Layer {
  /// The window's extent.
  public let window: Int
  /// Its step; the extent if nil.
  public let stride: Int?
  /// What surrounds the sequence; never chosen.
  public let padding: SpatialPadding
  /// A pool.
  public init(_ window: Int, stride: Int? = nil, padding: SpatialPadding = .valid) {
    self.window = window
    self.stride = stride
    self.padding = padding
  }
  /// The pooled sequences.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    maxPool1d(x, window: window, stride: stride, padding: padding)
  }
}

/// The mean of each window of sequences, `[N, W, C] → [N, W′, C]`.
public struct AveragePool1D: Layer {
  /// The window's extent.
  public let window: Int
  /// Its step; the extent if nil.
  public let stride: Int?
  /// What surrounds the sequence; counted as zeros.
  public let padding: SpatialPadding
  /// A pool.
  public init(_ window: Int, stride: Int? = nil, padding: SpatialPadding = .valid) {
    self.window = window
    self.stride = stride
    self.padding = padding
  }
  /// The pooled sequences.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    averagePool1d(x, window: window, stride: stride, padding: padding)
  }
}
