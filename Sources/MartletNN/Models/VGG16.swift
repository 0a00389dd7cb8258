// The deep plain convolutional network.

import MartletExecution
import MartletIR
import MartletOps

/// VGG-16 (Simonyan and Zisserman 2014, arXiv:1409.1556, configuration D),
/// `[N, 224, 224, 3] → [N, classes]`.
///
/// Thirteen 3×3 convolutions with ReLU in five stages of 64, 128, 256, 512 and 512 channels, each
/// closed by a 2×2 max pool; dense 25088 → 4096 → 4096 → 1000 with ReLU between: 138,357,544
/// parameters. The rows of the first dense weight are in the order height, width, channel. The
/// paper's dropout between the dense layers has no part in inference and is left to the caller.
public struct VGG16: Layer {
  /// 2, 2, 3, 3 and 3 convolutions.
  public let stages: [[Conv2D]]
  /// The last pool, flattened → hidden.
  public let dense1: Linear
  /// hidden → hidden
  public let dense2: Linear
  /// hidden → classes
  public let output: Linear

  /// A fresh model for square images whose size five pools divide. `width` is the channels of the
  /// first stage, 64 in the paper; `hidden` the size of the dense layers, 4096 there.
  public init(imageSize: Int = 224, classes: Int = 1000, width: Int = 64, hidden: Int = 4096) {
    var stages: [[Conv2D]] = []
    var inputs = 3
    for (stage, count) in [2, 2, 3, 3, 3].enumerated() {
      let outputs = width << min(stage, 3)
      stages.append(
        (0..<count).map { index in
          Conv2D(index == 0 ? inputs : outputs, outputs, kernel: 3, padding: .all(1))
        })
      inputs = outputs
    }
    self.stages = stages
    let side = imageSize / 32
    dense1 = Linear(inputs * side * side, hidden)
    dense2 = Linear(hidden, hidden)
    output = Linear(hidden, classes)
  }

  /// Logits.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    var y = x
    for stage in stages {
      for convolution in stage { y = relu(convolution(y)) }
      y = maxPool2d(y, window: [2])
    }
    return output(relu(dense2(relu(dense1(Flatten()(y))))))
  }
}
