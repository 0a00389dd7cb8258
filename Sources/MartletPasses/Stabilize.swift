import MartletIR
import MartletLoops
import MartletOps

/// Replaces formulas that overflow or cancel by equal ones that do not.
///
///     log(exp(x) / sum(exp(x)))    →   (x − max) − log(sum(exp(x − max)))
///     log(logistic(x))             →   min(x, 0) − log1p(exp(−|x|))
///     log(1 − logistic(x))         →   min(−x, 0) − log1p(exp(−|x|))
///     log(1 + x), exp(x) − 1       →   log1p(x), expm1(x)
///     exp(x) / sum(exp(x))         →   exp(x − max) / sum(exp(x − max))
///
/// Changes bits for the better; the mathematical value stays. Runs after canonicalisation, before
/// simplification could split the patterns.
package struct Stabilize: Pass {
  package static let name = "stabilize"
  package init() {}

  package func run(on graph: inout Graph, _ context: PassContext) throws(CompileError) {
    rewrite(&graph, Stabilize.rules, context, limit: 4)
  }

  /// log(1 + exp(−|x|)), the term that both logistic rules share.
  private static func tail(_ x: Value, _ at: SourceLocation, _ g: inout RewriteContext) -> Value? {
    guard let magnitude = g.emit(Abs(), [x], at),
      let negative = g.emit(Negate(), [magnitude], at), let e = g.emit(Exp(), [negative], at)
    else { return nil }
    return g.emit(Log1p(), [e], at)
  }

  private static func minimumWithZero(
    _ x: Value, _ at: SourceLocation, _ g: inout RewriteContext
  ) -> Value? {
    guard let zero = g.constant(0, like: g.type(x), at) else { return nil }
    return g.emit(Minimum(), [x, zero], at)
  }

  /// For `e / broadcast(reduceSum(e))` with e = exp(x): x, the axes, and the broadcast's operand.
  private static func softmaxParts(
    _ value: Value, _ g: RewriteContext
  ) -> (x: Value, exponential: Value, sum: Value, axes: [Int])? {
    guard let quotient = g.operands(of: value, as: Divide.self),
      let x = g.operands(of: quotient[0], as: Exp.self),
      let (repeated, sums) = g.definition(quotient[1]), repeated is Broadcast
    else { return nil }
    var sum = sums[0]
    if let inner = g.operands(of: sum, as: Reshape.self) { sum = inner[0] }
    guard let (reduction, reduced) = g.definition(sum), let op = reduction as? ReduceSum,
      reduced[0] == quotient[0]
    else { return nil }
    return (x[0], quotient[0], sum, op.axes)
  }

  /// True when x is already `y − max`: nothing to gain.
  private static func isShifted(_ x: Value, _ g: RewriteContext) -> Bool {
    guard let difference = g.operands(of: x, as: Subtract.self) else { return false }
    var value = difference[1]
    while let (op, operands) = g.definition(value) {
      if op is ReduceMax { return true }
      guard op is Broadcast || op is Reshape || op is StopGradient else { return false }
      value = operands[0]
    }
    return false
  }

  private static func shifted(
    _ x: Value, _ axes: [Int], _ at: SourceLocation, _ g: inout RewriteContext
  ) -> Value? {
    if isShifted(x, g) { return x }
    let shape = g.type(x).shape
    let kept = (0..<shape.rank).filter { !axes.contains($0) }
    guard let maximum = g.emit(ReduceMax(axes: axes), [x], at),
      let repeated = g.emit(Broadcast(shape: shape, axes: kept), [maximum], at)
    else { return nil }
    return g.emit(Subtract(), [x, repeated], at)
  }

  package static let rules: [Rule] = [
    // log(softmax x)
    Rule("log-softmax", on: Log.self) { node, g in
      guard node.op is Log, let parts = softmaxParts(node.operands[0], g) else { return nil }
      let at = node.location
      let shape = g.type(parts.x).shape
      let kept = (0..<shape.rank).filter { !parts.axes.contains($0) }
      guard let y = shifted(parts.x, parts.axes, at, &g), let e = g.emit(Exp(), [y], at),
        let sum = g.emit(ReduceSum(axes: parts.axes), [e], at), let log = g.emit(Log(), [sum], at),
        let repeated = g.emit(Broadcast(shape: shape, axes: kept), [log], at)
      else { return nil }
      return g.emit(Subtract(), [y, repeated], at).map { [$0] }
    },
    // softmax without its maximum
    Rule("softmax-shift", on: Divide.self) { node, g in
      guard node.op is Divide, let x = g.operands(of: node.operands[0], as: Exp.self)?[0],
        let (repeated, sums) = g.definition(node.operands[1]), repeated is Broadcast
      else { return nil }
      var sum = sums[0]
      if let inner = g.operands(of: sum, as: Reshape.self) { sum = inner[0] }
      guard let (reduction, reduced) = g.definition(sum), let op = reduction as? ReduceSum,
        reduced[0] == node.operands[0], !isShifted(x, g)
      else { return nil }
      let at = node.location
      let shape = node.type.shape
      let kept = (0..<shape.rank).filter { !op.axes.contains($0) }
      guard let y = shifted(x, op.axes, at, &g), let e = g.emit(Exp(), [y], at),
        let total = g.emit(ReduceSum(axes: op.axes), [e], at),
        let wide = g.emit(Broadcast(shape: shape, axes: kept), [total], at)
      else { return nil }
      return g.emit(Divide(), [e, wide], at).map { [$0] }
    },
    // log(logistic x) → min(x, 0) − log1p(exp(−|x|))
    Rule("log-logistic", on: Log.self) { node, g in
      guard node.op is Log, let x = g.operands(of: node.operands[0], as: Logistic.self)?[0],
        let low = minimumWithZero(x, node.location, &g), let rest = tail(x, node.location, &g)
      else { return nil }
      return g.emit(Subtract(), [low, rest], node.location).map { [$0] }
    },
    // log(1 − logistic x) → min(−x, 0) − log1p(exp(−|x|))
    Rule("log-one-minus-logistic", on: Log.self) { node, g in
      guard node.op is Log, let difference = g.operands(of: node.operands[0], as: Subtract.self),
        g.isSplat(difference[0], 1),
        let x = g.operands(of: difference[1], as: Logistic.self)?[0],
        let negative = g.emit(Negate(), [x], node.location),
        let low = minimumWithZero(negative, node.location, &g),
        let rest = tail(x, node.location, &g)
      else { return nil }
      return g.emit(Subtract(), [low, rest], node.location).map { [$0] }
    },
    // log(x + 1) → log1p x
    Rule("log-one-plus", on: Log.self) { node, g in
      guard node.op is Log, let sum = g.operands(of: node.operands[0], as: Add.self),
        g.isSplat(sum[1], 1)
      else { return nil }
      return g.emit(Log1p(), [sum[0]], node.location).map { [$0] }
    },
    // exp(x) − 1 → expm1 x
    Rule("exp-minus-one", on: Subtract.self) { node, g in
      guard node.op is Subtract, g.isSplat(node.operands[1], 1),
        let x = g.operands(of: node.operands[0], as: Exp.self)
      else { return nil }
      return g.emit(Expm1(), [x[0]], node.location).map { [$0] }
    },
    // log1p(exp x) → max(x, 0) + log1p(exp(−|x|))
    Rule("softplus", on: Log1p.self) { node, g in
      guard node.op is Log1p, let x = g.operands(of: node.operands[0], as: Exp.self)?[0] else {
        return nil
      }
      // exp(−|y|) never overflows: leave the stable form alone.
      if let inner = g.operands(of: x, as: Negate.self),
        g.operands(of: inner[0], as: Abs.self) != nil
      {
        return nil
      }
      guard let zero = g.constant(0, like: node.type, node.location),
        let high = g.emit(Maximum(), [x, zero], node.location),
        let rest = tail(x, node.location, &g)
      else { return nil }
      return g.emit(Add(), [high, rest], node.location).map { [$0] }
    },
  ]
}
