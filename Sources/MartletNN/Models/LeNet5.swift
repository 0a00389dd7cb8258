// The two models of the first demo.

import MartletExecution
import MartletIR
import MartletOps

/// LeNet-5 (LeCun et al. 1998) in today's form: ReLU, max pooling, `[N, 28, 28, 1] → [N, 10]`.
///
/// 5×5 convolution to 6 channels with padding 2, pool, 5×5 to 16, pool, dense 400 → 120 → 84 → 10:
/// 61,706 parameters.
public struct LeNet5: Layer {
  /// 1 → 6 channels.
  public let convolution1: Conv2D
  /// 6 → 16 channels.
  public let convolution2: Conv2D
  /// 400 → 120
  public let dense1: Linear
  /// 120 → 84
  public let dense2: Linear
  /// 84 → classes
  public let output: Linear

  /// A fresh model.
  public init(classes: Int = 10) {
    convolution1 = Conv2D(1, 6, kernel: 5, padding: .all(2))
    convolution2 = Conv2D(6, 16, kernel: 5)
    dense1 = Linear(400, 120)
    dense2 = Linear(120, 84)
    output = Linear(84, classes)
  }

  /// Logits.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let first = maxPool2d(relu(convolution1(x)), window: [2])
    let second = maxPool2d(relu(convolution2(first)), window: [2])
    return output(relu(dense2(relu(dense1(Flatten()(second))))))
  }
}

/// A multi-layer perceptron with ReLU between its layers; images are flattened first.
public struct MLP: Layer {
  /// The dense layers.
  public let layers: [Linear]

  /// From the sizes of input, hidden layers and output.
  public init(_ sizes: [Int]) {
    layers = zip(sizes, sizes.dropFirst()).map { Linear($0, $1) }
  }

  /// Logits.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    var y = Flatten()(x)
    for (index, layer) in layers.enumerated() {
      y = layer(y)
      if index < layers.count - 1 { y = relu(y) }
    }
    return y
  }
}
