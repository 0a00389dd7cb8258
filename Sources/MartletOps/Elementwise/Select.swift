import MartletIR
import MartletLoops

/// Element by element, that of a where the condition holds, else that of b. The condition is a bool
/// array of the shape of both.
///
/// Gradient: `da = select(c, dy, 0)`, `db = select(c, 0, dy)`: what is not chosen gets an exact 0,
/// whatever is in `dy`.
package struct Select: Op, AttributeFree {
  package init() {}
  package static let name = "select"
  package static let samples: [OpSample] = {
    let dtypes: [DType] = [.float32, .float64, .int32, .int64, .uint8, .bool]
    return dtypes.flatMap { dtype in
      ([[], [0], [1], [7], [3, 5], [2, 130]] as [Shape]).map {
        let type = TensorType(dtype, $0)
        return OpSample(
          Select(), [TensorType(.bool, $0), type, type], [0...1, -3...3, -3...3], ulp: 0)
      }
    }
  }()

  package func infer(_ operands: [TensorType], _ regions: [Graph]) throws(TypeError) -> [TensorType]
  {
    try expectOperands(operands, 3)
    guard operands[0].dtype == .bool else {
      throw TypeError(
        op: name, "the condition must be bool, got \(operands[0])",
        hint: "compare first, for example x .!= 0")
    }
    try expectEqualTypes([operands[1], operands[2]])
    guard operands[0].shape == operands[1].shape else {
      throw TypeError(op: name, "shapes differ: \(operands[0]) and \(operands[1])")
    }
    return [operands[1]]
  }

  package func evaluate(_ inputs: [HostArray], _ regions: [Graph]) -> [HostArray] {
    let condition = inputs[0].integers
    let (a, b) = (inputs[1], inputs[2])
    if a.dtype.isFloatingPoint {
      let (x, y) = (a.doubles, b.doubles)
      return [HostArray(a.type, condition.indices.map { condition[$0] != 0 ? x[$0] : y[$0] })]
    }
    let (x, y) = (a.integers, b.integers)
    return [HostArray(a.type, condition.indices.map { condition[$0] != 0 ? x[$0] : y[$0] })]
  }

  package var lowering: Lowering {
    .elementwise(.select(.operand(0), .operand(1), .operand(2)))
  }

  package var forward: ForwardRule { .linear(in: 1..<3) }
  package var gradient: Gradient {
    .rule { v in
      let zero = v.dy.filled(0)
      return [nil, record(Select(), v.x, v.dy, zero), record(Select(), v.x, zero, v.dy)]
    }
  }
}

/// Element by element, that of `a` where `condition` holds, else that of `b`.
///
/// `condition` is bool, `a` and `b` have one dtype; the three broadcast by NumPy's rule.
/// Gradient: `dy` to the chosen side, an exact 0 to the other.
public func select(
  _ condition: Tensor, _ a: Tensor, _ b: Tensor, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  let place = here(condition, file, line)
  guard condition.shape != a.shape || a.shape != b.shape,
    let pair = broadcastShapes(a.shape, b.shape),
    let shape = broadcastShapes(condition.shape, pair)
  else { return record(Select(), condition, a, b, at: place) }
  return record(
    Select(), condition.broadcasted(to: shape), a.broadcasted(to: shape),
    b.broadcasted(to: shape), at: place)
}

/// Element by element, that of `a` where `condition` holds, else a literal of its dtype.
public func select(
  _ condition: Tensor, _ a: Tensor, _ b: Double, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  select(condition, a, a.filled(b), file: file, line: line)
}

/// Element by element, a literal where `condition` holds, else that of `b`.
public func select(
  _ condition: Tensor, _ a: Double, _ b: Tensor, file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  select(condition, b.filled(a), b, file: file, line: line)
}

extension Tensor {
  /// NumPy's name for ``select(_:_:_:file:line:)-(Tensor,_,_,_,_)``: `Tensor.where(c, a, b)`.
  public static func `where`(
    _ condition: Tensor, _ a: Tensor, _ b: Tensor, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    select(condition, a, b, file: file, line: line)
  }
}
