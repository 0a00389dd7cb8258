// What recurrent layers share: sequences, states, masks for ragged batches, the loop over time.

import MartletExecution
import MartletIR
import MartletOps

/// What a recurrent layer gives: its outputs for each step, and its state behind the last one.
public struct RecurrentOutput {
  /// [T, B, H]; zeros in padded steps.
  public let sequence: Tensor
  /// The last state, as the layer takes it for the steps that follow.
  public let state: [Tensor]
}

/// A layer over sequences with time as the leading axis, `[T, B, I] → [T, B, H]`.
///
/// Each compiles to one loop over time, forwards and backwards; the products with the inputs of all
/// steps are one in front of it.
public protocol RecurrentLayer: Layer {
  /// H, the elements of an output.
  var outputSize: Int { get }
  /// The sizes of the tensors [B, size] of the state.
  var stateSizes: [Int] { get }
  /// The layer over a sequence.
  ///
  /// `state` is what an earlier call gave (its gradient flows unless it is stopped), or nil for
  /// zeros. With `lengths` [B] (integers, at most T) the steps of a sample from its length on are
  /// padding: they leave the state as it is and give zeros, whatever the input holds there. With
  /// `reversed` time runs from the last step to the first.
  func run(_ x: Tensor, state: [Tensor]?, lengths: Tensor?, reversed: Bool) -> RecurrentOutput
}

extension RecurrentLayer {
  /// The outputs from a state of zeros.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    run(x, state: nil, lengths: nil, reversed: false).sequence
  }

  /// The layer over a sequence, forwards in time.
  public func run(
    _ x: Tensor, state: [Tensor]? = nil, lengths: Tensor? = nil
  ) -> RecurrentOutput {
    run(x, state: state, lengths: lengths, reversed: false)
  }
}

/// One cell of a recurrent net: what happens in one step.
protocol RecurrentCell: RecurrentLayer {
  /// [I, gates]
  var inputWeight: Parameter { get }
  /// The share of the inputs of all steps, [T, B, I] → [T, B, gates].
  func project(_ x: Tensor) -> Tensor
  /// The next state from the share of one step's input; its first tensor is the output.
  func advance(_ projected: Tensor, _ state: [Tensor]) -> [Tensor]
}

extension RecurrentCell {
  /// The cell over a sequence: one product for the inputs of all steps, then a loop.
  public func run(
    _ x: Tensor, state: [Tensor]?, lengths: Tensor?, reversed: Bool
  ) -> RecurrentOutput {
    x.trace.scoped(scopeName(inputWeight, "\(Self.self)")) {
      if let refused = refusal(x, state, lengths) { return refused }
      let (length, batch) = (x.shape[0], x.shape[1])
      let initial = state ?? zeroState(x, batch)
      guard let lengths else {
        let shares = projectedRows(x)
        let made = segmentedScan(
          over: [shares ?? x], carrying: initial, reversed: reversed, checkpointEvery: nil,
          file: #fileID, line: #line
        ) { carry, x, numbers in
          plainScan(
            over: [shares == nil ? project(x[0]) : x[0]], carrying: carry, reversed: reversed,
            numbers: numbers,
            file: #fileID, line: #line
          ) { carry, step in
            let next = advance(step[0], carry)
            return (next, [next[0]])
          }
        }
        return RecurrentOutput(sequence: made.outputs[0], state: made.carry)
      }
      _ = x.trace.bound(lengths, below: length + 1)
      let type = TensorType(lengths.dtype, [length, batch])
      let isStep = x.trace.iota(type, axis: 0) .< lengths.broadcasted(to: type.shape)
      // Zeros for what padding holds: a number that is none would come back in gradients.
      let clean = select(isStep.expandedDims(at: 2).broadcasted(to: x.shape), x, 0)
      let made = segmentedScan(
        over: [clean, isStep], carrying: initial, reversed: reversed, checkpointEvery: nil,
        file: #fileID, line: #line
      ) { carry, xs, numbers in
        plainScan(
          over: [project(xs[0]), xs[1]], carrying: carry, reversed: reversed, numbers: numbers,
          file: #fileID, line: #line
        ) { carry, step in
          let keeps = step[1].expandedDims(at: 1)
          let next = advance(step[0], carry)
          let kept = zip(next, carry).map { select(keeps.broadcasted(to: $0.shape), $0, $1) }
          return (kept, [select(keeps.broadcasted(to: next[0].shape), next[0], 0)])
        }
      }
      return RecurrentOutput(sequence: made.outputs[0], state: made.carry)
    }
  }

  /// The share of inputs that are looked up in a small table (an embedding of characters): the
  /// table's rows are projected, and the shares looked up. For a vocabulary of 65 and 2,048 tokens
  /// that is 65 rows instead of 2,048, forward and in both gradients; an output's bits are the same.
  ///
  /// Nil where the table is not much smaller than what is looked up, where its gradient is kept by
  /// rows, or where loops store little: then a segment's shares are made when it runs.
  private func projectedRows(_ x: Tensor) -> Tensor? {
    let trace = x.trace
    guard trace.parent == nil, !trace.checkpointsLoops, let value = x.value,
      let node = trace.graph.definition(value), let op = node.op as? Gather, op.axis == 0,
      case let table = node.operands[0], case let type = trace.graph.type(table),
      type.shape.rank == 2, type.dtype == x.dtype,
      type.shape[0] * 2 <= x.shape[0] * x.shape[1],
      !trace.lookups.contains(where: { $0.rows.value == value })
    else { return nil }
    let indices = node.operands[1]
    return record(
      op, project(Tensor(trace: trace, value: table, type: type)),
      Tensor(trace: trace, value: indices, type: trace.graph.type(indices)))
  }

  private func zeroState(_ x: Tensor, _ batch: Int) -> [Tensor] {
    stateSizes.map { x.trace.constant(0, x.dtype).broadcasted(to: [batch, $0]) }
  }

  private func refusal(
    _ x: Tensor, _ state: [Tensor]?, _ lengths: Tensor?
  ) -> RecurrentOutput? {
    let inputs = inputWeight.shape[0]
    var problem: (String, String)?
    if x.rank != 3 || x.shape[2] != inputs {
      problem = ("takes sequences [T, B, \(inputs)], got \(x.type)", "time is the leading axis")
    } else if x.shape[0] == 0 {
      problem = ("the sequence \(x.type) has no steps", "")
    } else if let state, state.map(\.shape) != stateSizes.map({ [x.shape[1], $0] }) {
      problem = (
        "the state is \(state.map(\.type.description).joined(separator: ", "))",
        "expected " + stateSizes.map { "[\(x.shape[1]),\($0)]" }.joined(separator: ", ")
      )
    } else if let lengths, lengths.shape != [x.shape[1]] || !lengths.dtype.isInteger {
      problem = ("lengths are \(lengths.type)", "expected integers [\(x.shape[1])]")
    }
    guard let problem else { return nil }
    let batch = x.rank > 1 ? x.shape[1] : 1
    let type = TensorType(x.dtype, [max(1, x.shape.dimensions.first ?? 1), batch, outputSize])
    let sequence = refuse(
      "\(Self.self)".split(separator: "<").first.map { String($0) } ?? "recurrent layer",
      problem.0, x, at: x.trace.place, hint: problem.1, type: type)
    return RecurrentOutput(
      sequence: sequence,
      state: stateSizes.map {
        Tensor(trace: x.trace, value: nil, type: TensorType(x.dtype, [batch, $0]))
      })
  }
}

extension Tensor {
  /// Part `index` of `count` equal parts of the last axis.
  func gate(_ index: Int, of count: Int) -> Tensor {
    let size = shape[rank - 1] / count
    return sliced((index * size)..<((index + 1) * size), axis: -1)
  }
}

/// PyTorch's first weights of recurrent layers: uniform on ±√(1/hidden).
func recurrentInitializer(_ hidden: Int) -> Initializer {
  let bound = 1 / Double(max(1, hidden)).squareRoot()
  return .uniform(-bound, bound)
}
