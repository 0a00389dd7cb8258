import MartletIR

/// Its first operands, with a gradient of the user's own to the others.
///
/// `%r… = replacedGradient %y…, %x…` over a body that returns its first parameters: nothing is left
/// of it in a program. The gradient goes to x by the rule, and none to y, through which the graph
/// would have differentiated.
package struct ReplacedGradient: Op {
  /// Closures cannot be compared: a rule is itself.
  package final class Rule: Sendable {
    let rule: CustomGradientRule
    init(_ rule: @escaping CustomGradientRule) { self.rule = rule }
  }
  package static var name: String { "replacedGradient" }
  package static let samples: [OpSample] = []
  package let rule: Rule
  package let count: Int

  package init(_ rule: @escaping CustomGradientRule, count: Int) {
    self.rule = Rule(rule)
    self.count = count
  }
  package init(_ attributes: AttributeReader) throws(TypeError) {
    throw TypeError(
      op: ReplacedGradient.name, "a gradient of one's own exists only in the program that made it")
  }
  package static func == (a: ReplacedGradient, b: ReplacedGradient) -> Bool {
    a.rule === b.rule && a.count == b.count
  }
  package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(rule)) }

  package func infer(
    _ operands: [TensorType], _ regions: [Graph]
  ) throws(TypeError) -> [TensorType] {
    guard count > 0, operands.count >= count else {
      throw TypeError(op: name, "takes at least \(max(1, count)) operands, got \(operands.count)")
    }
    return Array(operands.prefix(count))
  }
  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    Array(inputs.prefix(count))
  }
  package var lowering: Lowering { .inlined }
  package var gradient: Gradient {
    .rule(checkedRule("customGradient", rule.rule, skipping: count))
  }
}

/// The results of a function of tensors, with a gradient of one's own in place of the function's
/// (JAX's `custom_vjp`): for stability, for a straight-through estimate, for clipping on the way back.
///
///     let y = customGradient([x], of: { [sign($0[0])] }) { b in
///       [select(abs(b.inputs[0]) .<= 1, b.cotangents[0], 0)]     // straight through
///     }[0]
///
/// `function` runs at once, in the same trace. The rule gives for each input its cotangent, of the
/// input's type, or nil where none flows; no gradient flows to other tensors that the function uses.
/// Forward mode takes the rule transposed, so it must be linear in the cotangents, as derivatives are.
/// A rule that gives another number of cotangents or other types is a diagnostic.
public func customGradient(
  _ inputs: [Tensor], of function: ([Tensor]) -> [Tensor],
  gradient rule: @escaping CustomGradientRule, file: StaticString = #fileID, line: UInt = #line
) -> [Tensor] {
  let results = function(inputs)
  guard let first = results.first else { return [] }
  let place = here(first, file, line)
  var body = Graph(name: "identity")
  for (index, tensor) in (results + inputs).enumerated() {
    let parameter = body.addParameter(tensor.type, name: "x\(index)")
    if index < results.count { body.addOutput(parameter) }
  }
  return recordAll(
    ReplacedGradient(rule, count: results.count), results + inputs, regions: [body], at: place)
}
