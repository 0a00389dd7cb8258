// The residual network for small images.

import MartletExecution
import MartletIR
import MartletOps

/// A basic residual block (He et al. 2015, figure 2), `[N, H, W, in] → [N, H / s, W / s, out]`.
///
/// `relu(norm2(conv2(relu(norm1(conv1(x))))) + shortcut(x))` with 3×3 convolutions without bias. The
/// shortcut is the input itself, or, where the shape changes, a 1×1 convolution with a batch norm
/// (the paper's option B).
public struct ResidualBlock: Layer {
  /// 3×3, in → out, with the block's stride.
  public let convolution1: Conv2D
  /// Over out channels.
  public let norm1: BatchNorm
  /// 3×3, out → out.
  public let convolution2: Conv2D
  /// Over out channels.
  public let norm2: BatchNorm
  /// 1×1, in → out, with the block's stride; nil where the input itself is added.
  public let projection: Conv2D?
  /// Over out channels; nil where the input itself is added.
  public let projectionNorm: BatchNorm?

  /// A block from its channels and stride.
  public init(_ inputs: Int, _ outputs: Int, stride: Int = 1) {
    convolution1 = Conv2D(
      inputs, outputs, kernel: 3, strides: [stride], padding: .all(1), bias: false)
    norm1 = BatchNorm(outputs)
    convolution2 = Conv2D(outputs, outputs, kernel: 3, padding: .all(1), bias: false)
    norm2 = BatchNorm(outputs)
    let changesShape = stride != 1 || inputs != outputs
    projection =
      changesShape ? Conv2D(inputs, outputs, kernel: 1, strides: [stride], bias: false) : nil
    projectionNorm = changesShape ? BatchNorm(outputs) : nil
  }

  /// The block's result.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let branch = norm2(convolution2(relu(norm1(convolution1(x)))))
    guard let projection, let projectionNorm else { return relu(branch + x) }
    return relu(branch + projectionNorm(projection(x)))
  }
}

/// ResNet-20 for images of 32 × 32 (He et al. 2015, arXiv:1512.03385, section 4.2),
/// `[N, 32, 32, 3] → [N, classes]`.
///
/// A 3×3 convolution to 16 channels; three stages of three ``ResidualBlock``s with 16, 32 and 64
/// channels at 32×32, 16×16 and 8×8; the mean of each channel; a dense layer: 272,474 trainable
/// numbers with projections as shortcuts. Batch norm's mode belongs to the trace: statistics of the
/// batch while training, running ones at inference. Any image size that two strides divide will do.
public struct ResNet20: Layer {
  /// 3×3, in → width.
  public let convolution: Conv2D
  /// After the first convolution.
  public let norm: BatchNorm
  /// Nine blocks: three of `width` channels, three of twice, three of four times as many.
  public let blocks: [ResidualBlock]
  /// 4 · width → classes.
  public let output: Linear

  /// A fresh model. `width` is the channels of the first stage, 16 in the paper.
  public init(channels: Int = 3, classes: Int = 10, width: Int = 16) {
    convolution = Conv2D(channels, width, kernel: 3, padding: .all(1), bias: false)
    norm = BatchNorm(width)
    var blocks: [ResidualBlock] = []
    var inputs = width
    for stage in 0..<3 {
      let outputs = width << stage
      for index in 0..<3 {
        blocks.append(ResidualBlock(inputs, outputs, stride: stage > 0 && index == 0 ? 2 : 1))
        inputs = outputs
      }
    }
    self.blocks = blocks
    output = Linear(inputs, classes)
  }

  /// Logits.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    var y = relu(norm(convolution(x)))
    for block in blocks { y = block(y) }
    return output(globalAveragePool2d(y))
  }
}
