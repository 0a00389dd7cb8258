// The elementwise and row chains of `bench --micro`: what models spend their memory bandwidth on.

import Martlet

/// One chain: a function of a few arrays that a good compiler runs in one pass over memory.
struct MicroChain {
  var name: String
  var summary: String
  /// The inputs' shapes for a number of elements in all.
  var shapes: (Int) -> [Shape]
  /// True for random draws that exist only while training.
  var isTraining = false
  var build: ([Tensor]) -> [Tensor]

  /// Elements: within the second-level cache, and far beyond the last.
  static let sizes = [1 << 16, 1 << 24]
}

extension MicroChain {
  static var all: [MicroChain] {
    [
      MicroChain(
        name: "sigmoid", summary: "σ(a·b + c)·a + ½·relu(c)", shapes: { [[$0], [$0], [$0]] }
      ) { [logistic($0[0] * $0[1] + $0[2]) * $0[0] + relu($0[2]) * 0.5] },
      MicroChain(name: "relu", summary: "relu(a·b + c)·a + c", shapes: { [[$0], [$0], [$0]] }) {
        [relu($0[0] * $0[1] + $0[2]) * $0[0] + $0[2]]
      },
      MicroChain(
        name: "adam", summary: "Adam over weights, gradient and two moments",
        shapes: { [[$0], [$0], [$0], [$0], []] }
      ) { adam($0[0], $0[1], $0[2], $0[3], step: $0[4]) },
      MicroChain(
        name: "momentum", summary: "v ← ρv + g; w ← w − ηv", shapes: { [[$0], [$0], [$0], []] }
      ) {
        let velocity = $0[2] * 0.9 + $0[1]
        return [$0[0] - $0[3] * velocity, velocity]
      },
      MicroChain(name: "gelu", summary: "½·x·(1 + erf(x/√2))", shapes: { [[$0]] }) {
        [gelu($0[0])]
      },
      MicroChain(
        name: "softmax", summary: "rows of 1,024", shapes: { [[$0 / 1024, 1024]] }
      ) { [softmax($0[0])] },
      MicroChain(
        name: "layernorm", summary: "rows of 1,024, scale and bias",
        shapes: { [[$0 / 1024, 1024], [1024], [1024]] }
      ) { [layerNorm($0[0], scale: $0[1], bias: $0[2])] },
      MicroChain(
        name: "layernorm_grad", summary: "its gradients to x, scale and bias",
        shapes: { [[$0 / 1024, 1024], [1024], [1024], [$0 / 1024, 1024]] }
      ) { x in
        let y = layerNorm(x[0], scale: x[1], bias: x[2])
        return gradients(of: (y * x[3]).sum(), wrt: [x[0], x[1], x[2]])
      },
      MicroChain(
        name: "batchnorm", summary: "64 channels, batch statistics",
        shapes: { [[$0 / 64, 64], [64], [64]] }
      ) {
        let (y, mean, variance) = batchNorm($0[0], scale: $0[1], bias: $0[2])
        return [y, mean, variance]
      },
      MicroChain(
        name: "batchnorm_grad", summary: "its gradients to x, scale and bias",
        shapes: { [[$0 / 64, 64], [64], [64], [$0 / 64, 64]] }
      ) { x in
        let (y, _, _) = batchNorm(x[0], scale: x[1], bias: x[2])
        return gradients(of: (y * x[3]).sum(), wrt: [x[0], x[1], x[2]])
      },
      MicroChain(
        name: "dropout", summary: "drop half, scale, add a residual", shapes: { [[$0], [$0]] },
        isTraining: true
      ) { [dropout($0[0], rate: 0.5) + $0[1]] },
      MicroChain(
        name: "bias_relu_mask", summary: "relu(x + bias) and dy where it is positive",
        shapes: { [[$0 / 256, 256], [256], [$0 / 256, 256]] }
      ) {
        let sum = $0[0] + $0[1]
        return [relu(sum), select(sum .> 0, $0[2], 0)]
      },
    ]
  }

  /// `Optimizer`'s rule with the moments as plain inputs and results.
  private static func adam(
    _ weights: Tensor, _ gradient: Tensor, _ first: Tensor, _ second: Tensor, step: Tensor
  ) -> [Tensor] {
    let m = first * 0.9 + gradient * 0.1
    let v = second * 0.999 + gradient * gradient * 0.001
    let scale = 1e-3 / (1 - pow(step.filled(0.9), step))
    let root = sqrt(1 - pow(step.filled(0.999), step))
    return [weights - scale * m / (sqrt(v) / root + 1e-8), m, v]
  }
}
