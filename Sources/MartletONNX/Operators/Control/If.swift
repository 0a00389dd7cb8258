import MartletOps

/// One of two bodies. https://onnx.ai/onnx/operators/onnx__If.html
///
/// A condition that is known takes its body's nodes in; another chooses at run time between bodies
/// whose outputs are of equal types. Where they are not, the condition has to be known.
struct If: Operator {
  static let name = "If"
  static let folds = false

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let bodies = [try node.graph("then_branch"), try node.graph("else_branch")]
    if node.knownConstant(0) == nil, let chosen = choice(node) { return chosen }
    let condition = try node.constant(0)
    guard condition.count == 1 else { throw node.invalid("the condition is not one element") }
    let body = bodies[condition.integers[0] != 0 ? 0 : 1]
    return try node.importer.outputs(of: body, [], in: node.scope, node: node.label)
  }

  /// Both bodies under a choice at run time; nil where that cannot be.
  private static func choice(_ node: NodeContext) -> [ONNXValue]? {
    guard let condition = try? node.tensor(0), condition.count == 1 else { return nil }
    var types: [[ElementType?]] = []
    // Behind the outputs: whether a loop inside was cut off.
    let bodies = ["then_branch", "else_branch"].compactMap { try? node.graph($0) }
    let isWatched = bodies.contains(where: node.importer.mayOverrun)
    var labels: [String] = []
    func body(_ name: String) -> () throws -> [Tensor] {
      return {
        let (values, overrun) = try node.importer.collectingOverruns {
          try node.importer.outputs(
            of: node.graph(name), [], in: node.scope, node: node.label)
        }
        types.append(values.map(\.elementType))
        let tensors = try values.map { try node.tensor($0, "an output of a branch") }
        guard isWatched else { return tensors }
        if let overrun { labels.append(overrun.node) }
        return tensors + [overrun?.condition ?? node.scalar(0, .bool)]
      }
    }
    let chosen = node.attempt { attempt in
      conditional(
        condition.reshaped([]), then: attempt.closure(body("then_branch")),
        else: attempt.closure(body("else_branch")))
    }
    guard let chosen, types.count == 2, types[0] == types[1],
      types[0].count + (isWatched ? 1 : 0) == chosen.count
    else { return nil }
    if let label = labels.first, let overrun = chosen.last {
      node.importer.overruns.append((overrun, label))
    }
    return zip(chosen, types[0]).map { tensor, type in
      .tensor(tensor, as: type.flatMap { $0.isNative ? nil : $0 })
    }
  }
}
