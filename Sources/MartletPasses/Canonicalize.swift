import MartletIR
import MartletLoops
import MartletOps

/// Brings equal things into one form.
///
///     %2 = stopGradient %1                     →   %1
///     %3 = call %1 { body }                    →   the body's nodes
///     %4 = reshape (reshape %1)                →   reshape %1
///     %5 = transpose (transpose %1)            →   transpose %1
///     %6 = add (broadcast %a) (broadcast %b)   →   broadcast (add %a, %b)
///     %7 = multiply constant, %1               →   multiply %1, constant
///
/// Keeps: types and bits. Runs first, and again after differentiation's nodes are in.
package struct Canonicalize: Pass {
  package static let name = "canonicalize"
  package init() {}

  package func run(on graph: inout Graph, _ context: PassContext) throws(CompileError) {
    inlineCalls(&graph)
    rewrite(&graph, Canonicalize.rules, context)
  }

  /// Replaces `call` by its body, as deep as calls nest.
  private func inlineCalls(_ graph: inout Graph) {
    func hasCalls(_ graph: Graph) -> Bool {
      graph.nodes.indices.contains { index in
        guard !graph.nodes[index].regions.isEmpty, let op = graph.nodes[index].op as? any Op,
          case .inlined = op.lowering
        else { return false }
        return true
      }
    }
    var depth = 0
    while hasCalls(graph), depth < 64 {
      depth += 1
      graph = GraphRewriter.run(graph) { rewriter, node in
        guard let op = node.op as? any Op, case .inlined = op.lowering,
          let body = node.regions.first
        else { return nil }
        var map: [Value: Value] = [:]
        for (parameter, operand) in zip(body.parameters, node.operands) {
          map[parameter.value] = rewriter[operand]
        }
        for inner in body.nodes {
          let results = rewriter.graph.append(
            inner.op, inner.operands.compactMap { map[$0] },
            types: inner.results.map { body.type($0) }, regions: inner.regions,
            location: inner.location)
          for (old, new) in zip(inner.results, results) { map[old] = new }
        }
        return body.outputs.compactMap { map[$0.value] }
      }
    }
  }

  package static let rules: [Rule] = [
    // stopGradient x → x
    Rule("stop-gradient", on: StopGradient.self) { node, _ in
      node.op is StopGradient ? [node.operands[0]] : nil
    },
    // reshape, transpose or broadcast that changes nothing → its operand
    Rule("identity-view", on: Reshape.self, Transpose.self, Broadcast.self) { node, g in
      switch node.op {
      case is Reshape: break
      case let op as Transpose where op.permutation == Array(0..<op.permutation.count): break
      case let op as Broadcast where op.axes == Array(0..<op.shape.count): break
      default: return nil
      }
      return g.type(node.operands[0]) == node.type ? [node.operands[0]] : nil
    },
    // reshape (reshape x) → reshape x
    Rule("reshape-of-reshape", on: Reshape.self) { node, g in
      guard let op = node.op as? Reshape,
        let inner = g.operands(of: node.operands[0], as: Reshape.self)
      else { return nil }
      return g.emit(op, inner, node.location).map { [$0] }
    },
    // transpose (transpose x) → transpose x
    Rule("transpose-of-transpose", on: Transpose.self) { node, g in
      guard let op = node.op as? Transpose,
        let (definition, inner) = g.definition(node.operands[0]),
        let first = definition as? Transpose
      else { return nil }
      return g.emit(Transpose(op.permutation.map { first.permutation[$0] }), inner, node.location)
        .map { [$0] }
    },
    // broadcast (broadcast x) → broadcast x
    Rule("broadcast-of-broadcast", on: Broadcast.self) { node, g in
      guard let op = node.op as? Broadcast,
        let (definition, inner) = g.definition(node.operands[0]),
        let first = definition as? Broadcast
      else { return nil }
      return g.emit(
        Broadcast(shape: Shape(op.shape), axes: first.axes.map { op.axes[$0] }), inner,
        node.location
      ).map { [$0] }
    },
    // broadcast (reshape x), where the reshape only adds or drops unit axes → broadcast x
    Rule("broadcast-of-unit-reshape", on: Broadcast.self) { node, g in
      guard let op = node.op as? Broadcast,
        let inner = g.operands(of: node.operands[0], as: Reshape.self)
      else { return nil }
      let outer = g.type(node.operands[0]).shape
      let source = g.type(inner[0]).shape
      var axes: [Int] = []
      var cursor = 0
      for axis in 0..<outer.rank where outer[axis] != 1 {
        while cursor < source.rank, source[cursor] == 1 { return nil }
        guard cursor < source.rank, source[cursor] == outer[axis] else { return nil }
        axes.append(op.axes[axis])
        cursor += 1
      }
      guard cursor == source.rank else { return nil }
      return g.emit(Broadcast(shape: Shape(op.shape), axes: axes), inner, node.location).map {
        [$0]
      }
    },
    // transpose or reshape of a splat → the splat in the new shape
    Rule("view-of-splat", on: Reshape.self, Transpose.self) { node, g in
      guard node.op is Reshape || node.op is Transpose, let splat = g.splat(node.operands[0]) else {
        return nil
      }
      return g.constant(splat, node.type, node.location).map { [$0] }
    },
    // f(broadcast a, broadcast b) → broadcast f(a, b): fewer elements, the same bits
    Rule("sink-broadcast") { node, g in
      guard !node.operands.isEmpty,
        node.operands.allSatisfy({ g.isDefined($0, by: Broadcast.self) }),
        case .elementwise? = node.lowering
      else { return nil }
      var shape: Shape?
      var axes: [Int]?
      var inner: [Value] = []
      for operand in node.operands {
        guard let (definition, source) = g.definition(operand), let op = definition as? Broadcast
        else { return nil }
        let sourceShape = g.type(source[0]).shape
        if sourceShape.rank == 0 {
          inner.append(source[0])
          continue
        }
        if let shape, shape != sourceShape || axes != op.axes { return nil }
        shape = sourceShape
        axes = op.axes
        inner.append(source[0])
      }
      // Scalars beside a larger operand stay broadcast, to the larger one's shape.
      if let shape {
        for index in inner.indices where g.type(inner[index]).shape.rank == 0 {
          guard let grown = g.emit(Broadcast(shape: shape, axes: []), [inner[index]], node.location)
          else { return nil }
          inner[index] = grown
        }
      }
      guard let small = g.emit(node.op, inner, node.location) else { return nil }
      return g.emit(
        Broadcast(shape: node.type.shape, axes: axes ?? []), [small], node.location
      ).map { [$0] }
    },
    // commutative f(constant, x) → f(x, constant)
    Rule("constant-right") { node, g in
      guard node.operands.count == 2, g.splat(node.operands[0]) != nil,
        g.splat(node.operands[1]) == nil,
        case .elementwise(.binary(let function, .operand(0), .operand(1)))? = node.lowering,
        function.isCommutative
      else { return nil }
      return g.emit(node.op, [node.operands[1], node.operands[0]], node.location).map { [$0] }
    },
  ]
}
