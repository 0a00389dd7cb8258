import MartletIR
import MartletLoops
import MartletOps

/// Algebra that keeps every bit (but the sign of a zero).
///
///     %2 = multiply %1, 1           →   %1
///     %3 = add %1, (negate %2)      →   subtract %1, %2
///     %4 = reduceSum {axes=[1]} %1: f32[8,1]   →   reshape %1
///
/// Keeps: types; results up to −0 = +0. Runs between canonicalisation and CSE.
package struct Simplify: Pass {
  package static let name = "simplify"
  package init() {}

  package func run(on graph: inout Graph, _ context: PassContext) throws(CompileError) {
    rewrite(&graph, Simplify.rules, context)
  }

  package static let rules: [Rule] = [
    // x * 1 → x,  x / 1 → x
    Rule("times-one", on: Multiply.self, Divide.self) { node, g in
      guard node.op is Multiply || node.op is Divide, g.isSplat(node.operands[1], 1) else {
        return nil
      }
      return [node.operands[0]]
    },
    // x * -1 → negate x
    Rule("times-minus-one", on: Multiply.self) { node, g in
      guard node.op is Multiply, node.type.dtype.isFloatingPoint,
        g.isSplat(node.operands[1], -1)
      else { return nil }
      return g.emit(Negate(), [node.operands[0]], node.location).map { [$0] }
    },
    // x + 0 → x,  x - 0 → x
    Rule("plus-zero", on: Add.self, Subtract.self) { node, g in
      guard node.op is Add || node.op is Subtract, g.isSplat(node.operands[1], 0) else {
        return nil
      }
      return [node.operands[0]]
    },
    // 0 + x → x
    Rule("zero-plus", on: Add.self) { node, g in
      guard node.op is Add, g.isSplat(node.operands[0], 0) else { return nil }
      return [node.operands[1]]
    },
    // 0 - x → negate x
    Rule("zero-minus", on: Subtract.self) { node, g in
      guard node.op is Subtract, g.isSplat(node.operands[0], 0) else { return nil }
      return g.emit(Negate(), [node.operands[1]], node.location).map { [$0] }
    },
    // integer x * 0 → 0 (for floats 0 · NaN is NaN)
    Rule("integer-times-zero", on: Multiply.self) { node, g in
      guard node.op is Multiply, node.type.dtype.isInteger, g.isSplat(node.operands[1], 0)
      else {
        return nil
      }
      return [node.operands[1]]
    },
    // negate (negate x) → x
    Rule("double-negation", on: Negate.self) { node, g in
      guard node.op is Negate, let inner = g.operands(of: node.operands[0], as: Negate.self) else {
        return nil
      }
      return [inner[0]]
    },
    // a + negate b → a - b
    Rule("add-negated", on: Add.self) { node, g in
      guard node.op is Add else { return nil }
      if let b = g.operands(of: node.operands[1], as: Negate.self) {
        return g.emit(Subtract(), [node.operands[0], b[0]], node.location).map { [$0] }
      }
      if let a = g.operands(of: node.operands[0], as: Negate.self) {
        return g.emit(Subtract(), [node.operands[1], a[0]], node.location).map { [$0] }
      }
      return nil
    },
    // a - negate b → a + b
    Rule("subtract-negated", on: Subtract.self) { node, g in
      guard node.op is Subtract, let b = g.operands(of: node.operands[1], as: Negate.self) else {
        return nil
      }
      return g.emit(Add(), [node.operands[0], b[0]], node.location).map { [$0] }
    },
    // x / c → x * (1/c) for a power of two, whose reciprocal is exact
    Rule("divide-by-power-of-two", on: Divide.self) { node, g in
      guard node.op is Divide, node.type.dtype.isFloatingPoint,
        let divisor = g.splat(node.operands[1])
      else { return nil }
      let c = divisor.double(at: 0)
      guard c.isFinite, c != 0, Swift.abs(c.significand) == 1, (-100...100).contains(c.exponent),
        let factor = g.constant(1 / c, like: node.type, node.location)
      else { return nil }
      return g.emit(Multiply(), [node.operands[0], factor], node.location).map { [$0] }
    },
    // pad x + pad y + …, zeros around parts side by side → concatenate x, y, …
    Rule("sum-of-pads", on: Add.self) { node, g in
      sideBySide(node, &g).map { [$0] }
    },
    // power(x, 2) → x * x,  power(x, 1) → x
    Rule("small-power", on: Power.self) { node, g in
      guard node.op is Power, node.type.dtype.isFloatingPoint else { return nil }
      if g.isSplat(node.operands[1], 1) { return [node.operands[0]] }
      guard g.isSplat(node.operands[1], 2) else { return nil }
      return g.emit(Multiply(), [node.operands[0], node.operands[0]], node.location).map { [$0] }
    },
    // select(c, x, x) → x
    Rule("select-same", on: Select.self) { node, _ in
      guard node.op is Select, node.operands[1] == node.operands[2] else { return nil }
      return [node.operands[1]]
    },
    // select(true, a, b) → a
    Rule("select-constant", on: Select.self) { node, g in
      guard node.op is Select, let condition = g.splat(node.operands[0]) else { return nil }
      return [node.operands[condition.double(at: 0) != 0 ? 1 : 2]]
    },
    // convert to the dtype that it has → x
    Rule("convert-same", on: Convert.self) { node, g in
      guard node.op is Convert, g.type(node.operands[0]) == node.type else { return nil }
      return [node.operands[0]]
    },
    // a reduction over axes of extent 1 only moves elements
    Rule("unit-reduction", on: ReduceSum.self, ReduceMax.self, ReduceMin.self, ReduceProduct.self) {
      node, g in
      guard case .reduction(_, let axes)? = node.lowering else { return nil }
      let shape = g.type(node.operands[0]).shape
      guard axes.allSatisfy({ shape[$0] == 1 }) else { return nil }
      return g.emit(Reshape(node.type.shape), [node.operands[0]], node.location).map { [$0] }
    },
    // a slice of everything → the thing itself
    Rule("whole-slice", on: Slice.self, Pad.self) { node, g in
      guard node.op is Slice || node.op is Pad, g.type(node.operands[0]) == node.type,
        case .view(let makeMap)? = node.lowering,
        makeMap(node.type, node.type).isIdentity
      else { return nil }
      return [node.operands[0]]
    },
  ]
}

/// A sum of parts that lie side by side along one axis, each in zeros: what the gradient of a value
/// that is read in slices is. Nil for anything else.
private func sideBySide(_ node: Match, _ g: inout RewriteContext) -> Value? {
  struct Part {
    var value: Value
    var low: [Int]
    var high: [Int]
  }
  var parts: [Part] = []
  var stack = node.operands
  while let value = stack.popLast() {
    guard parts.count + stack.count < 16, let (op, operands) = g.definition(value) else {
      return nil
    }
    if op is Add {
      stack += operands
    } else if let pad = op as? Pad, g.isSplat(operands[1], 0),
      pad.interior.allSatisfy({ $0 == 0 }), (pad.low + pad.high).allSatisfy({ $0 >= 0 })
    {
      parts.append(Part(value: operands[0], low: pad.low, high: pad.high))
    } else {
      return nil
    }
  }
  let axes = node.type.shape.dimensions.indices.filter { axis in
    parts.contains { $0.low[axis] > 0 || $0.high[axis] > 0 }
  }
  guard let axis = axes.first, axes.count == 1 else { return nil }
  parts.sort { $0.low[axis] < $1.low[axis] }
  var end = 0
  for part in parts {
    guard part.low[axis] == end else { return nil }
    end += g.type(part.value).shape[axis]
  }
  guard end == node.type.shape[axis] else { return nil }
  return g.emit(Concatenate(axis: axis), parts.map(\.value), node.location)
}
