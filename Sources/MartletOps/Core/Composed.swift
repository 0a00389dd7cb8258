// Elementwise operations whose scalar function is an expression of others: no primitive of their own,
// but a gradient rule that stays accurate where that of the parts would not.

import MartletIR
import MartletLoops

/// y = f(x) for each element of one floating-point operand, f an expression of the runtime's functions.
package protocol ComposedElementwise: Op, AttributeFree {
  /// What a kernel computes.
  static var expression: ScalarExpr { get }
  /// The oracle.
  func scalar(_ x: Double) -> Double
}

extension ComposedElementwise {
  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 1)
    guard operands[0].dtype.isFloatingPoint else {
      throw TypeError(
        op: name, "no such function on \(operands[0].dtype)",
        hint: "convert first: x.converted(to: .float32)")
    }
    return [operands[0]]
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    [HostArray(inputs[0].type, inputs[0].doubles.map(scalar))]
  }

  package var lowering: Lowering { .elementwise(Self.expression) }
}

// Expressions read as formulas.
extension ScalarExpr {
  package static let x = ScalarExpr.operand(0)
  package static func of(_ f: UnaryFunction, _ x: ScalarExpr) -> ScalarExpr { .unary(f, x) }
  package static func + (a: ScalarExpr, b: ScalarExpr) -> ScalarExpr { .binary(.add, a, b) }
  package static func - (a: ScalarExpr, b: ScalarExpr) -> ScalarExpr { .binary(.sub, a, b) }
  package static func * (a: ScalarExpr, b: ScalarExpr) -> ScalarExpr { .binary(.mul, a, b) }
  package static func / (a: ScalarExpr, b: ScalarExpr) -> ScalarExpr { .binary(.div, a, b) }
  package static func if_(
    _ a: ScalarExpr, _ comparison: Comparison, _ limit: Double, _ b: ScalarExpr, _ c: ScalarExpr
  ) -> ScalarExpr { .select(.compare(comparison, a, .literal(limit)), b, c) }
}

extension ScalarExpr: ExpressibleByFloatLiteral {
  package init(floatLiteral value: Double) { self = .literal(value) }
}
