// Rewrite rules: pure, named, local. A pass is a list of them applied in one forward walk.

import MartletIR
import MartletLoops
import MartletOps

/// A node under rewriting: its operation with operands in the new graph.
package struct Match {
  package let op: any Operation
  package let operands: [Value]
  package let location: SourceLocation
  package let hasRegions: Bool
  fileprivate let values: [ValueInfo]
  fileprivate let results: Range<Int>

  /// The type of the first result.
  package var type: TensorType { values[results.lowerBound].type }
  package var resultCount: Int { results.count }
  /// How the operation becomes a kernel. Costs more than a look at the operands: ask last.
  package var lowering: MartletOps.Lowering? { (op as? any Op)?.lowering }
}

/// The graph that rules build, with the questions that they ask.
package struct RewriteContext {
  package var rewriter: GraphRewriter
  /// The node of the source that is being matched.
  fileprivate var node = 0

  fileprivate init(_ rewriter: GraphRewriter) { self.rewriter = rewriter }

  package func type(_ value: Value) -> TensorType { rewriter.graph.type(value) }

  /// The operation that defines a value, and its operands; nil for parameters.
  package func definition(_ value: Value) -> (op: any Operation, operands: [Value])? {
    guard let node = rewriter.graph.values[value.id].node else { return nil }
    return (rewriter.graph.nodes[node].op, rewriter.graph.nodes[node].operands)
  }

  /// True when an operation of type `O` defines a value. Types are compared, which is far cheaper
  /// than a cast.
  package func isDefined<O: Operation>(_ value: Value, by _: O.Type) -> Bool {
    guard let node = rewriter.graph.values[value.id].node else { return false }
    return Swift.type(of: rewriter.graph.nodes[node].op) == O.self
  }

  /// The operands of a value that an operation of type `O` defines.
  package func operands<O: Op>(of value: Value, as _: O.Type) -> [Value]? {
    guard let node = rewriter.graph.values[value.id].node,
      Swift.type(of: rewriter.graph.nodes[node].op) == O.self
    else { return nil }
    return rewriter.graph.nodes[node].operands
  }

  /// The literal that defines a value.
  package func literal(_ value: Value) -> HostArray? {
    guard let node = rewriter.graph.values[value.id].node,
      Swift.type(of: rewriter.graph.nodes[node].op) == Constant.self
    else { return nil }
    return (rewriter.graph.nodes[node].op as? Constant)?.array
  }

  /// The one number that every element of a value is, seen through broadcasts and reshapes.
  package func splat(_ value: Value) -> HostArray? {
    var value = value
    while let node = rewriter.graph.values[value.id].node {
      let kind = Swift.type(of: rewriter.graph.nodes[node].op)
      if kind == Constant.self { return literal(value)?.splatValue }
      guard
        kind == Broadcast.self || kind == Reshape.self || kind == Transpose.self
          || kind == StopGradient.self,
        let next = rewriter.graph.nodes[node].operands.first
      else { return nil }
      value = next
    }
    return nil
  }

  package func isSplat(_ value: Value, _ number: Double) -> Bool {
    guard let splat = splat(value) else { return false }
    return splat.double(at: 0) == number
  }

  /// Appends a node; nil when the types do not fit, which no rule should meet.
  package mutating func emit(
    _ op: any Operation, _ operands: [Value], _ location: SourceLocation
  ) -> Value? {
    rewriter.diverge(before: node)
    guard let results = try? rewriter.graph.append(op, operands, location: location) else {
      return nil
    }
    return results.first
  }

  /// A constant of a type: a scalar literal, broadcast.
  package mutating func constant(
    _ scalar: HostArray, _ type: TensorType, _ location: SourceLocation
  ) -> Value? {
    guard let value = emit(Constant(scalar), [], location) else { return nil }
    if type.shape.rank == 0 { return value }
    return emit(Broadcast(shape: type.shape, axes: []), [value], location)
  }

  package mutating func constant(
    _ number: Double, like type: TensorType, _ location: SourceLocation
  ) -> Value? {
    constant(HostArray(TensorType(type.dtype, []), [number]), type, location)
  }
}

/// One rule: the values that replace a node's results, or nil.
package struct Rule: Sendable {
  package let name: String
  /// The operations that the rule's root may be; nil for any.
  package let roots: [any Op.Type]?
  package let apply: @Sendable (Match, inout RewriteContext) -> [Value]?
  package init(
    _ name: String, on roots: (any Op.Type)...,
    apply: @escaping @Sendable (Match, inout RewriteContext) -> [Value]?
  ) {
    self.name = name
    self.roots = roots.isEmpty ? nil : roots
    self.apply = apply
  }
}

/// Applies rules to each node in order, until a walk changes nothing (at most `limit` walks).
///
/// A walk copies nothing before the first node that changes. What changes leave dead is matched no
/// more, and removed at the end.
package func rewrite(
  _ graph: inout Graph, _ rules: [Rule], _ passContext: PassContext = PassContext(), limit: Int = 8
) {
  // Rules by the type of their root: a node meets only those that can match it.
  let general = rules.filter { $0.roots == nil }
  var byRoot: [ObjectIdentifier: [Rule]] = [:]
  for rule in rules {
    for root in rule.roots ?? [] { byRoot[ObjectIdentifier(root), default: []].append(rule) }
  }
  for root in byRoot.keys { byRoot[root]? += general }
  var hasChanged = false
  defer { if hasChanged { removeDeadNodes(&graph) } }
  for walk in 0..<limit {
    let live = walk > 0 ? liveNodes(graph) : []
    var context = RewriteContext(GraphRewriter(sharing: graph))
    var changed = false
    nodes: for index in graph.nodes.indices {
      if walk > 0, !live[index] { continue }
      let rules = byRoot[ObjectIdentifier(type(of: graph.nodes[index].op))] ?? general
      if !rules.isEmpty {
        let first = graph.nodes[index].firstResult.id
        let match = Match(
          op: graph.nodes[index].op, operands: context.rewriter.operands(ofNode: index),
          location: graph.nodes[index].location,
          hasRegions: !graph.nodes[index].regions.isEmpty, values: graph.values,
          results: first..<first + graph.nodes[index].resultCount)
        context.node = index
        for rule in rules {
          guard let replacement = rule.apply(match, &context),
            replacement.count == match.resultCount,
            zip(replacement, match.results).allSatisfy({
              context.type($0) == graph.values[$1].type
            })
          else { continue }
          passContext.observeRule?(rule.name, match.op.name)
          context.rewriter.diverge(before: index)
          for (old, new) in zip(match.results, replacement) {
            context.rewriter.replace(Value(old), with: new)
          }
          changed = true
          continue nodes
        }
      }
      if !context.rewriter.sharesSource { context.rewriter.copy(nodeAt: index) }
    }
    guard changed else { return }
    hasChanged = true
    graph = context.rewriter.finish()
  }
}
