// Normalisation within a sample, learned rectifiers, embeddings, residual branches.

import MartletExecution
import MartletIR
import MartletOps

/// Group normalisation of `[N, …, C]` with learned scale and bias: each sample's channels in groups,
/// each with its own mean and variance (Wu and He, arXiv:1803.08494).
public struct GroupNorm: Layer {
  /// [C], ones at first.
  public let scale: Parameter
  /// [C], zeros at first.
  public let bias: Parameter
  /// Groups of channels.
  public let groups: Int
  /// ε under the root.
  public let epsilon: Double
  /// Normalisation of this many channels in groups, which must divide them.
  public init(_ channels: Int, groups: Int, epsilon: Double = 1e-5) {
    scale = Parameter([channels], initializer: .ones)
    bias = Parameter([channels], initializer: .zeros)
    self.groups = groups
    self.epsilon = epsilon
  }
  /// The normalised channels.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.trace.scoped(scopeName(scale, "GroupNorm")) {
      groupNorm(
        x, groups: groups, scale: scale.tensor(in: x.trace), bias: bias.tensor(in: x.trace),
        epsilon: epsilon)
    }
  }
}

/// Instance normalisation with a learned scale and bias, `[N, …, C] → [N, …, C]`: each channel of each
/// sample over its places (Ulyanov et al., arXiv:1607.08022).
public struct InstanceNorm: Layer {
  /// [C], ones at first.
  public let scale: Parameter
  /// [C], zeros at first.
  public let bias: Parameter
  /// ε under the root.
  public let epsilon: Double
  /// Normalisation of this many channels.
  public init(_ channels: Int, epsilon: Double = 1e-5) {
    scale = Parameter([channels], initializer: .ones)
    bias = Parameter([channels], initializer: .zeros)
    self.epsilon = epsilon
  }
  /// The normalised channels.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.trace.scoped(scopeName(scale, "InstanceNorm")) {
      instanceNorm(
        x, scale: scale.tensor(in: x.trace), bias: bias.tensor(in: x.trace), epsilon: epsilon)
    }
  }
}

/// Root-mean-square normalisation over the last axis with a learned scale, `[…, C] → […, C]` (Zhang and
/// Sennrich, arXiv:1910.07467).
public struct RMSNorm: Layer {
  /// [C], ones at first.
  public let scale: Parameter
  /// ε under the root.
  public let epsilon: Double
  /// Normalisation of rows of this many elements.
  public init(_ size: Int, epsilon: Double = 1e-6) {
    scale = Parameter([size], initializer: .ones)
    self.epsilon = epsilon
  }
  /// The normalised rows.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.trace.scoped(scopeName(scale, "RMSNorm")) {
      rmsNorm(x, scale: scale.tensor(in: x.trace), epsilon: epsilon)
    }
  }
}

/// A leaky rectifier whose slope is learned, one for each channel (or one for all): He et al.,
/// arXiv:1502.01852.
public struct PReLU: Layer {
  /// [C] or [1].
  public let slope: Parameter
  /// Slopes for this many channels, the last axis; 1 for one slope.
  public init(_ channels: Int = 1, initial: Double = 0.25) {
    slope = Parameter([channels], initializer: .constant(initial))
  }
  /// `x` where `x > 0`, else `slope · x`
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.trace.scoped(scopeName(slope, "PReLU")) { prelu(x, slope: slope.tensor(in: x.trace)) }
  }
}

/// A table of vectors, looked up by integer: indices `[…] → […, size]`.
///
/// Indices that are inputs of the program are checked before each step. Gradient: each cotangent row
/// is added to its vector.
///
/// With `sparse` a training step updates only the vectors that it has read, where the optimizer can
/// (``Optimizer/updatesRows``: SGD, AdaGrad, Adam, AdamW) and the table is read by lookups alone,
/// outside of loops: weights and optimizer state of the others are neither read nor written. SGD and
/// AdaGrad give the bits of the dense update. Adam's moments of a vector rest while it is not read, as
/// in `torch.optim.SparseAdam`, and weight decay pulls what is read.
public struct Embedding: Layer {
  /// [count, size], N(0, 1) at first.
  public let table: Parameter
  /// Whether a step updates the rows that it has read only.
  public let isSparse: Bool
  /// A table of `count` vectors of `size` elements.
  public init(
    _ count: Int, _ size: Int, sparse: Bool = false, initializer: Initializer = .normal()
  ) {
    table = Parameter([count, size], initializer: initializer)
    isSparse = sparse
  }
  /// The vectors at the indices.
  public func callAsFunction(_ indices: Tensor) -> Tensor {
    let trace = indices.trace
    return trace.scoped(scopeName(table, "Embedding")) {
      let rows = gather(table.tensor(in: trace), indices)
      if isSparse, trace.isTraining, trace.parent == nil {
        trace.lookups.append(TableLookup(table.variable, indices, rows))
      }
      return rows
    }
  }
}

/// A residual branch, `body(x) + shortcut(x)`; the shortcut is the identity unless one is given, which
/// must then bring `x` to the shape of the body's result (He et al., arXiv:1512.03385).
public struct Residual: Layer {
  /// The branch that learns.
  public let body: Sequential
  /// What takes the place of the identity.
  public let shortcut: Sequential?
  /// A branch around which `x` is passed.
  public init(@LayerBuilder _ body: () -> [any Layer]) {
    self.body = Sequential(body())
    shortcut = nil
  }
  /// A branch, and a projection for the shortcut.
  public init(
    @LayerBuilder _ body: () -> [any Layer], @LayerBuilder shortcut: () -> [any Layer]
  ) {
    self.body = Sequential(body())
    self.shortcut = Sequential(shortcut())
  }
  /// `body(x) + shortcut(x)`
  public func callAsFunction(_ x: Tensor) -> Tensor { body(x) + (shortcut?(x) ?? x) }
}

/// Branches beside one another, their results joined along the last axis (Szegedy et al.,
/// arXiv:1409.4842).
public struct Parallel: Layer {
  /// The branches.
  public let branches: [any Layer]
  /// Branches over one input.
  public init(@LayerBuilder _ branches: () -> [any Layer]) { self.branches = branches() }
  /// The results side by side; `x` itself when there is no branch.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    branches.isEmpty ? x : concatenate(branches.map { $0(x) }, axis: -1)
  }
}

/// The mean over all places of each channel, `[N, H, W, C] → [N, C]`.
public struct GlobalAveragePool2D: Layer {
  /// The layer; it has nothing to configure.
  public init() {}
  /// The channels' means.
  public func callAsFunction(_ x: Tensor) -> Tensor { globalAveragePool2d(x) }
}
