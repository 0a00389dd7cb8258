// Operations that ONNX has no operator for, as others that it has: rewritten in the graph before it is
// written.

import MartletExecution
import MartletIR
import MartletOps

enum Expansion {
  /// The graph with called bodies, attention, running products and the like as operations that have
  /// an ONNX form, in bodies too; values that nobody reads are gone.
  static func expanded(_ graph: Graph) -> Graph {
    var flat = Graph(name: graph.name)
    var map: [Value: Value] = [:]
    for parameter in graph.parameters {
      map[parameter.value] = flat.addParameter(
        graph.type(parameter.value), name: parameter.name, role: parameter.role)
    }
    append(graph, to: &flat, &map)
    for output in graph.outputs {
      if let value = map[output.value] {
        flat.addOutput(value, name: output.name, role: output.role)
      }
    }
    return needed(flat)
  }

  private static func append(_ body: Graph, to flat: inout Graph, _ map: inout [Value: Value]) {
    for node in body.nodes {
      let operands = node.operands.compactMap { map[$0] }
      let inlined = node.op is Call ? node.regions.first : replacement(node, body)
      if let inlined {
        var inner: [Value: Value] = [:]
        for (parameter, operand) in zip(inlined.parameters, operands) {
          inner[parameter.value] = operand
        }
        append(inlined, to: &flat, &inner)
        for (result, output) in zip(node.results, inlined.outputs) {
          map[result] = inner[output.value]
        }
        continue
      }
      let results = flat.append(
        node.op, operands, types: node.results.map { body.type($0) },
        regions: node.regions.map(expanded), location: node.location)
      for (old, new) in zip(node.results, results) { map[old] = new }
    }
  }

  /// The graph without the nodes that no output depends on.
  private static func needed(_ graph: Graph) -> Graph {
    var wanted = Set(graph.outputs.map(\.value))
    var kept = [Bool](repeating: false, count: graph.nodes.count)
    for (index, node) in graph.nodes.enumerated().reversed()
    where node.results.contains(where: wanted.contains) {
      kept[index] = true
      wanted.formUnion(node.operands)
    }
    guard kept.contains(false) else { return graph }
    var result = Graph(name: graph.name)
    var map: [Value: Value] = [:]
    for parameter in graph.parameters {
      map[parameter.value] = result.addParameter(
        graph.type(parameter.value), name: parameter.name, role: parameter.role)
    }
    for (index, node) in graph.nodes.enumerated() where kept[index] {
      let values = result.append(
        node.op, node.operands.compactMap { map[$0] },
        types: node.results.map { graph.type($0) }, regions: node.regions, location: node.location)
      for (old, new) in zip(node.results, values) { map[old] = new }
    }
    for output in graph.outputs {
      if let value = map[output.value] {
        result.addOutput(value, name: output.name, role: output.role)
      }
    }
    return result
  }

  // MARK: - What each is made of

  private static func replacement(_ node: Node, _ graph: Graph) -> Graph? {
    switch node.op {
    case let op as MartletOps.Attention:
      traced(node, graph) { x in
        let plain = PlainAttention(op.geometry, x)
        return [plain.output().output, plain.statistic]
      }
    case let op as MartletOps.AttentionGradient:
      traced(node, graph) { x in
        let count = op.geometry.operandCount
        return PlainAttention(op.geometry, Array(x.prefix(count))).gradients(
          x[count], x[count + 1], x[count + 2])
      }
    case let op as MartletOps.Conv2D where op.geometry.padding.contains { $0 < 0 }:
      traced(node, graph) { [convolution($0[0], $0[1], op.geometry)] }
    case let op as MartletOps.Conv2DInputGradient where op.geometry.padding.contains { $0 < 0 }:
      traced(node, graph) { [inputGradient($0[0], $0[1], op.geometry)] }
    case let op as MartletOps.Conv2DFilterGradient:
      traced(node, graph) { [filterGradient($0[0], $0[1], op.geometry)] }
    case let op as MartletOps.MaxWindow where isRead(node.results[1], graph):
      traced(node, graph) { maxWithPlace($0[0], op.geometry, graph.type(node.result).shape) }
    case let op as MartletOps.MaxWindow where !op.geometry.hasPlainPads:
      traced(node, graph) { x in
        let places = x[0].trace.constant(0, .int32)
        return [
          maxPool(x[0], op.geometry), places.broadcasted(to: graph.type(node.results[1]).shape),
        ]
      }
    case let op as MartletOps.SumWindow where !op.geometry.hasPlainPads:
      traced(node, graph) { [sumPool($0[0], op.geometry)] }
    case let op as MartletOps.WindowGather:
      traced(node, graph) { [windowGather($0[0], $0[1], op.geometry)] }
    case let op as MartletOps.WindowScatter:
      traced(node, graph) { [windowScatter($0[0], $0[1], op.geometry)] }
    case let op as MartletOps.SumWindowTranspose:
      traced(node, graph) { [sumPoolTranspose($0[0], op.geometry)] }
    case let op as MartletOps.Pad where op.interior.contains { $0 > 0 }:
      traced(node, graph) { [spread($0[0], $0[1], op)] }
    case let op as Iota where graph.type(node.result).shape.rank > 1:
      // A vector that is broadcast: the batch is then no constant's extent.
      traced(node, graph) { _, trace in
        let type = graph.type(node.result)
        var extents = [Int](repeating: 1, count: type.shape.rank)
        extents[op.axis] = type.shape[op.axis]
        let line = trace.iota(TensorType(type.dtype, [type.shape[op.axis]]), axis: 0)
        return [line.reshaped(Shape(extents)).broadcasted(to: type.shape)]
      }
    case is Atan2: traced(node, graph) { [arcTangent($0[0], $0[1])] }
    case is GeluSlope:
      traced(node, graph) { x in
        let square = x[0] * x[0]
        return [
          (erf(x[0] * 0.7071067811865476) + 1) * 0.5
            + x[0] * (exp(square * -0.5) * 0.3989422804014327)
        ]
      }
    case let op as CumulativeProduct:
      traced(node, graph) { [running($0[0], op)] }
    case let op as LinearRecurrence:
      traced(node, graph) { [recurrence($0[0], $0[1], op.axis, reverse: op.reverse)] }
    case let op as CumulativeExtreme:
      traced(node, graph) { [places($0[0], op)] }
    case let op as ScatterAdd where op.axis > 0:
      traced(node, graph) { x in
        [
          outermost(x[0], x[1], x[2], op.axis) {
            record(ScatterAdd(axis: 0), $0, $1, $2)
          }
        ]
      }
    case let op as ScatterSet where op.axis > 0:
      traced(node, graph) { x in
        [
          outermost(x[0], x[1], x[2], op.axis) {
            record(ScatterSet(axis: 0), $0, $1, $2)
          }
        ]
      }
    default: nil
    }
  }

  /// Whether an operation or an output reads a value; `needed` keeps nodes for any of their results.
  private static func isRead(_ value: Value, _ graph: Graph) -> Bool {
    graph.outputs.contains { $0.value == value }
      || graph.nodes.contains { $0.operands.contains(value) }
  }

  private static func traced(
    _ node: Node, _ graph: Graph, _ body: ([Tensor]) -> [Tensor]
  ) -> Graph? { traced(node, graph) { x, _ in body(x) } }

  private static func traced(
    _ node: Node, _ graph: Graph, _ body: ([Tensor], Trace) -> [Tensor]
  ) -> Graph? {
    let trace = Trace(name: node.op.name, isTraining: false)
    defer { trace.release() }
    let arguments = node.operands.enumerated().map {
      trace.argument(graph.type($0.element), name: "x\($0.offset)")
    }
    let results = Trace.$current.withValue(trace) { body(arguments, trace) }
    let values = results.compactMap(\.value)
    guard values.count == results.count, values.count == node.results.count,
      zip(results, node.results).allSatisfy({ $0.type == graph.type($1) }),
      trace.diagnostics.isEmpty
    else { return nil }
    var made = trace.graph
    for value in values { made.addOutput(value) }
    return made
  }

  /// atan(y / x), moved by π where x is negative.
  private static func arcTangent(_ y: Tensor, _ x: Tensor) -> Tensor {
    let isBelow = (y .< 0) .| (reciprocal(y) .< 0)
    let half = select(isBelow, y.filled(-Double.pi), y.filled(Double.pi))
    let angle = atan(y / x)
    // On the axis: a quarter turn, and at the origin what the sign of x's zero says.
    let origin = select(reciprocal(x) .< 0, half, y)
    let upright = select(y .== 0, origin, select(y .== y, half * 0.5, y))
    return select(x .== 0, upright, select(x .> 0, angle, angle + half))
  }

  /// The elements `by` places before (or behind, `reverse`), `value` at the ends.
  private static func shifted(
    _ x: Tensor, _ axis: Int, by count: Int, reverse: Bool, value: Double
  ) -> Tensor {
    var (low, high) = ([Int](repeating: 0, count: x.rank), [Int](repeating: 0, count: x.rank))
    (low[axis], high[axis]) = reverse ? (-count, count) : (count, -count)
    return x.padded(low: low, high: high, with: value)
  }

  /// By doubling (Hillis and Steele 1986): after step s each element holds the product of 2ˢ.
  private static func running(_ x: Tensor, _ op: CumulativeProduct) -> Tensor {
    var y = op.exclusive ? shifted(x, op.axis, by: 1, reverse: op.reverse, value: 1) : x
    var step = 1
    while step < x.shape[op.axis] {
      y = y * shifted(y, op.axis, by: step, reverse: op.reverse, value: 1)
      step *= 2
    }
    return y
  }

  /// y[k] = a[k]·y[k−1] + b[k], by doubling over the maps y ↦ a·y + b.
  private static func recurrence(
    _ a: Tensor, _ b: Tensor, _ axis: Int, reverse: Bool
  ) -> Tensor {
    var (a, b) = (a, b)
    var step = 1
    while step < b.shape[axis] {
      b = b + a * shifted(b, axis, by: step, reverse: reverse, value: 0)
      a = a * shifted(a, axis, by: step, reverse: reverse, value: 1)
      step *= 2
    }
    return b
  }

  /// The places of the running maximum, by doubling: of two equal elements the earlier stays.
  private static func places(_ x: Tensor, _ op: CumulativeExtreme) -> Tensor {
    let dtype = DType.int32
    var best = x
    var place = x.trace.iota(TensorType(dtype, x.shape), axis: op.axis)
    var step = 1
    while step < x.shape[op.axis] {
      let other = shifted(best, op.axis, by: step, reverse: op.reverse, value: 0)
      let at = shifted(place, op.axis, by: step, reverse: op.reverse, value: -1)
      // What comes before wins where it is as good, and a NaN wins over all.
      var wins = op.minimum ? other .<= best : other .>= best
      if x.dtype.isFloatingPoint { wins = wins .| (other .!= other) }
      let takes = wins .& (at .>= 0)
      best = select(takes, other, best)
      place = select(takes, at, place)
      step *= 2
    }
    return place
  }

  /// An operation along the first axis, for another one: that comes to the front and back.
  private static func outermost(
    _ base: Tensor, _ indices: Tensor, _ updates: Tensor, _ axis: Int,
    _ body: (Tensor, Tensor, Tensor) -> Tensor
  ) -> Tensor {
    let rank = base.rank
    let front = [axis] + (0..<rank).filter { $0 != axis }
    let count = indices.rank
    // [outer…, J…, inner…] → [J…, outer…, inner…]
    let order =
      Array(axis..<(axis + count)) + Array(0..<axis) + Array((axis + count)..<updates.rank)
    let result = body(base.transposed(front), indices, updates.transposed(order))
    var back = [Int](repeating: 0, count: rank)
    for (place, axis) in front.enumerated() { back[axis] = place }
    return result.transposed(back)
  }
}
