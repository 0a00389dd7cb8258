// Scalar expressions: what an elementwise operation computes for one element.

import MartletIR

/// Functions of one element. Raw values are the runtime's names: `mt_tanh_f32`, `mtm_tanh_f32`.
package enum UnaryFunction: String, Hashable, Sendable, CaseIterable {
  case neg, abs, sign, exp, log, log1p, expm1, tanh, logistic, erf, sqrt, rsqrt
  case exp2, sin, cos, floor, ceil, round, reciprocal
  case not
}

/// Functions of two elements of one dtype, with a result of that dtype.
package enum BinaryFunction: String, Hashable, Sendable, CaseIterable {
  case add, sub, mul, div, rem, max, min, pow, atan2
  case and, or, xor

  package var isCommutative: Bool {
    switch self {
    case .add, .mul, .max, .min, .and, .or, .xor: true
    default: false
    }
  }
}

/// Comparisons; the result is `bool`. A NaN operand makes all but `ne` false.
package enum Comparison: String, Hashable, Sendable, CaseIterable {
  case eq, ne, lt, le, gt, ge
}

/// Associative combiners of reductions.
package enum ReduceFunction: String, Hashable, Sendable, CaseIterable {
  case sum, prod, max, min

  package var combiner: BinaryFunction {
    switch self {
    case .sum: .add
    case .prod: .mul
    case .max: .max
    case .min: .min
    }
  }
}

/// Draws that are functions of (seed, step, stream, position).
package enum RandomDistribution: String, Hashable, Sendable, CaseIterable {
  case bits, uniform, normal
}

/// The value of one result element in terms of the elements of the operands at the same place.
package indirect enum ScalarExpr: Hashable, Sendable {
  /// The element of operand `n`.
  case operand(Int)
  /// A number of the expression's dtype.
  case literal(Double)
  case unary(UnaryFunction, ScalarExpr)
  case binary(BinaryFunction, ScalarExpr, ScalarExpr)
  case compare(Comparison, ScalarExpr, ScalarExpr)
  case select(ScalarExpr, ScalarExpr, ScalarExpr)
  case convert(ScalarExpr, to: DType)
}
