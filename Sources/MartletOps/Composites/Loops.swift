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
/// docs/recurrence.md says which. With `checkpointEvery` n the loop keeps only what it carries into
/// every n-th step, and the gradient runs each n steps again before it goes back through them: T / n
/// carries and the stored values of n steps, instead of those of T (Chen et al. 2016; least near
/// n = √T). Values, gradients and draws keep their bits, but for sums over the steps, which are
/// taken segment by segment. Under `memoryBudget` n is chosen where the program does not fit without.
/// Refused: no steps, sequences of different lengths, a carried value that changes its shape or
/// dtype, segments below one step.
public func scan(
  over xs: [Tensor], carrying initial: [Tensor], reversed: Bool = false,
  checkpointEvery segment: Int? = nil, file: StaticString = #fileID, line: UInt = #line,
  _ body: (_ carry: [Tensor], _ x: [Tensor]) -> (carry: [Tensor], outputs: [Tensor])
) -> (carry: [Tensor], outputs: [Tensor]) {
  segmentedScan(
    over: xs, carrying: initial, reversed: reversed, checkpointEvery: segment, file: file,
    line: line
  ) { carry, xs, numbers in
    plainScan(
      over: xs, carrying: carry, reversed: reversed, numbers: numbers, file: file, line: line, body)
  }
}

/// Which numbers the iterations of a loop have, for draws: `scale` · step + `first` +
/// `stride` · iteration, where step is that of the loop around.
package struct IterationNumbers {
  var scale: Int
  var first = 0
  var stride = 1
}

/// A loop over time in segments, if it has any: `body` gets the carry and the elements of a segment
/// (or all), [S, …], and gives the next carry and outputs [S, …]. The gradient of a loop over
/// segments stores only carries and runs the segment again.
package func segmentedScan(
  over xs: [Tensor], carrying initial: [Tensor], reversed: Bool, checkpointEvery asked: Int?,
  file: StaticString, line: UInt,
  _ body: (
    _ carry: [Tensor], _ xs: [Tensor], _ numbers: IterationNumbers
  ) -> (carry: [Tensor], outputs: [Tensor])
) -> (carry: [Tensor], outputs: [Tensor]) {
  let length = xs.first?.shape.dimensions.first ?? 0
  let all = IterationNumbers(scale: length)
  if let asked, asked < 1, let anchor = (xs + initial).first {
    _ = refuse(
      "scan", "a segment of \(asked) steps", anchor, at: here(anchor, file, line),
      hint: "checkpointEvery is at least 1")
    return (initial, [])
  }
  guard !xs.isEmpty, !initial.isEmpty else { return body(initial, xs, all) }
  let trace = innermost(xs + initial)
  let isAsked = asked != nil || (trace.checkpointsLoops && trace.parent == nil)
  let segment = asked ?? segmentLength(length)
  guard isAsked, segment < length,
    xs.allSatisfy({ $0.rank > 0 && $0.shape[0] == length })
  else { return body(initial, xs, all) }
  let count = length / segment
  let whole = count * segment
  var rest: (carry: [Tensor], outputs: [Tensor])?
  let streams = trace.streamCount
  func runRest(_ carry: [Tensor]) -> [Tensor] {
    trace.streamCount = streams
    let made = body(
      carry, xs.map { $0.sliced(whole..<length, axis: 0) },
      IterationNumbers(scale: length, first: whole))
    rest = made
    return made.carry
  }
  let carry = reversed && whole < length ? runRest(initial) : initial
  let parts = xs.map { x in
    (whole < length ? x.sliced(0..<whole, axis: 0) : x)
      .reshaped(Shape([count, segment] + x.shape.dimensions.dropFirst()))
  }
  trace.streamCount = streams
  var made = plainScan(
    over: parts, carrying: carry, reversed: reversed,
    numbers: IterationNumbers(scale: length, stride: segment), recomputes: true, file: file,
    line: line
  ) { body($0, $1, IterationNumbers(scale: 1)) }
  made.outputs = made.outputs.map {
    $0.reshaped(Shape([whole] + $0.shape.dimensions.dropFirst(2)))
  }
  if !reversed && whole < length { made.carry = runRest(made.carry) }
  if let rest, rest.outputs.count == made.outputs.count {
    made.outputs = zip(made.outputs, rest.outputs).map { concatenate([$0, $1], axis: 0) }
  }
  return made
}

/// About √T steps, a divisor of T where one is near.
private func segmentLength(_ length: Int) -> Int {
  let root = Int(Double(length).squareRoot().rounded(.up))
  let low = max(1, (root + 1) / 2)
  let divisors = (low...max(low, 2 * root)).filter { $0 > 0 && length % $0 == 0 }
  return divisors.min { abs($0 - root) < abs($1 - root) } ?? root
}

/// `scan` as one loop.
package func plainScan(
  over xs: [Tensor], carrying initial: [Tensor], reversed: Bool, numbers: IterationNumbers,
  recomputes: Bool = false, file: StaticString, line: UInt,
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
    let own = numbers.stride == 1 ? number : number * Double(numbers.stride)
    let base = numbers.scale == 1 ? step : step * Double(numbers.scale)
    return base + (numbers.first == 0 ? own : own + Double(numbers.first))
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
    to: &graph, carries: initial.count, constants: initial.count + sequences.count,
    recomputes: recomputes)
  let op = Scan(
    length: length, carries: initial.count, scanned: sequences.count, isReversed: reversed,
    recomputes: recomputes)
  let results = trace.record(op, initial + sequences + captures, regions: [graph], at: place)
  guard results.count >= types.count else { return poisoned() }
  return (
    Array(results[..<initial.count]), Array(results[initial.count..<types.count])
  )
}

/// Runs `body` as long as `condition` holds of the carried values, `maximum` times at most.
///
/// `condition` returns one bool scalar, `body` the next carried values, of equal types. The result is
/// the last carried values. Tensors of the closures around are constants of the loop. There is no
/// gradient through it: how often the body runs is not known before. A `scan` of `maximum` steps
/// whose finished steps keep their carry (`select`) has one.
public func whileLoop(
  carrying initial: [Tensor], atMost maximum: Int, file: StaticString = #fileID, line: UInt = #line,
  while condition: (_ carry: [Tensor]) -> Tensor, _ body: (_ carry: [Tensor]) -> [Tensor]
) -> [Tensor] {
  guard !initial.isEmpty else { return [] }
  let trace = innermost(initial)
  let place = trace.location(file, line)
  guard
    let made = bodies(
      trace, initial.map(\.type), "while", at: place,
      { $0 == 0 ? [condition($1)] : body($1) })
  else { return initial.map(\.poisoned) }
  let results = trace.record(
    While(maximum: maximum, carries: initial.count), initial + made.captures, regions: made.graphs,
    at: place)
  return results.count == initial.count ? results : initial.map(\.poisoned)
}

/// One of two closures, as a bool scalar says; only the chosen one runs.
///
/// Both return tensors of the same types. Tensors of the closures around are what both take.
/// Gradient: the same choice between the gradients of the two; the chosen one runs again for it.
/// `select` chooses element by element and computes both sides.
public func conditional(
  _ predicate: Tensor, file: StaticString = #fileID, line: UInt = #line,
  then: () -> [Tensor], else other: () -> [Tensor]
) -> [Tensor] {
  let trace = predicate.trace
  let place = trace.location(file, line)
  guard
    let made = bodies(
      trace, [], "conditional", at: place, { index, _ in index == 0 ? then() : other() })
  else { return [predicate.poisoned] }
  return trace.record(
    Conditional(), [predicate] + made.captures, regions: made.graphs, at: place)
}

/// The two body graphs of an operation over the same parameters: given ones, then whatever one of
/// them captures. Nil after an error was reported.
private func bodies(
  _ trace: Trace, _ types: [TensorType], _ op: String, at place: SourceLocation,
  _ body: (_ index: Int, _ parameters: [Tensor]) -> [Tensor]
) -> (graphs: [Graph], captures: [Tensor])? {
  var graphs: [Graph] = []
  var captured: [[Tensor]] = []
  for index in 0..<2 {
    let inner = Trace(bodyOf: trace, name: "body")
    let carry = types.enumerated().map { inner.argument($1, name: "carry\($0)") }
    let returned = Trace.$current.withValue(inner) { body(index, carry) }
    let values = returned.compactMap { inner.local($0)?.value }
    captured.append(inner.captures)
    var graph = inner.graph
    inner.endBody()
    guard values.count == returned.count, !values.isEmpty else {
      if returned.allSatisfy({ $0.value != nil }) {
        trace.report(
          CompileError(
            .foreignTensor, operation: op,
            values.isEmpty ? "a body returns nothing" : "a body returns a tensor of another trace",
            at: place))
      }
      return nil
    }
    for value in values { graph.addOutput(value) }
    graphs.append(graph)
  }
  // Every body takes the captures of all, in one order.
  var all: [Tensor] = []
  for tensor in captured.flatMap({ $0 }) where !all.contains(where: { $0.value == tensor.value }) {
    all.append(tensor)
  }
  for index in graphs.indices {
    let own = captured[index]
    let parameters = Array(graphs[index].parameters[types.count...])
    graphs[index].parameters.removeSubrange(types.count...)
    for (number, tensor) in all.enumerated() {
      if let place = own.firstIndex(where: { $0.value == tensor.value }) {
        graphs[index].parameters.append(parameters[place])
      } else {
        graphs[index].addParameter(tensor.type, name: "other\(number)")
      }
    }
  }
  return (graphs, all)
}
