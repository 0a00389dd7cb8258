// Forward-mode differentiation: extends a trace with the nodes of the directional derivative.
//
// The walk goes over the nodes between `wrt` and `outputs` once, forwards. Most operations need no
// rule of their own: an elementwise one has a diagonal Jacobian, which is its own transpose, so its
// gradient rule serves; a linear one is applied to the tangents. What is left (maxima, products,
// windows, bodies of loops) takes its gradient rule transposed: the rule is linear in the cotangent,
// so the derivative of the rule by the cotangent, in the direction of the tangent, is the tangent of
// the result. The cotangent itself appears in no derivative, and dead-code elimination removes it.
// Source: Griewank and Walther, Evaluating Derivatives, 2nd ed., ch. 3; Townsend, "A new trick for
// calculating Jacobian vector products" (2017), for the transposition.

import MartletIR
import MartletOps

/// Tangents of `outputs` for tangents of `wrt`, as tensors of the same trace.
///
/// The adjoint of `vectorJacobianProduct`: a tangent given to an intermediate value adds to what
/// flows into it. An output that depends on no value of `wrt` gets zeros. `transposing` takes the
/// fallback for every operation, for tests.
package func jacobianVectorProduct(
  _ outputs: [Tensor], wrt: [Tensor], tangents: [Tensor], transposing: Bool = false
) -> [Tensor] {
  guard let trace = outputs.first?.trace else { return [] }
  var walk = ForwardWalk(trace, from: wrt, transposing: transposing)
  walk.run(to: outputs, seeds: zip(wrt, tangents).map { ($0, $1) })
  return outputs.map { output in
    output.value.flatMap { walk.tangent($0) } ?? zerosLike(output)
  }
}

private struct ForwardWalk {
  let trace: Trace
  /// The first value that may have a tangent.
  let base: Int
  /// The nodes that may pass one on.
  let nodes: Range<Int>
  /// Tangents of values from `base` on.
  private var tangents: [Tensor?]

  private let transposing: Bool

  init(_ trace: Trace, from wrt: [Tensor], transposing: Bool) {
    self.trace = trace
    self.transposing = transposing
    let limit = trace.graph.nodes.count
    let known = trace.graph.values.count
    let values = wrt.compactMap(\.value)
    base = values.map(\.id).min() ?? known
    let first = values.map { trace.graph.values[$0.id].node.map { $0 + 1 } ?? 0 }.min() ?? limit
    nodes = first..<max(first, limit)
    tangents = [Tensor?](repeating: nil, count: known - base)
  }

  func tangent(_ value: Value) -> Tensor? {
    value.id >= base && value.id - base < tangents.count ? tangents[value.id - base] : nil
  }

  private mutating func add(_ tangent: Tensor, to value: Value) {
    let place = value.id - base
    tangents[place] = tangents[place].map { $0 + tangent } ?? tangent
  }

  mutating func run(to outputs: [Tensor], seeds: [(Tensor, Tensor)]) {
    // Only what an output depends on: a branch without a derivative elsewhere does no harm.
    var isNeeded = [Bool](repeating: false, count: tangents.count)
    for case let value? in outputs.map(\.value) where value.id >= base {
      isNeeded[value.id - base] = true
    }
    for index in nodes.reversed() {
      let node = trace.graph.nodes[index]
      guard node.results.contains(where: { $0.id >= base && isNeeded[$0.id - base] }) else {
        continue
      }
      for operand in node.operands where operand.id >= base { isNeeded[operand.id - base] = true }
    }
    for (tensor, tangent) in seeds {
      if let value = tensor.value { add(tangent, to: value) }
    }
    for index in nodes {
      let node = trace.graph.nodes[index]
      guard node.results.contains(where: { $0.id >= base && isNeeded[$0.id - base] }),
        node.operands.contains(where: { tangent($0) != nil }), let op = node.op as? any Op
      else { continue }
      let scope = node.location.scope
      trace.scopes.append(scope.isEmpty ? "tangent" : "tangent/" + scope)
      defer { trace.scopes.removeLast() }
      let passed = trace.calling(from: node.location) { pass(op, node) }
      for (result, tangent) in zip(node.results, passed) {
        if let tangent { add(tangent, to: result) }
      }
    }
  }

  private func tensor(_ value: Value) -> Tensor {
    Tensor(trace: trace, value: value, type: trace.graph.type(value))
  }

  /// The tangents of a node's results; nil for zero.
  private func pass(_ op: any Op, _ node: Node) -> [Tensor?] {
    let operands = node.operands.map(tensor)
    let results = node.results.map(tensor)
    let given = node.operands.map { tangent($0) }
    switch transposing ? .transposed : op.forward {
    case .elementwise:
      guard case .rule(let rule) = op.gradient else { return transposed(op, node, given) }
      var sum: Tensor?
      for (index, tangent) in given.enumerated() {
        guard let tangent else { continue }
        let shares = rule(
          VJP(
            inputs: operands, results: results, cotangents: [tangent], regions: node.regions,
            pullback: { vectorJacobianProduct($0, cotangents: $1, wrt: $2) }))
        guard index < shares.count, let share = shares[index] else { continue }
        sum = sum.map { $0 + share } ?? share
      }
      return [sum]
    case .linear(let places):
      guard given.indices.contains(where: { places.contains($0) && given[$0] != nil }) else {
        return results.map { _ in nil }
      }
      let replaced = operands.indices.map { index in
        places.contains(index) ? given[index] ?? zerosLike(operands[index]) : operands[index]
      }
      return trace.record(op, replaced, regions: node.regions)
    case .multilinear:
      var sum: Tensor?
      for (index, tangent) in given.enumerated() {
        guard let tangent else { continue }
        var replaced = operands
        replaced[index] = tangent
        let term = trace.record(op, replaced, regions: node.regions)[0]
        sum = sum.map { $0 + term } ?? term
      }
      return [sum]
    case .transposed: return transposed(op, node, given)
    }
  }

  private func transposed(_ op: any Op, _ node: Node, _ given: [Tensor?]) -> [Tensor?] {
    let operands = node.operands.map(tensor)
    let results = node.results.map(tensor)
    let none = results.map { _ in Tensor?.none }
    switch op.gradient {
    case .none(let reason):
      if results.contains(where: \.dtype.isFloatingPoint) {
        trace.report(
          CompileError(
            .notDifferentiable, operation: op.name, "has no derivative: \(reason)",
            operandTypes: operands.map(\.type), at: node.location,
            hint: "stopGradient(x) keeps the value and cuts the derivative"))
      }
      return none
    case .inlined:
      guard let body = node.regions.first else { return none }
      let fresh = operands.map { record(Reshape($0.shape), $0) }
      let moved = zip(fresh, given).compactMap { pair in pair.1.map { (pair.0, $0) } }
      let inner = inline(body, fresh)
      return jacobianVectorProduct(inner, wrt: moved.map(\.0), tangents: moved.map(\.1))
    case .rule(let rule):
      // Whatever their value: the rule is linear in them. Integers have none.
      let dummies = results.map { $0.dtype.isFloatingPoint ? zerosLike($0) : nil }
      let shares = rule(
        VJP(
          inputs: operands, results: results, cotangents: dummies, regions: node.regions,
          pullback: { vectorJacobianProduct($0, cotangents: $1, wrt: $2) }))
      let pairs = zip(shares, given).compactMap { share, tangent in
        share.flatMap { share in tangent.map { (share, $0) } }
      }
      guard !pairs.isEmpty else { return none }
      let free = dummies.compactMap { $0 }
      var found = vectorJacobianProduct(
        pairs.map(\.0), cotangents: pairs.map(\.1), wrt: free
      ).makeIterator()
      return dummies.map { $0 == nil ? nil : found.next() }
    }
  }
}

// MARK: - Public functions

/// Jacobian–vector products (forward mode): how `outputs` move when `inputs` move along `tangents`.
///
/// `tangents` has one tensor of its input's type for each input; so the result for each output, and
/// it is an ordinary tensor: compose or differentiate it again. It costs about what the outputs
/// cost, whatever their number of elements, where ``vjp(of:wrt:cotangents:file:line:)`` costs that
/// whatever the number of elements of the inputs. An output that depends on no input gets zeros.
///
///     let slope = jvp(of: [y], wrt: [x], tangents: [v])[0]     // J·v
///
/// A tangent of another type, and an operation without a derivative on the way, are diagnostics.
public func jvp(
  of outputs: [Tensor], wrt inputs: [Tensor], tangents: [Tensor], file: StaticString = #fileID,
  line: UInt = #line
) -> [Tensor] {
  guard fits(tangents, inputs, "jvp", "tangents", "inputs", outputs, file, line) else {
    return outputs.map(\.poisoned)
  }
  return jacobianVectorProduct(outputs, wrt: inputs, tangents: tangents)
}

/// Vector–Jacobian products (reverse mode): the gradients of `Σ ⟨cotangent, output⟩` with respect to
/// `inputs`.
///
/// `cotangents` has one tensor of its output's type for each output; the result one of its input's
/// type for each input. With one scalar output and cotangent 1 this is
/// ``gradients(of:wrt:file:line:)``. An input that no output depends on gets zeros.
///
/// A cotangent of another type, and an operation without a derivative on the way, are diagnostics.
public func vjp(
  of outputs: [Tensor], wrt inputs: [Tensor], cotangents: [Tensor], file: StaticString = #fileID,
  line: UInt = #line
) -> [Tensor] {
  guard fits(cotangents, outputs, "vjp", "cotangents", "outputs", inputs, file, line) else {
    return inputs.map(\.poisoned)
  }
  return vectorJacobianProduct(outputs, cotangents: cotangents, wrt: inputs)
}

/// Hessian–vector products: the Hessian of a scalar by `inputs`, times `vectors`, without the Hessian.
///
/// Forward over reverse: the gradients' directional derivative, which costs about two gradients.
/// `vectors` has one tensor of its input's type for each input; so the result.
///
/// A loss that is not a floating-point scalar, and a vector of another type, are diagnostics.
/// Source: Pearlmutter, "Fast exact multiplication by the Hessian" (1994).
public func hessianVectorProduct(
  of loss: Tensor, wrt inputs: [Tensor], _ vectors: [Tensor], file: StaticString = #fileID,
  line: UInt = #line
) -> [Tensor] {
  let slopes = gradients(of: loss, wrt: inputs, file: file, line: line)
  return jvp(of: slopes, wrt: inputs, tangents: vectors, file: file, line: line)
}

/// The Jacobian of `output` by `input`, `[output's shape…, input's shape…]`.
///
/// Written out element by element, by rows or by columns, whichever are fewer; for small functions:
/// more than 256 of both are a diagnostic. Both must have one floating-point dtype.
public func jacobian(
  of output: Tensor, wrt input: Tensor, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  let trace = output.trace
  let type = TensorType(
    output.dtype, Shape(output.shape.dimensions + input.shape.dimensions))
  func refused(_ message: String, _ hint: String) -> Tensor {
    trace.report(
      CompileError(
        .notDifferentiable, operation: "jacobian", message,
        operandTypes: [output.type, input.type],
        at: trace.location(file, line), hint: hint))
    return Tensor(trace: trace, value: nil, type: type)
  }
  guard output.value != nil, input.value != nil else {
    return Tensor(trace: trace, value: nil, type: type)
  }
  guard output.dtype.isFloatingPoint, output.dtype == input.dtype else {
    return refused(
      "needs one floating-point dtype, got \(output.type) by \(input.type)",
      "convert both: x.converted(to: .float32)")
  }
  let byRows = output.count <= input.count
  let small = byRows ? output : input
  guard small.count <= 256 else {
    return refused(
      "\(output.count) by \(input.count) elements are too many to write out",
      "jvp and vjp give products with it, without it")
  }
  guard small.count > 0 else { return trace.constant(0, type.dtype).broadcasted(to: type.shape) }
  let vectors = (0..<small.count).map { index in
    var unit = [Double](repeating: 0, count: small.count)
    unit[index] = 1
    return trace.constant(HostArray(small.type, unit))
  }
  let parts = vectors.map { unit in
    byRows
      ? vectorJacobianProduct([output], cotangents: [unit], wrt: [input])[0]
      : jacobianVectorProduct([output], wrt: [input], tangents: [unit])[0]
  }
  let axis = byRows ? 0 : output.rank
  return stack(parts, axis: axis).reshaped(type.shape)
}

/// The Hessian of a scalar by one tensor, `[shape…, shape…]`; for small tensors, as
/// ``jacobian(of:wrt:file:line:)`` says.
public func hessian(
  of loss: Tensor, wrt input: Tensor, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  let slope = gradients(of: loss, wrt: [input], file: file, line: line)[0]
  return jacobian(of: slope, wrt: input, file: file, line: line)
}

/// Whether `vectors` are of the types of `tensors`, in number too; a diagnostic if not.
private func fits(
  _ vectors: [Tensor], _ tensors: [Tensor], _ function: String, _ words: String, _ of: String,
  _ others: [Tensor], _ file: StaticString, _ line: UInt
) -> Bool {
  let differing = zip(vectors, tensors).first { $0.type != $1.type }
  if vectors.count == tensors.count, differing == nil { return true }
  guard let trace = (tensors.first ?? vectors.first ?? others.first)?.trace else { return true }
  let message: String
  if let (vector, tensor) = differing {
    // A poisoned tensor was reported where it arose.
    guard vector.value != nil, tensor.value != nil else { return false }
    message = "\(words) must have the types of the \(of): got \(vector.type) for \(tensor.type)"
  } else {
    message = "takes \(tensors.count) \(words), one for each of the \(of), got \(vectors.count)"
  }
  trace.report(
    CompileError(
      .type, operation: function, message, at: trace.location(file, line),
      hint: "zerosLike(x) stands for no movement"))
  return false
}
