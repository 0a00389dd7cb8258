import MartletIR
import MartletOps

/// Evaluates operations whose operands are all literals, and reductions over no elements.
///
///     %1 = constant 16         →     %3 = constant 0x1p-4
///     %2 = constant 1
///     %3 = divide %2, %1
///
/// Rounds to the dtype after each operation, as the kernels do; integers fold in wrap-around
/// integers. A function of the C library may differ from the kernel's in the last place: within the
/// operation's declared ULP. Large literals are not folded: they would only cost memory; but a
/// factor of each output channel becomes part of a literal filter (`foldScales`).
package struct ConstantFolding: Pass {
  package static let name = "fold"
  static let maximumElements = 1024
  package init() {}

  package func run(on graph: inout Graph, _ context: PassContext) throws(CompileError) {
    rewrite(
      &graph, [ConstantFolding.fold, ConstantFolding.emptyReduction], context, limit: 4)
    foldScales(&graph)
  }

  /// f(constants) → constant
  static let fold = Rule("fold-constants") { node, g in
    // One operand at least is a literal as it stands: of literals that are all repeated nothing
    // becomes shorter.
    guard !node.operands.isEmpty, !node.hasRegions, node.resultCount == 1,
      node.operands.contains(where: { g.isDefined($0, by: Constant.self) }),
      node.operands.allSatisfy({
        g.isDefined($0, by: Constant.self) || g.isDefined($0, by: Broadcast.self)
      }), node.type.count <= maximumElements
    else { return nil }
    // A broadcast literal is already in its shortest form.
    if node.op is Broadcast || node.op is Reshape { return nil }
    // What a user's C gives is not quite what the reference says.
    if node.op is Custom { return nil }
    var inputs: [HostArray] = []
    for operand in node.operands {
      guard let array = g.literal(operand) ?? repeated(operand, g), array.count <= maximumElements
      else { return nil }
      inputs.append(array)
    }
    guard let op = node.op as? any Op, let result = try? op.evaluate(inputs, [])[0] else {
      return nil
    }
    return g.emit(Constant(result), [], node.location).map { [$0] }
  }

  /// The elements of a broadcast literal.
  private static func repeated(_ value: Value, _ g: RewriteContext) -> HostArray? {
    guard g.type(value).count <= maximumElements, let definition = g.definition(value),
      let op = definition.op as? Broadcast, let array = g.literal(definition.operands[0])
    else { return nil }
    return op.evaluate([array], [])[0]
  }

  /// A sum (product, …) over no elements is the neutral element.
  static let emptyReduction = Rule(
    "empty-reduction", on: ReduceSum.self, ReduceMax.self, ReduceMin.self, ReduceProduct.self
  ) { node, g in
    guard g.type(node.operands[0]).count == 0, node.type.count > 0, let op = node.op as? any Op
    else { return nil }
    let type = node.type
    guard
      let neutral = try? op.evaluate(
        [HostArray(g.type(node.operands[0]), [Double]())], [])[0].splatValue
    else { return nil }
    return g.constant(neutral, type, node.location).map { [$0] }
  }
}
