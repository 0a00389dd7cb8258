// Sequences of different lengths without padding: no step is computed that no sample has.

import MartletExecution
import MartletIR
import MartletOps

/// Sequences of different lengths, packed step by step, as `torch.nn.utils.rnn.pack_padded_sequence`
/// packs them: samples stand sorted by length, the longest first, and each step holds those that
/// still have one.
///
///     let packed = PackedSequence(x, lengths: [5, 2, 3])       // of [T, B, I]: [10, I]
///     let made = lstm.run(packed)
///     let y = made.sequence.padded()                           // [5, B, H], zeros behind the ends
///
/// Lengths are known when the program is compiled: other lengths are another program. For lengths that
/// are data give a layer `lengths:`; the results are the same.
public struct PackedSequence {
  /// [Σ lengths, …]: step after step.
  public let data: Tensor
  /// The number of samples in each step; it falls.
  public let batchSizes: [Int]
  /// The sample that stands at each place: longest first, equally long ones in their order.
  public let order: [Int]

  /// The steps of `[T, B, …]` that lie within the lengths.
  ///
  /// Refused unless there are B lengths from 1 to T; the error names the length.
  public init(
    _ x: Tensor, lengths: [Int], file: StaticString = #fileID, line: UInt = #line
  ) {
    let place = x.trace.location(file, line)
    var problem: String?
    if x.rank < 2 {
      problem = "takes sequences [T, B, …], got \(x.type)"
    } else if lengths.count != x.shape[1] || lengths.isEmpty {
      problem = "\(lengths.count) lengths for \(x.shape[1]) samples"
    } else if let bad = lengths.firstIndex(where: { $0 < 1 || $0 > x.shape[0] }) {
      problem = "the length \(lengths[bad]) of sample \(bad) is not in 1 … \(x.shape[0])"
    }
    if let problem {
      data = refuse(
        "packedSequence", problem, x, at: place, hint: "a sample has between one and T steps",
        type: TensorType(x.dtype, Shape([1] + x.shape.dimensions.dropFirst(2))))
      (batchSizes, order) = ([1], [0])
      return
    }
    let batch = lengths.count
    order = lengths.indices.sorted { (-lengths[$0], $0) < (-lengths[$1], $1) }
    let longest = lengths[order[0]]
    batchSizes = (0..<longest).map { t in lengths.count { $0 > t } }
    var places: [Int] = []
    for (t, count) in batchSizes.enumerated() {
      for sample in order.prefix(count) { places.append(t * batch + sample) }
    }
    let extents = Array(x.shape.dimensions.dropFirst(2))
    data = gather(
      x.reshaped(Shape([x.shape[0] * batch] + extents)), x.trace.places(places), file: file,
      line: line)
  }

  init(data: Tensor, like other: PackedSequence) {
    self.data = data
    batchSizes = other.batchSizes
    order = other.order
  }

  /// The length of each sample.
  public var lengths: [Int] {
    var lengths = [Int](repeating: 0, count: order.count)
    for (place, sample) in order.enumerated() {
      lengths[sample] = batchSizes.count { $0 > place }
    }
    return lengths
  }

  /// The sequences in the order of the samples, `[T, B, …]`, with zeros behind the ends; T is the
  /// longest's length unless a larger one is given.
  public func padded(to length: Int? = nil) -> Tensor {
    let batch = order.count
    let steps = max(batchSizes.count, length ?? 0)
    // The place behind the last element holds zeros.
    var places = [Int](repeating: data.shape[0], count: steps * batch)
    var next = 0
    for (t, count) in batchSizes.enumerated() {
      for sample in order.prefix(count) {
        places[t * batch + sample] = next
        next += 1
      }
    }
    let extents = Array(data.shape.dimensions.dropFirst())
    let zeros = data.trace.constant(0, data.dtype).broadcasted(to: Shape([1] + extents))
    return gather(concatenate([data, zeros], axis: 0), data.trace.places(places))
      .reshaped(Shape([steps, batch] + extents))
  }

  /// Runs of steps of one batch size, from the first: where they begin in `data`, how many steps.
  var segments: [(start: Int, steps: Int, batch: Int)] {
    var found: [(start: Int, steps: Int, batch: Int)] = []
    var start = 0
    for size in batchSizes {
      if found.last?.batch == size {
        found[found.count - 1].steps += 1
      } else {
        found.append((start, 1, size))
      }
      start += size
    }
    return found
  }
}

extension Trace {
  /// Row numbers as a literal.
  func places(_ places: [Int]) -> Tensor {
    constant(
      HostArray(TensorType(.int32, [places.count]), places.map { Int64($0) }))
  }
}

/// A layer that is made of several, each of which runs over packed sequences.
protocol ComposedRecurrentLayer: RecurrentLayer {
  func runPacked(
    _ x: PackedSequence, _ state: [Tensor], reversed: Bool
  ) -> (sequence: PackedSequence, state: [Tensor])
}

extension RecurrentLayer {
  /// The layer over packed sequences; states are in the order of the samples, as without packing.
  ///
  /// One loop for each different length, over the samples that are that long. The results are those
  /// of `run(_:state:lengths:)`.
  public func run(
    _ x: PackedSequence, state: [Tensor]? = nil, reversed: Bool = false
  ) -> (sequence: PackedSequence, state: [Tensor]) {
    let trace = x.data.trace
    let batch = x.order.count
    let initial =
      state
      ?? stateSizes.map { trace.constant(0, x.data.dtype).broadcasted(to: [batch, $0]) }
    if initial.map(\.shape) != stateSizes.map({ [batch, $0] }) {
      let got = initial.map(\.type.description).joined(separator: ", ")
      let expected = stateSizes.map { "[\(batch),\($0)]" }.joined(separator: ", ")
      let sequence = refuse(
        "packedSequence", "the state is \(got)", x.data, at: trace.place,
        hint: "expected \(expected)",
        type: TensorType(x.data.dtype, [x.data.shape[0], outputSize]))
      return (PackedSequence(data: sequence, like: x), initial)
    }
    var back = [Int](repeating: 0, count: batch)
    for (place, sample) in x.order.enumerated() { back[sample] = place }
    let made = runSorted(
      x, initial.map { gather($0, trace.places(x.order)) }, reversed: reversed)
    return (made.sequence, made.state.map { gather($0, trace.places(back)) })
  }

  /// The same with states in the order of the packing.
  func runSorted(
    _ x: PackedSequence, _ state: [Tensor], reversed: Bool
  ) -> (sequence: PackedSequence, state: [Tensor]) {
    if let composed = self as? any ComposedRecurrentLayer {
      return composed.runPacked(x, state, reversed: reversed)
    }
    let extents = Array(x.data.shape.dimensions.dropFirst())
    let segments = x.segments
    var outputs = [Tensor?](repeating: nil, count: segments.count)
    // Forwards, samples leave from the end of the batch; backwards, they join there.
    var running = state
    var finished = state.map { _ in [Tensor]() }
    var previous = reversed ? 0 : x.order.count
    for index in reversed ? Array(segments.indices.reversed()) : Array(segments.indices) {
      let (start, steps, batch) = segments[index]
      for k in state.indices {
        if reversed {
          let joining = state[k].sliced(previous..<batch, axis: 0)
          running[k] =
            previous == 0
            ? joining
            : batch > previous ? concatenate([running[k], joining], axis: 0) : running[k]
        } else if batch < previous {
          finished[k].insert(running[k].sliced(batch..<previous, axis: 0), at: 0)
          running[k] = running[k].sliced(0..<batch, axis: 0)
        }
      }
      previous = batch
      let part = x.data.sliced(start..<(start + steps * batch), axis: 0)
        .reshaped(Shape([steps, batch] + extents))
      let made = run(part, state: running, lengths: nil, reversed: reversed)
      running = made.state
      outputs[index] = made.sequence.reshaped([steps * batch, outputSize])
    }
    let parts = outputs.compactMap { $0 }
    let last = state.indices.map { k in
      finished[k].isEmpty
        ? running[k] : concatenate([running[k]] + finished[k], axis: 0)
    }
    return (
      PackedSequence(
        data: parts.count == 1 ? parts[0] : concatenate(parts, axis: 0), like: x), last
    )
  }
}

extension Bidirectional: ComposedRecurrentLayer {
  func runPacked(
    _ x: PackedSequence, _ state: [Tensor], reversed: Bool
  ) -> (sequence: PackedSequence, state: [Tensor]) {
    let split = forward.stateSizes.count
    let there = forward.runSorted(x, Array(state[..<split]), reversed: reversed)
    let back = backward.runSorted(x, Array(state[split...]), reversed: !reversed)
    return (
      PackedSequence(
        data: concatenate([there.sequence.data, back.sequence.data], axis: -1), like: x),
      there.state + back.state
    )
  }
}

extension StackedRecurrent: ComposedRecurrentLayer {
  func runPacked(
    _ x: PackedSequence, _ state: [Tensor], reversed: Bool
  ) -> (sequence: PackedSequence, state: [Tensor]) {
    var sequence = x
    var rest = state[...]
    var last: [Tensor] = []
    for (index, layer) in layers.enumerated() {
      if index > 0 {
        if dropoutRate > 0 {
          sequence = PackedSequence(
            data: dropout(sequence.data, rate: dropoutRate), like: sequence)
        }
        if halvesRate {
          sequence = PackedSequence(
            pairedSteps(sequence.padded()), lengths: sequence.lengths.map { $0 / 2 })
        }
      }
      let own = Array(rest.prefix(layer.stateSizes.count))
      rest = rest.dropFirst(layer.stateSizes.count)
      let made = layer.runSorted(sequence, own, reversed: reversed)
      sequence = made.sequence
      last += made.state
    }
    return (sequence, last)
  }
}
