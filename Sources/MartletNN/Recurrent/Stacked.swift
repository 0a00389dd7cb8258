// Recurrent layers from recurrent layers: both directions, several floors, halved rates.

import MartletExecution
import MartletIR
import MartletOps

/// Two layers over one sequence, one forwards and one backwards in time, their outputs side by side:
/// `[T, B, I] → [T, B, 2 H]` (Schuster and Paliwal 1997).
///
/// The state is the forward layer's, then the backward layer's. A state from an earlier call is of
/// use to the forward layer alone.
public struct Bidirectional<Forward: RecurrentLayer, Backward: RecurrentLayer>: RecurrentLayer {
  /// Runs from the first step to the last.
  public let forward: Forward
  /// Runs from the last step (of each sample) to the first.
  public let backward: Backward
  /// Both directions.
  public init(_ forward: Forward, _ backward: Backward) {
    self.forward = forward
    self.backward = backward
  }

  /// Both layers' together.
  public var outputSize: Int { forward.outputSize + backward.outputSize }
  /// The forward layer's, then the backward layer's.
  public var stateSizes: [Int] { forward.stateSizes + backward.stateSizes }

  /// Both layers over a sequence.
  public func run(
    _ x: Tensor, state: [Tensor]?, lengths: Tensor?, reversed: Bool
  ) -> RecurrentOutput {
    let split = forward.stateSizes.count
    let there = forward.run(
      x, state: state.map { Array($0.prefix(split)) }, lengths: lengths, reversed: reversed)
    let back = backward.run(
      x, state: state.map { Array($0.dropFirst(split)) }, lengths: lengths, reversed: !reversed)
    return RecurrentOutput(
      sequence: concatenate([there.sequence, back.sequence], axis: -1),
      state: there.state + back.state)
  }
}

/// Recurrent layers one upon the other, with dropout between them while training.
///
/// With `halvesRate` each layer but the first gets pairs of neighbouring steps side by side, and so
/// runs over half as many (an odd last step is left out): the pyramid of Chan et al.,
/// arXiv:1508.01211.
public struct StackedRecurrent: RecurrentLayer {
  /// From the inputs up.
  public let layers: [any RecurrentLayer]
  /// The rate of the dropout between two layers.
  public let dropoutRate: Double
  /// Whether each layer but the first runs at half the rate of the one below.
  public let halvesRate: Bool

  /// Layers from the inputs up.
  public init(
    _ layers: [any RecurrentLayer], dropout: Double = 0, halvesRate: Bool = false
  ) {
    self.layers = layers
    dropoutRate = dropout
    self.halvesRate = halvesRate
  }

  /// The last layer's.
  public var outputSize: Int { layers.last?.outputSize ?? 0 }
  /// All layers', from the inputs up.
  public var stateSizes: [Int] { layers.flatMap(\.stateSizes) }

  /// All layers over a sequence.
  public func run(
    _ x: Tensor, state: [Tensor]?, lengths: Tensor?, reversed: Bool
  ) -> RecurrentOutput {
    var sequence = x
    var lengths = lengths
    var rest = state.map { $0[...] }
    var last: [Tensor] = []
    for (index, layer) in layers.enumerated() {
      if index > 0 {
        if dropoutRate > 0 { sequence = dropout(sequence, rate: dropoutRate) }
        if halvesRate {
          sequence = pairedSteps(sequence)
          lengths = lengths.map { $0 / 2 }
        }
      }
      let own = rest.map { Array($0.prefix(layer.stateSizes.count)) }
      rest = rest?.dropFirst(layer.stateSizes.count)
      let made = layer.run(sequence, state: own, lengths: lengths, reversed: reversed)
      sequence = made.sequence
      last += made.state
    }
    return RecurrentOutput(sequence: sequence, state: last)
  }
}

/// Pairs of neighbouring steps side by side, `[T, B, H] → [T/2, B, 2 H]`; an odd last step is left out.
///
/// Refused when there are fewer than two steps.
public func pairedSteps(
  _ x: Tensor, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  composite(x, file, line) {
    guard x.rank == 3, x.shape[0] > 1 else {
      return refuse(
        "pairedSteps", "takes [T, B, H] with at least two steps, got \(x.type)", x,
        at: x.trace.place)
    }
    let (half, batch, size) = (x.shape[0] / 2, x.shape[1], x.shape[2])
    return x.sliced(0..<(2 * half), axis: 0).reshaped([half, 2, batch, size])
      .transposed([0, 2, 1, 3]).reshaped([half, batch, 2 * size])
  }
}
