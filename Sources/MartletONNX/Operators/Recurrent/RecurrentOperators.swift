// Recurrent networks. Specifications: https://onnx.ai/onnx/operators/onnx__NAME.html

import MartletIR
import MartletOps

let recurrentOperators: [OperatorEntry] = [
  OperatorEntry(RNN.self), OperatorEntry(GRU.self), OperatorEntry(LSTM.self),
]

extension NodeContext {
  /// A loop over sequences, `[T, …]`; one of one step is no loop.
  func steps(
    over xs: [Tensor], carrying initial: [Tensor], reversed: Bool = false,
    _ body: ([Tensor], [Tensor]) -> (carry: [Tensor], outputs: [Tensor])
  ) throws -> (carry: [Tensor], outputs: [Tensor]) {
    guard let length = xs.first?.shape[0], length == 1 else {
      let all = scan(over: xs, carrying: initial, reversed: reversed, body)
      guard all.carry.count == initial.count, !all.outputs.isEmpty else {
        throw invalid("the sequences of a loop do not fit")
      }
      return all
    }
    let (carry, outputs) = body(
      initial, xs.map { $0.reshaped(Shape(Array($0.shape.dimensions.dropFirst()))) })
    return (carry, outputs.map { $0.reshaped(Shape([1] + $0.shape.dimensions)) })
  }
}

/// What the recurrent operators share: their inputs, and the walk over time and directions.
struct Recurrence {
  /// One direction's weights, with the axis of directions gone.
  struct Direction {
    let index: Int
    let isReversed: Bool
    /// `[hidden, gates · hidden]`
    let recurrent: Tensor
    /// `[2, gates · hidden]`: of the input, of the recurrence.
    let bias: Tensor?
    /// What the input gives all gates, `[T, B, gates · hidden]`, without biases.
    let input: Tensor
  }
  let node: NodeContext
  let gates: Int
  let hidden: Int
  let directions: Int
  let isBatchFirst: Bool
  /// `[T, B, I]`
  let x: Tensor
  /// Lengths of the sequences, `[B, 1]`.
  let lengths: Tensor?
  let activations: [Activation]
  private let clip: Double?

  init(_ node: NodeContext, gates: Int, activations defaults: [String]) throws {
    self.node = node
    self.gates = gates
    isBatchFirst = try node.bool("layout")
    let input = try node.tensor(0)
    let (w, r) = (try node.tensor(1), try node.tensor(2))
    guard input.rank == 3, w.rank == 3, r.rank == 3, input.dtype.isFloatingPoint else {
      throw node.invalid("inputs of \(input.type), \(w.type), \(r.type)")
    }
    x = isBatchFirst ? input.transposed([1, 0, 2]) : input
    hidden = r.shape[2]
    guard r.count > 0, w.count > 0 else { throw node.unsupported("networks of no elements") }
    switch try node.string("direction", default: "forward") {
    case "forward", "reverse": directions = 1
    case "bidirectional": directions = 2
    case let other: throw node.invalid("the direction '\(printable(other))'")
    }
    guard w.shape == [directions, gates * hidden, x.shape[2]],
      r.shape == [directions, gates * hidden, hidden],
      try node.int("hidden_size", default: hidden) == hidden
    else { throw node.invalid("weights \(w.type) and \(r.type) for \(input.type)") }
    guard x.shape[0] > 0 else { throw node.unsupported("sequences of no steps") }
    if let given = try node.optionalTensor(4) {
      guard given.shape == [x.shape[1]] else { throw node.invalid("lengths of \(given.type)") }
      lengths = given.converted(to: .int32).reshaped([x.shape[1], 1])
    } else {
      lengths = nil
    }
    clip = try node.float("clip")
    activations = try Activation.read(node, defaults, directions: directions)
  }

  func direction(_ index: Int) throws -> Direction {
    func part(_ input: Int) throws -> Tensor? {
      guard let v = try node.optionalTensor(input) else { return nil }
      guard v.rank > 1, v.shape[0] == directions else {
        throw node.invalid("input \(input) is \(v.type) for \(directions) directions")
      }
      return v.sliced(index..<(index + 1), axis: 0)
        .reshaped(Shape(Array(v.shape.dimensions.dropFirst())))
    }
    guard let w = try part(1), let r = try part(2) else { throw node.invalid("without weights") }
    let bias = try part(3)
    if let bias, bias.shape != [2 * gates * hidden] {
      throw node.invalid("biases of \(bias.type) for \(gates) gates of \(hidden)")
    }
    return Direction(
      index: index,
      isReversed: try index == 1 || node.string("direction") == "reverse",
      recurrent: r.transposed([1, 0]), bias: bias?.reshaped([2, gates * hidden]),
      input: matmul(x, w.transposed([1, 0])))
  }

  /// The state in front of the first step, `[B, hidden]`.
  func initial(_ input: Int, _ direction: Int) throws -> Tensor {
    let shape: Shape = [x.shape[1], hidden]
    guard var state = try node.optionalTensor(input) else {
      return node.literal(HostArray(splat: 0, TensorType(x.dtype, shape)))
    }
    guard state.rank == 3 else { throw node.invalid("input \(input) is \(state.type)") }
    if isBatchFirst { state = state.transposed([1, 0, 2]) }
    guard state.shape == [directions, x.shape[1], hidden] else {
      throw node.invalid("input \(input) is \(state.type) for states \(shape)")
    }
    return state.sliced(direction..<(direction + 1), axis: 0).reshaped(shape)
  }

  /// Peepholes, `[count, hidden]`.
  func peepholes(_ input: Int, _ direction: Int, count: Int) throws -> Tensor? {
    guard let p = try node.optionalTensor(input) else { return nil }
    guard p.shape == [directions, count * hidden] else {
      throw node.invalid("input \(input) is \(p.type)")
    }
    return p.sliced(direction..<(direction + 1), axis: 0).reshaped([count, hidden])
  }

  /// Gate `index` of `[…, gates · hidden]`.
  func gate(_ index: Int, _ all: Tensor) -> Tensor {
    all.sliced((index * hidden)..<((index + 1) * hidden), axis: all.rank - 1)
  }

  /// An activation of a direction; its argument is clipped where the node says so.
  func activate(
    _ index: Int, _ direction: Direction, _ x: Tensor, clips: Bool = true
  ) -> Tensor {
    let perDirection = activations.count / directions
    let clipped = clip.flatMap { clips ? x.clipped(low: -$0, high: $0) : nil } ?? x
    return activations[direction.index * perDirection + index].apply(clipped)
  }

  /// Runs a direction over time: `step` takes the states and the input's part and gives the next
  /// states, of which the first is the output. Beyond a sequence's length states stay and outputs are 0.
  func run(
    _ direction: Direction, _ states: [Tensor], _ step: ([Tensor], Tensor) -> [Tensor]
  ) throws -> (output: Tensor, last: [Tensor]) {
    var xs = [direction.input]
    if lengths != nil {
      xs.append(node.trace.iota(TensorType(.int32, [x.shape[0], 1, 1]), axis: 0))
    }
    let (last, outputs) = try node.steps(
      over: xs, carrying: states, reversed: direction.isReversed
    ) { carry, now in
      let next = step(carry, now[0])
      guard let lengths else { return (next, [next[0]]) }
      let runs = (now[1] .< lengths).broadcasted(to: next[0].shape)
      return (zip(next, carry).map { select(runs, $0, $1) }, [select(runs, next[0], 0)])
    }
    return (outputs[0], last)
  }

  /// The operator's outputs from those of the directions: Y, then the last states.
  func outputs(_ results: [(output: Tensor, last: [Tensor])]) -> [ONNXValue] {
    let y = stack(results.map(\.output), axis: 1)  // [T, D, B, H]
    var values = [isBatchFirst ? y.transposed([2, 0, 1, 3]) : y]
    for index in results[0].last.indices {
      let state = stack(results.map { $0.last[index] }, axis: 0)  // [D, B, H]
      values.append(isBatchFirst ? state.transposed([1, 0, 2]) : state)
    }
    return values.map { .tensor($0) }
  }
}
