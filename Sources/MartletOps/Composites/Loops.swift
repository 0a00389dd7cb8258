// Loops over time as functions of closures: the closure is traced once, into the loop's body.

import MartletIR

/// Runs `body` once for each step of sequences, carrying values from step to step.
///
/// `xs` are sequences [T, …] of equal length; `body` gets the carried values and the elements of one
/// step, and returns the next carried values and what is to be stacked. The result holds the last
/// carried values and the stacked outputs [T, …]. With `reversed` steps run from the last to the
/// first; element t of an output still belongs to element t of the inputs.
///
///     let (last, ys) = scan(over: [x], carrying: [h0]) { carry, x in
///       let h = tanh(x[0] + matmul(carry[0], w))
///       return ([h], [h])
///     }
///
/// The closure is traced once, and compiled to one loop however long the sequences are. Tensors of
/// the closure around (such as `w`) are constants of the loop. Draws in the body are new ones in each
/// step. Gradient: a loop in the other direction over stored values of the forward steps;
/// docs/recurrence.md says which. Refused: no steps, sequences of different lengths, a carried value
/// that changes its shape or dtype.
public func scan(
  over xs: [Tensor], carrying initial: [Tensor], reversed: Bool = false,
  file: StaticString = #fileID, line: UInt = #line,
  _ body: (_ carry: [Tensor], _ x: [Tensor]) -> (carry: [Tensor], outputs: [Tensor])
) -> (carry: [Tensor], outputs: [Tensor]) {
  guard let first = xs.first else {
    if let anchor = initial.first {
      _ = refuse(
        "scan", "has no sequence to run over", anchor, at: here(anchor, file, line),
        hint: "a loop of n steps: scan(over: [iota([n])], …)")
    }
    return (initial, [])
  }
  let trace = innermost(xs + initial)
  let place = trace.location(file, line)
  for x in xs where x.rank == 0 || x.shape[0] != first.shape.dimensions.first || x.shape[0] == 0 {
    _ = refuse(
      "scan",
      x.rank > 0 && x.shape[0] == 0
        ? "the sequence \(x.type) has no steps"
        : "sequences need equal leading axes, got \(first.type) and \(x.type)",
      xs, at: place, hint: "the leading axis is time")
    return (initial, [])
  }
  let length = first.shape[0]

  let inner = Trace(bodyOf: trace, name: "body")
  let carry = initial.enumerated().map { inner.argument($1.type, name: "carry\($0)") }
  var sequences = xs
  let steps = xs.enumerated().map { index, x in
    let type = TensorType(x.dtype, Shape(Array(x.shape.dimensions.dropFirst())))
    let step = inner.argument(type, name: "x\(index)")
    if let value = step.value { inner.origins[value] = x }
    return step
  }
  // Draws of different iterations need different steps: step · T + t.
  var iteration: Tensor?
  inner.iterationStep = { [unowned inner] step in
    let number = inner.argument(TensorType(.int64, []), name: "iteration")
    iteration = number
    return step * Double(length) + number
  }
  let made = Trace.$current.withValue(inner) { body(carry, steps) }
  if iteration != nil {
    sequences.append(
      trace.record(Iota(TensorType(.int64, [length]), axis: 0), [], at: place)[0])
  }
  let outputs = made.carry + made.outputs
  let returned = outputs.map { inner.local($0) }
  let types =
    initial.map(\.type)
    + made.outputs.map { TensorType($0.dtype, Shape([length] + $0.shape.dimensions)) }
  func poisoned() -> (carry: [Tensor], outputs: [Tensor]) {
    let all = types.map { Tensor(trace: trace, value: nil, type: $0) }
    return (Array(all[..<initial.count]), Array(all[initial.count...]))
  }
  let captures = inner.captures
  var graph = inner.graph
  inner.endBody()
  guard made.carry.count == initial.count else {
    _ = refuse(
      "scan", "\(initial.count) values are carried, the body returns \(made.carry.count)",
      xs + initial, at: place)
    return poisoned()
  }
  for (index, (next, before)) in zip(made.carry, initial).enumerated()
  where next.type != before.type {
    if next.value != nil, before.value != nil {
      trace.report(
        TypeError(
          op: "scan", "carry \(index) is \(before.type) before a step and \(next.type) after it",
          hint: "a carry keeps its shape and dtype"), [before.type, next.type], at: place)
    }
    return poisoned()
  }
  // A poisoned value was reported where it arose.
  let values = returned.compactMap { $0?.value }
  guard values.count == outputs.count else {
    if returned.contains(where: { $0 == nil }) {
      trace.report(
        CompileError(
          .foreignTensor, operation: "scan", "the body returns a tensor of another trace",
          at: place))
    }
    return poisoned()
  }
  // Parameters in the order of the operands: carries, steps, then what was captured.
  if let value = iteration?.value,
    let index = graph.parameters.firstIndex(where: { $0.value == value })
  {
    graph.parameters.insert(
      graph.parameters.remove(at: index), at: initial.count + sequences.count - 1)
  }
  for value in values { graph.addOutput(value) }
  guard !values.isEmpty else { return (initial, []) }
  addResiduals(
    to: &graph, carries: initial.count, constants: initial.count + sequences.count)
  let op = Scan(
    length: length, carries: initial.count, scanned: sequences.count, isReversed: reversed)
  let results = trace.record(op, initial + sequences + captures, regions: [graph], at: place)
  guard results.count >= types.count else { return poisoned() }
  return (
    Array(results[..<initial.count]), Array(results[initial.count..<types.count])
  )
}
