// A part of a model that behaves as at inference while the rest is trained.

import MartletExecution
import MartletIR
import MartletOps

/// A layer in its inference form, in training too: dropout passes everything, batch norm uses its
/// running statistics and leaves them alone.
///
/// The parameters are trained all the same unless the optimizer is told to leave them:
/// `Adam().freezing(.path("trunk"))` with `let trunk: Frozen<ResNet20>`. Their paths have `layer.` in
/// them: `trunk.layer.stem.weight`.
public struct Frozen<Base: Layer>: Layer {
  /// The layer.
  public let layer: Base
  /// A layer as at inference.
  public init(_ layer: Base) { self.layer = layer }
  /// The layer's result at inference. Gradients flow through it.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let trace = x.trace
    let mode = trace.isTraining
    trace.isTraining = false
    defer { trace.isTraining = mode }
    return layer(x)
  }
}
