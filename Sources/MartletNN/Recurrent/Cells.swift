// The recurrent layers: simple, gated recurrent unit, long short-term memory.

import MartletExecution
import MartletIR
import MartletOps

/// A simple recurrent net, `h ← f(x · W + b + h · U + c)` with tanh or ReLU (Elman 1990).
///
/// As `torch.nn.RNN`; weights are [in, out].
public struct SimpleRNN: RecurrentLayer, RecurrentCell {
  /// What follows the sum.
  public enum Nonlinearity: Hashable, Sendable {
    /// tanh
    case tanh
    /// max(0, ·)
    case relu
  }
  /// W: [I, H]
  public let inputWeight: Parameter
  /// U: [H, H]
  public let hiddenWeight: Parameter
  /// b: [H]
  public let inputBias: Parameter
  /// c: [H]
  public let hiddenBias: Parameter
  /// The function f.
  public let nonlinearity: Nonlinearity

  /// A net of `hidden` units over inputs of `inputs` elements.
  public init(_ inputs: Int, _ hidden: Int, nonlinearity: Nonlinearity = .tanh) {
    let initial = recurrentInitializer(hidden)
    inputWeight = Parameter([inputs, hidden], initializer: initial)
    hiddenWeight = Parameter([hidden, hidden], initializer: initial)
    inputBias = Parameter([hidden], initializer: initial)
    hiddenBias = Parameter([hidden], initializer: initial)
    self.nonlinearity = nonlinearity
  }

  /// H
  public var outputSize: Int { hiddenWeight.shape[1] }
  /// h
  public var stateSizes: [Int] { [outputSize] }

  func project(_ x: Tensor) -> Tensor {
    let trace = x.trace
    // The sum of the biases first: one pass over the shares of all steps less.
    return matmul(x, inputWeight.tensor(in: trace))
      + (inputBias.tensor(in: trace) + hiddenBias.tensor(in: trace))
  }

  func advance(_ projected: Tensor, _ state: [Tensor]) -> [Tensor] {
    let sum = matmul(state[0], hiddenWeight.tensor(in: projected.trace)) + projected
    return [nonlinearity == .tanh ? tanh(sum) : relu(sum)]
  }
}

/// A gated recurrent unit (Cho et al., arXiv:1406.1078).
///
///     r = σ(x · Wr + br + h · Ur + cr)         reset
///     z = σ(x · Wz + bz + h · Uz + cz)         update
///     n = tanh(x · Wn + bn + r ∘ (h · Un + cn))     or, with `resetBefore`, + (r ∘ h) · Un + cn
///     h ← (1 − z) ∘ n + z ∘ h
///
/// Gates stand in the order r, z, n along the last axis of weights and biases, as in `torch.nn.GRU`.
public struct GRU: RecurrentLayer, RecurrentCell {
  /// Where the reset gate works: the two published conventions.
  public enum Reset: Hashable, Sendable {
    /// On the product with the hidden state: PyTorch, cuDNN, Keras' `reset_after`.
    case afterProduct
    /// On the hidden state in front of the product: Cho et al. 2014.
    case beforeProduct
  }
  /// W: [I, 3 H]
  public let inputWeight: Parameter
  /// U: [H, 3 H]
  public let hiddenWeight: Parameter
  /// b: [3 H]
  public let inputBias: Parameter
  /// c: [3 H]
  public let hiddenBias: Parameter
  /// The convention of the reset gate.
  public let reset: Reset

  /// A net of `hidden` units over inputs of `inputs` elements.
  public init(_ inputs: Int, _ hidden: Int, reset: Reset = .afterProduct) {
    let initial = recurrentInitializer(hidden)
    inputWeight = Parameter([inputs, 3 * hidden], initializer: initial)
    hiddenWeight = Parameter([hidden, 3 * hidden], initializer: initial)
    inputBias = Parameter([3 * hidden], initializer: initial)
    hiddenBias = Parameter([3 * hidden], initializer: initial)
    self.reset = reset
  }

  /// H
  public var outputSize: Int { hiddenWeight.shape[0] }
  /// h
  public var stateSizes: [Int] { [outputSize] }

  func project(_ x: Tensor) -> Tensor {
    matmul(x, inputWeight.tensor(in: x.trace)) + inputBias.tensor(in: x.trace)
  }

  func advance(_ projected: Tensor, _ state: [Tensor]) -> [Tensor] {
    let h = state[0]
    let weight = hiddenWeight.tensor(in: h.trace)
    let bias = hiddenBias.tensor(in: h.trace)
    let hidden = outputSize
    let r: Tensor
    let z: Tensor
    let n: Tensor
    switch reset {
    case .afterProduct:
      let share = matmul(h, weight) + bias
      r = logistic(projected.gate(0, of: 3) + share.gate(0, of: 3))
      z = logistic(projected.gate(1, of: 3) + share.gate(1, of: 3))
      n = tanh(projected.gate(2, of: 3) + r * share.gate(2, of: 3))
    case .beforeProduct:
      let share =
        matmul(h, weight.sliced(0..<(2 * hidden), axis: 1)) + bias.sliced(0..<(2 * hidden), axis: 0)
      r = logistic(projected.gate(0, of: 3) + share.gate(0, of: 2))
      z = logistic(projected.gate(1, of: 3) + share.gate(1, of: 2))
      n = tanh(
        projected.gate(2, of: 3) + matmul(r * h, weight.gate(2, of: 3)) + bias.gate(2, of: 3))
    }
    return [(1 - z) * n + z * h]
  }
}

/// Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000).
///
///     i, f, g, o = x · W + b + h · U + c        four gates of H along the last axis
///     c ← σ(f) ∘ c + σ(i) ∘ tanh(g)
///     h ← σ(o) ∘ tanh(c)                         with a projection: (σ(o) ∘ tanh(c)) · P
///
/// Gates stand in the order i, f, g, o, as in `torch.nn.LSTM`. The state is h, then c.
public struct LSTM: RecurrentLayer, RecurrentCell {
  /// W: [I, 4 H]
  public let inputWeight: Parameter
  /// U: [H, 4 H], or [P, 4 H] with a projection.
  public let hiddenWeight: Parameter
  /// b: [4 H]
  public let inputBias: Parameter
  /// c: [4 H]
  public let hiddenBias: Parameter
  /// [3 H]: what the gates i and f see of the old c, and o of the new one; nil without peepholes.
  public let peephole: Parameter?
  /// P: [H, P], or nil.
  public let projection: Parameter?
  /// Added to the forget gate's sum.
  public let forgetBias: Double

  /// A net of `hidden` units over inputs of `inputs` elements.
  ///
  /// `forgetBias` is added to the forget gate's sum (1: remember at first; Jozefowicz et al. 2015).
  /// `peephole` lets gates see the cell (Gers and Schmidhuber 2000). `projection` gives outputs of
  /// that many elements (Sak et al., arXiv:1402.1128).
  public init(
    _ inputs: Int, _ hidden: Int, forgetBias: Double = 0, peephole: Bool = false,
    projection: Int? = nil
  ) {
    let initial = recurrentInitializer(hidden)
    inputWeight = Parameter([inputs, 4 * hidden], initializer: initial)
    hiddenWeight = Parameter([projection ?? hidden, 4 * hidden], initializer: initial)
    inputBias = Parameter([4 * hidden], initializer: initial)
    hiddenBias = Parameter([4 * hidden], initializer: initial)
    self.peephole = peephole ? Parameter([3 * hidden], initializer: initial) : nil
    self.projection = projection.map { Parameter([hidden, $0], initializer: initial) }
    self.forgetBias = forgetBias
  }

  /// H, or P with a projection.
  public var outputSize: Int { hiddenWeight.shape[0] }
  /// h and c
  public var stateSizes: [Int] { [outputSize, hiddenWeight.shape[1] / 4] }

  func project(_ x: Tensor) -> Tensor {
    let trace = x.trace
    // The sum of the biases first: one pass over the shares of all steps less.
    return matmul(x, inputWeight.tensor(in: trace))
      + (inputBias.tensor(in: trace) + hiddenBias.tensor(in: trace))
  }

  func advance(_ projected: Tensor, _ state: [Tensor]) -> [Tensor] {
    let trace = projected.trace
    let (h, c) = (state[0], state[1])
    let sum = matmul(h, hiddenWeight.tensor(in: trace)) + projected
    var (i, f, o) = (sum.gate(0, of: 4), sum.gate(1, of: 4), sum.gate(3, of: 4))
    if forgetBias != 0 { f = f + forgetBias }
    let seen = peephole?.tensor(in: trace)
    if let seen {
      i = i + c * seen.gate(0, of: 3)
      f = f + c * seen.gate(1, of: 3)
    }
    let cell = logistic(f) * c + logistic(i) * tanh(sum.gate(2, of: 4))
    if let seen { o = o + cell * seen.gate(2, of: 3) }
    let output = logistic(o) * tanh(cell)
    return [projection.map { matmul(output, $0.tensor(in: trace)) } ?? output, cell]
  }
}
