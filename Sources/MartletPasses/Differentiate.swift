// Reverse-mode differentiation: extends a trace with the nodes of the derivative.
//
// The walk goes over the nodes between `wrt` and `outputs` once, backwards, and calls each
// operation's own rule; uses of one value are summed where its cotangent is first needed. What it
// records are ordinary nodes, so gradients of gradients need nothing more.
// Source: Griewank and Walther, Evaluating Derivatives, 2nd ed., ch. 3.

import MartletIR
import MartletOps

/// Cotangents of `wrt` for cotangents of `outputs`, as new tensors of the same trace.
///
/// A value that no output depends on gets zeros. An operation without a derivative on the way is a
/// diagnostic of the trace.
package func vectorJacobianProduct(
  _ outputs: [Tensor], cotangents: [Tensor], wrt: [Tensor]
) -> [Tensor] {
  guard let anchor = outputs.first else { return wrt.map(zerosLike) }
  // Inside of a loop's body, what is outside is seen through the body's parameters.
  let trace = innermost(outputs)
  let outputs = outputs.map { trace.local($0) ?? anchor }
  let wrt = wrt.map { trace.local($0) ?? $0 }
  // The graph is read where it stands: a copy of it would be copied again at the first new node.
  let limit = trace.graph.nodes.count

  // Which values depend on `wrt`, and which of those reach an output. Nothing before the first of
  // `wrt` does, so that differentiating the last few nodes costs no more than those.
  let known = trace.graph.values.count
  let base = wrt.compactMap { $0.value?.id }.min() ?? known
  var dependent = [Bool](repeating: false, count: known - base)
  func depends(_ value: Value) -> Bool { value.id >= base && dependent[value.id - base] }
  var first = limit
  for tensor in wrt {
    guard let value = tensor.value else { continue }
    dependent[value.id - base] = true
    first = min(first, trace.graph.values[value.id].node.map { $0 + 1 } ?? 0)
  }
  for index in first..<max(first, limit) {
    let node = trace.graph.nodes[index]
    if node.operands.contains(where: depends) {
      for result in node.results { dependent[result.id - base] = true }
    }
  }

  // Cotangents that have come so far, for values from `base` on.
  var pending = [[Tensor]?](repeating: nil, count: known - base)
  for (output, cotangent) in zip(outputs, cotangents) {
    guard let value = output.value, depends(value) else { continue }
    pending[value.id - base, default: []].append(cotangent)
  }
  func total(_ terms: [Tensor]) -> Tensor? {
    guard var sum = terms.first else { return nil }
    for term in terms.dropFirst() { sum = sum + term }
    return sum
  }
  func tensor(_ value: Value) -> Tensor {
    Tensor(trace: trace, value: value, type: trace.graph.type(value))
  }

  // A wrt value's cotangent is complete when the walk passes its definition; keep it before the
  // walk goes on through its definition (wrt may hold intermediate values).
  var complete: [Value: Tensor] = [:]
  let wanted = Set(wrt.compactMap(\.value))
  for index in (first..<max(first, limit)).reversed() {
    let node = trace.graph.nodes[index]
    let results = node.results
    guard results.contains(where: { $0.id >= base && pending[$0.id - base] != nil }) else {
      continue
    }
    var cotangents: [Tensor?] = []
    for result in results {
      let sum = pending[result.id - base].flatMap(total)
      pending[result.id - base] = nil
      if wanted.contains(result), let sum { complete[result] = sum }
      cotangents.append(sum)
    }
    guard node.operands.contains(where: depends) else { continue }
    guard let op = node.op as? any Op else { continue }
    trace.scopes.append(
      node.location.scope.isEmpty ? "gradient" : "gradient/" + node.location.scope)
    defer { trace.scopes.removeLast() }
    switch op.gradient {
    case .none(let reason):
      // Integers and bools carry no derivative: nothing flows, and that is no error.
      let flows = zip(results, cotangents).contains {
        $1 != nil && trace.graph.type($0).dtype.isFloatingPoint
      }
      if flows {
        trace.report(
          CompileError(
            .notDifferentiable, operation: op.name, "has no derivative: \(reason)",
            operandTypes: node.operands.map { trace.graph.type($0) }, at: node.location,
            hint: "stopGradient(x) keeps the value and cuts the derivative"))
      }
    case .rule(let rule):
      // What the rule records lies where the operation does.
      let contributions = trace.calling(from: node.location) {
        rule(
          VJP(
            inputs: node.operands.map(tensor), results: results.map(tensor),
            cotangents: cotangents, regions: node.regions,
            pullback: { vectorJacobianProduct($0, cotangents: $1, wrt: $2) }))
      }
      for (operand, contribution) in zip(node.operands, contributions) {
        guard let contribution, depends(operand) else { continue }
        pending[operand.id - base, default: []].append(contribution)
      }
    case .inlined:
      // Give each operand a value of its own: one tensor passed twice must not be counted twice.
      guard let body = node.regions.first else { continue }
      let fresh = node.operands.map { record(Reshape(trace.graph.type($0).shape), tensor($0)) }
      let inner = inline(body, fresh)
      let pairs = zip(inner, cotangents).compactMap { pair in pair.1.map { (pair.0, $0) } }
      let contributions = vectorJacobianProduct(
        pairs.map(\.0), cotangents: pairs.map(\.1), wrt: fresh)
      for (operand, contribution) in zip(node.operands, contributions) where depends(operand) {
        pending[operand.id - base, default: []].append(contribution)
      }
    }
  }

  return wrt.map { tensor in
    guard let value = tensor.value else { return tensor }
    return complete[value] ?? pending[value.id - base].flatMap(total) ?? zerosLike(tensor)
  }
}

extension Array {
  // `pending[i, default: []].append(x)` for an array of optional lists.
  fileprivate subscript<T>(index: Int, default fallback: [T]) -> [T] where Element == [T]? {
    get { self[index] ?? fallback }
    // In place: a weight that a thousand steps use has a thousand terms.
    _modify {
      var list = self[index] ?? fallback
      self[index] = nil
      defer { self[index] = list }
      yield &list
    }
  }
}

/// The gradients of a scalar with respect to tensors of the same trace.
///
/// Each has the type of its tensor. They are ordinary tensors: compose or differentiate them again.
/// A loss that is not a floating-point scalar is a diagnostic.
public func gradients(
  of loss: Tensor, wrt tensors: [Tensor], file: StaticString = #fileID, line: UInt = #line
) -> [Tensor] {
  guard loss.rank == 0, loss.dtype.isFloatingPoint else {
    loss.trace.report(
      CompileError(
        .notDifferentiable, operation: "gradients",
        "the loss must be a floating-point scalar, got \(loss.type)",
        at: loss.trace.location(file, line), hint: "reduce it first: loss.mean()"))
    return tensors.map(zerosLike)
  }
  return vectorJacobianProduct([loss], cotangents: [onesLike(loss)], wrt: tensors)
}
