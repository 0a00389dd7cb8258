import MartletIR
import MartletLoops
import MartletOps

/// Moves transposes towards the results, so that those between two contractions of an imported model
/// meet and vanish.
///
///     %1 = conv2d …                                  %1 = conv2d …
///     %2 = transpose {permutation=[0,3,1,2]} %1      %2 = maximum %1, …
///     %3 = maximum %2, …                        →    %3 = conv2d %2, …
///     %4 = transpose {permutation=[0,2,3,1]} %3
///     %5 = conv2d %4, …
///
/// f(transpose x) = transpose f(x) for elementwise f, and for what moves or combines along axes with
/// the axes renamed. Other operands have to be transposes too, or values repeated along axes; those of
/// another kind stop the rule. For graphs whose files are channels-first: ``CompileOptions`` names it.
package struct TransposeSinking: Pass {
  package static let name = "sink-transposes"
  package init() {}

  package func run(on graph: inout Graph, _ context: PassContext) throws(CompileError) {
    rewrite(
      &graph,
      [
        TransposeSinking.ofUnits, TransposeSinking.pair, TransposeSinking.move,
        TransposeSinking.reduce, TransposeSinking.concatenate, TransposeSinking.elementwise,
      ], context, limit: 4)
  }

  /// The permutation of a transpose that defines a value, and what it permutes.
  private static func transposed(
    _ value: Value, _ g: RewriteContext
  ) -> (permutation: [Int], inner: Value)? {
    guard g.isDefined(value, by: Transpose.self), let (op, operands) = g.definition(value),
      let transpose = op as? Transpose
    else { return nil }
    return (transpose.permutation, operands[0])
  }

  private static func inverse(_ permutation: [Int]) -> [Int] {
    var result = permutation
    for (from, to) in permutation.enumerated() { result[to] = from }
    return result
  }

  /// transpose x, where only axes of one element move → reshape x
  private static let ofUnits = Rule("transpose-of-units", on: Transpose.self) { node, g in
    guard let op = node.op as? Transpose else { return nil }
    let shape = g.type(node.operands[0]).shape
    let long = op.permutation.filter { shape[$0] != 1 }
    guard long == long.sorted() else { return nil }
    return g.emit(Reshape(node.type.shape), node.operands, node.location).map { [$0] }
  }

  /// transpose (transpose x) → transpose x, or x
  private static let pair = Rule("transpose-of-transpose", on: Transpose.self) { node, g in
    guard let op = node.op as? Transpose, let (first, inner) = transposed(node.operands[0], g)
    else { return nil }
    let both = op.permutation.map { first[$0] }
    if both == Array(both.indices) { return [inner] }
    return g.emit(Transpose(both), [inner], node.location).map { [$0] }
  }

  /// slice, pad, reverse or gather (transpose x) → transpose (slice x)
  private static let move = Rule(
    "sink-transpose", on: Slice.self, Pad.self, Reverse.self, Gather.self
  ) { node, g in
    guard let (p, inner) = transposed(node.operands[0], g) else { return nil }
    func placed(_ values: [Int]) -> [Int] {
      var result = values
      for (axis, value) in values.enumerated() { result[p[axis]] = value }
      return result
    }
    let moved: any Op
    switch node.op {
    case let op as Slice:
      moved = Slice(
        start: placed(op.start), limit: placed(op.limit), stride: placed(op.stride))
    case let op as Pad:
      moved = Pad(low: placed(op.low), high: placed(op.high), interior: placed(op.interior))
    case let op as Reverse: moved = Reverse(axes: op.axes.map { p[$0] }.sorted())
    case let op as Gather where g.type(node.operands[1]).shape.rank == 1:
      moved = Gather(axis: p[op.axis])
    default: return nil
    }
    guard let result = g.emit(moved, [inner] + node.operands.dropFirst(), node.location) else {
      return nil
    }
    return g.emit(Transpose(p), [result], node.location).map { [$0] }
  }

  /// sum (transpose x) → transpose (sum x)
  private static let reduce = Rule(
    "sink-transpose-through-reduction", on: ReduceSum.self, ReduceMax.self, ReduceMin.self,
    ReduceProduct.self
  ) { node, g in
    guard let op = node.op as? any Reduction, let (p, inner) = transposed(node.operands[0], g)
    else { return nil }
    let axes = op.axes.map { p[$0] }.sorted()
    func renamed<R: Reduction>(_: R) -> any Op { R(axes: axes) }
    guard let result = g.emit(renamed(op), [inner], node.location) else { return nil }
    let kept = p.indices.filter { !axes.contains($0) }
    let wanted = p.indices.filter { !op.axes.contains($0) }.map { p[$0] }
    let order = wanted.compactMap { kept.firstIndex(of: $0) }
    if order == Array(order.indices) { return [result] }
    return g.emit(Transpose(order), [result], node.location).map { [$0] }
  }

  /// concatenate (transpose x, transpose y) → transpose (concatenate x, y)
  private static let concatenate = Rule(
    "sink-transpose-through-concatenate", on: Concatenate.self
  ) { node, g in
    guard let op = node.op as? Concatenate, let first = node.operands.first,
      let (p, _) = transposed(first, g)
    else { return nil }
    var inner: [Value] = []
    for operand in node.operands {
      guard let (q, x) = transposed(operand, g), q == p else { return nil }
      inner.append(x)
    }
    guard let result = g.emit(Concatenate(axis: p[op.axis]), inner, node.location) else {
      return nil
    }
    return g.emit(Transpose(p), [result], node.location).map { [$0] }
  }

  /// f(transpose x, …) → transpose f(x, …)
  private static let elementwise = Rule("sink-transpose-through-elementwise") { node, g in
    guard node.resultCount == 1, !node.hasRegions,
      let first = node.operands.first(where: { g.isDefined($0, by: Transpose.self) }),
      let (p, _) = transposed(first, g), case .elementwise? = node.lowering,
      node.operands.allSatisfy({ g.type($0).shape.rank == p.count })
    else { return nil }
    let q = inverse(p)
    var inner: [Value] = []
    for operand in node.operands {
      guard let x = permuted(operand, by: q, undoing: p, &g, node.location) else { return nil }
      inner.append(x)
    }
    guard let result = g.emit(node.op, inner, node.location) else { return nil }
    return g.emit(Transpose(p), [result], node.location).map { [$0] }
  }

  /// An operand with its axes in the order `q`, at no cost; nil where there is one.
  private static func permuted(
    _ value: Value, by q: [Int], undoing p: [Int], _ g: inout RewriteContext,
    _ location: SourceLocation
  ) -> Value? {
    if let (other, inner) = transposed(value, g) { return other == p ? inner : nil }
    let shape = g.type(value).shape
    if let (op, operands) = g.definition(value), let broadcast = op as? Broadcast {
      let target = Shape(q.map { shape[$0] })
      let axes = broadcast.axes.map { p[$0] }
      let order = axes.indices.sorted { axes[$0] < axes[$1] }
      var source = operands[0]
      if order != Array(order.indices) {
        guard let sorted = g.emit(Transpose(order), [source], location) else { return nil }
        source = sorted
      }
      return g.emit(Broadcast(shape: target, axes: order.map { axes[$0] }), [source], location)
    }
    // A small literal folds.
    guard g.literal(value) != nil, shape.count <= ConstantFolding.maximumElements else {
      return nil
    }
    return g.emit(Transpose(q), [value], location)
  }
}
