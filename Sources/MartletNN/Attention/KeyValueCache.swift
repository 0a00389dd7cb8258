// Keys and values of positions that were seen already: what decoding keeps from step to step.

import MartletExecution
import MartletIR
import MartletOps

/// The keys and values of a layer's attention for up to `capacity` positions, as tensors of a trace.
///
/// A program may take them as arguments and give them back, or keep them in a ``KeyValueCache``.
public struct KeyValues {
  /// `[B, G, capacity, D]`
  public let keys: Tensor
  /// `[B, G, capacity, D]`
  public let values: Tensor

  /// From two tensors of one type.
  public init(keys: Tensor, values: Tensor) {
    self.keys = keys
    self.values = values
  }

  /// Zeros for a layer: no position yet.
  public init(_ layer: MultiHeadAttention, batches: Int, capacity: Int, like x: Tensor) {
    let zero = x.trace.constant(0, x.dtype).broadcasted(
      to: [batches, layer.keyHeads, capacity, layer.headWidth])
    self.init(keys: zero, values: zero)
  }

  /// Positions that fit.
  public var capacity: Int { keys.rank == 4 ? keys.shape[2] : 0 }

  /// The position of each sample `[B]`, checked; nil after a report.
  func start(
    _ position: Tensor, batches: Int, count: Int, heads: Int, width: Int, dtype: DType
  ) -> Tensor? {
    func report(_ message: String, _ operands: [Tensor], _ hint: String? = nil) {
      guard operands.allSatisfy({ $0.value != nil }) else { return }
      position.trace.report(
        TypeError(op: "KeyValueCache", message, hint: hint), operands.map(\.type),
        at: position.trace.place)
    }
    let expected = TensorType(dtype, [batches, heads, capacity, width])
    guard keys.type == expected, values.type == expected else {
      report("takes keys and values \(expected), got \(keys.type), \(values.type)", [keys, values])
      return nil
    }
    guard count > 0, count <= capacity else {
      report(
        "\(count) new positions for a capacity of \(capacity)", [keys],
        "the capacity is the longest sequence, prompt included")
      return nil
    }
    guard position.dtype == .int32, position.shape == [] || position.shape == [batches] else {
      report("a position is i32, a scalar or [\(batches)], got \(position.type)", [position])
      return nil
    }
    _ = position.trace.bound(position, below: capacity - count + 1)
    let inside = minimum(maximum(position, 0), Double(capacity - count))
    return inside.rank == 0 ? inside.broadcasted(to: [batches]) : inside
  }

  /// With new keys and values `[B, G, N, D]` at `start …< start + N` of each sample. Where all samples
  /// start at one position the new slices alone are written, if the cache is state.
  func writing(
    _ newKeys: Tensor, _ newValues: Tensor, at start: Tensor, isShared: Bool
  ) -> KeyValues {
    let (b, count) = (newKeys.shape[0], newKeys.shape[2])
    if isShared || b == 1 {
      let first = start.sliced(0..<1, axis: 0)
      let steps = keys.trace.iota(TensorType(.int32, [count]), axis: 0)
      let places = count == 1 ? first : first + steps
      return KeyValues(
        keys: scatterSet(keys, places, newKeys, axis: 2),
        values: scatterSet(values, places, newValues, axis: 2))
    }
    let slot = keys.trace.iota(TensorType(.int32, [1, 1, capacity, 1]), axis: 2)
    let place = slot - start.reshaped([b, 1, 1, 1])
    let isNew = (place .>= 0) .& (place .< Double(count))
    func written(_ old: Tensor, _ new: Tensor) -> Tensor {
      guard count > 1 else { return select(isNew, new.broadcasted(to: old.shape), old) }
      // Position p of the sequence is slot start + p: each slot takes its own.
      let index = minimum(maximum(place, 0), Double(count - 1)).broadcasted(to: old.shape)
      return select(isNew, takeAlongAxis(new, index, axis: 2), old)
    }
    return KeyValues(keys: written(keys, newKeys), values: written(values, newValues))
  }
}

/// A layer's ``KeyValues`` as state beside the model: a step of decoding reads them and writes them
/// back, no copy leaves the state block.
public struct KeyValueCache: Sendable {
  /// `[B, G, capacity, D]`, zeros at first, not trainable.
  public let keys: Parameter
  /// `[B, G, capacity, D]`, zeros at first, not trainable.
  public let values: Parameter

  /// Room for `capacity` positions of `batches` sequences.
  public init(_ layer: MultiHeadAttention, batches: Int, capacity: Int, dtype: DType = .float32) {
    let shape: Shape = [batches, layer.keyHeads, capacity, layer.headWidth]
    keys = Parameter(shape, dtype, initializer: .zeros, trainable: false)
    values = Parameter(shape, dtype, initializer: .zeros, trainable: false)
  }

  /// What the cache holds, in the trace of another tensor.
  public func read(in x: Tensor) -> KeyValues {
    KeyValues(keys: keys.tensor(in: x.trace), values: values.tensor(in: x.trace))
  }

  /// Makes these the cache's contents when the program has run.
  public func write(_ new: KeyValues) {
    keys.assign(new.keys)
    values.assign(new.values)
  }
}
