// A recurrent net with a memory of unbounded depth: stacks that it learns to push to and to pop from.

import MartletExecution
import MartletIR
import MartletOps

/// A simple recurrent net beside differentiable stacks (Joulin and Mikolov, arXiv:1503.01007).
///
///     h ← σ(x · W + b + h · U + top · P)                    top: the topmost element of each stack
///     push, pop, keep = softmax(h · A + a)                  for each stack
///     s[0] ← push · σ(h · D + d) + pop · s[1] + keep · s[0]
///     s[i] ← push · s[i−1] + pop · s[i+1] + keep · s[i]      i > 0; below the depth: zeros
///
/// The state is h [B, H], then the stacks [B, stacks · depth], each from its top down. What is pushed
/// out at the depth is lost.
public struct StackRNN: RecurrentLayer, RecurrentCell {
  /// W: [I, H]
  public let inputWeight: Parameter
  /// U: [H, H]
  public let hiddenWeight: Parameter
  /// P: [stacks, H]
  public let stackWeight: Parameter
  /// b: [H]
  public let bias: Parameter
  /// A: [H, 3 · stacks]; all pushes, then all pops, then all keeps.
  public let actionWeight: Parameter
  /// a: [3 · stacks]
  public let actionBias: Parameter
  /// D: [H, stacks]
  public let pushWeight: Parameter
  /// d: [stacks]
  public let pushBias: Parameter
  /// The number of stacks.
  public let stacks: Int
  /// The elements that a stack holds.
  public let depth: Int

  /// A net of `hidden` units over inputs of `inputs` elements with a number of stacks.
  public init(_ inputs: Int, _ hidden: Int, stacks: Int = 1, depth: Int = 32) {
    let initial = recurrentInitializer(hidden)
    inputWeight = Parameter([inputs, hidden], initializer: initial)
    hiddenWeight = Parameter([hidden, hidden], initializer: initial)
    stackWeight = Parameter([stacks, hidden], initializer: initial)
    bias = Parameter([hidden], initializer: initial)
    actionWeight = Parameter([hidden, 3 * stacks], initializer: initial)
    actionBias = Parameter([3 * stacks], initializer: initial)
    pushWeight = Parameter([hidden, stacks], initializer: initial)
    pushBias = Parameter([stacks], initializer: initial)
    self.stacks = stacks
    self.depth = depth
  }

  /// H
  public var outputSize: Int { hiddenWeight.shape[1] }
  /// h and the stacks
  public var stateSizes: [Int] { [outputSize, stacks * depth] }

  func project(_ x: Tensor) -> Tensor {
    matmul(x, inputWeight.tensor(in: x.trace)) + bias.tensor(in: x.trace)
  }

  func advance(_ projected: Tensor, _ state: [Tensor]) -> [Tensor] {
    let trace = projected.trace
    let batch = projected.shape[0]
    let old = state[1].reshaped([batch, stacks, depth])
    let top = old.sliced(0..<1, axis: 2).reshaped([batch, stacks])
    let h = logistic(
      matmul(state[0], hiddenWeight.tensor(in: trace))
        + matmul(top, stackWeight.tensor(in: trace)) + projected)
    let scores = matmul(h, actionWeight.tensor(in: trace)) + actionBias.tensor(in: trace)
    let actions = softmax(scores.reshaped([batch, 3, stacks]), axis: 1)
    func action(_ index: Int) -> Tensor {
      actions.sliced(index..<(index + 1), axis: 1).reshaped([batch, stacks, 1])
    }
    let pushed = logistic(
      matmul(h, pushWeight.tensor(in: trace)) + pushBias.tensor(in: trace)
    ).reshaped([batch, stacks, 1])
    let zeros = trace.constant(0, h.dtype).broadcasted(to: [batch, stacks, 1])
    let below = concatenate([pushed, old.sliced(0..<(depth - 1), axis: 2)], axis: 2)
    let above = concatenate([old.sliced(1..<depth, axis: 2), zeros], axis: 2)
    let next = action(0) * below + action(1) * above + action(2) * old
    return [h, next.reshaped([batch, stacks * depth])]
  }
}
