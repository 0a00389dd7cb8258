// Rewrite rules: pure, named, local. A pass is a list of them applied in one forward walk.

import MartletIR
import MartletLoops
import MartletOps

/// A node under rewriting: its operation with operands in the new graph.
package struct Match {
  package let op: any Op
  package let operands: [Value]
  package let types: [TensorType]
  package let location: SourceLocation
  package let regions: [Graph]
}

/// The graph that rules build, with the questions that they ask.
package struct RewriteContext {
  package var rewriter: GraphRewriter

  package func type(_ value: Value) -> TensorType { rewriter.graph.type(value) }

  /// The operation that defines a value, and its operands; nil for parameters.
  package func definition(_ value: Value) -> (op: any Op, operands: [Value])? {
    guard let node = rewriter.graph.definition(value), let op = node.op as? any Op else {
      return nil
    }
    return (op, node.operands)
  }

  /// The operands of a value that an operation of type `O` defines.
  package func operands<O: Op>(of value: Value, as _: O.Type) -> [Value]? {
    guard let (op, operands) = definition(value), op is O else { return nil }
    return operands
  }

  /// The one number that every element of a value is, seen through broadcasts and reshapes.
  package func splat(_ value: Value) -> HostArray? {
    var value = value
    while let (op, operands) = definition(value) {
      if let constant = op as? Constant { return constant.array.splatValue }
      guard op is Broadcast || op is Reshape || op is Transpose || op is StopGradient,
        let next = operands.first
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
  package mutating func emit(_ op: any Op, _ operands: [Value], _ location: SourceLocation)
    -> Value?
  {
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
package func rewrite(
  _ graph: inout Graph, _ rules: [Rule], _ passContext: PassContext = PassContext(), limit: Int = 8
) {
  // Rules by the type of their root: a node meets only those that can match it.
  let general = rules.filter { $0.roots == nil }
  var byRoot: [ObjectIdentifier: [Rule]] = [:]
  for rule in rules {
    for root in rule.roots ?? [] { byRoot[ObjectIdentifier(root), default: []].append(rule) }
  }
  for _ in 0..<limit {
    var changed = false
    var context = RewriteContext(rewriter: GraphRewriter(graph))
    nodes: for node in graph.nodes {
      let own = byRoot[ObjectIdentifier(type(of: node.op))] ?? []
      if !own.isEmpty || !general.isEmpty, let op = node.op as? any Op {
        let operands = node.operands.compactMap { context.rewriter[$0] }
        let match = Match(
          op: op, operands: operands, types: node.results.map { graph.type($0) },
          location: node.location, regions: node.regions)
        for rule in own + general {
          guard let replacement = rule.apply(match, &context),
            replacement.count == node.resultCount,
            zip(replacement, match.types).allSatisfy({ context.type($0) == $1 })
          else { continue }
          passContext.observeRule?(rule.name, node.op.name)
          for (old, new) in zip(node.results, replacement) {
            context.rewriter.replace(old, with: new)
          }
          changed = true
          continue nodes
        }
      }
      context.rewriter.copy(node)
    }
    guard changed else { return }
    graph = context.rewriter.finish()
    removeDeadNodes(&graph)
  }
}
