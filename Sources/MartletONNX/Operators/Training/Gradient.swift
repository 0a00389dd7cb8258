import MartletIR
import MartletONNXFormat
import MartletOps
import MartletPasses

/// Derivatives of a value that the graph names by others that it names, where these have given values.
/// The part of the graph between them runs again for the given values; common parts are shared by the
/// compiler. https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Gradient.html
struct Gradient: Operator {
  static let name = "Gradient"
  static let domain = trainingDomain
  static let folds = false

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    guard let xs = try node.strings("xs"), let y = try node.string("y") else {
      throw node.invalid("xs or y is missing")
    }
    let names = xs + (try node.strings("zs") ?? [])
    guard names.count == node.inputs.count, Set(names).count == names.count else {
      throw node.invalid("\(node.inputs.count) inputs for \(names.count) names")
    }
    let scope = Scope(inside: node.scope)
    var variables: [Tensor] = []
    for (index, name) in names.enumerated() {
      // A value of its own: what else reads the input is no part of the function.
      let input = try node.tensor(index)
      let variable = node.trace.record(MartletOps.Reshape(input.shape), [input])[0]
      variables.append(variable)
      scope.define(name, .tensor(variable))
    }
    try node.importer.run(part(of: node, giving: y, from: Set(names)), in: scope)
    guard let value = scope[y] else {
      throw node.invalid("'\(printable(y))' is not defined")
    }
    let result = try node.tensor(value, "y")
    guard result.dtype.isFloatingPoint,
      variables.prefix(xs.count).allSatisfy(\.dtype.isFloatingPoint)
    else { throw node.invalid("derivatives of \(result.type)") }
    return vectorJacobianProduct(
      [result], cotangents: [onesLike(result)], wrt: Array(variables.prefix(xs.count))
    ).map { .tensor($0) }
  }

  /// The nodes of the model's graph that lead from some values to one.
  private static func part(
    of node: NodeContext, giving y: String, from names: Set<String>
  ) -> [OnnxNodeProto] {
    var needed: Set<String> = [y]
    var part: [OnnxNodeProto] = []
    for candidate in node.importer.file.model.graph.node.reversed()
    where candidate.output.contains(where: { needed.contains($0) && !names.contains($0) }) {
      part.append(candidate)
      needed.formUnion(read(by: candidate))
    }
    return part.reversed()
  }

  /// The names that a node reads, those of its bodies included.
  private static func read(by node: OnnxNodeProto) -> Set<String> {
    var names: Set<String> = []
    var stack = [node]
    while let next = stack.popLast() {
      names.formUnion(next.input)
      for attribute in next.attribute {
        stack += attribute.g.node + attribute.graphs.flatMap(\.node)
      }
    }
    names.remove("")
    return names
  }
}
