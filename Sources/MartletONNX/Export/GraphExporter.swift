// From the nodes of a graph to those of ONNX: what names stand for values, in which order of axes.

import MartletExecution
import MartletIR
import MartletONNXFormat
import MartletOps

/// Collects the nodes of one ONNX graph.
///
/// Martlet's images are `[N, H, W, C]`, ONNX's `[N, C, H, W]`. A value may be spelled in either
/// order, or both: a convolution gives the second, elementwise operations stay in it, and whoever
/// needs the other order gets a Transpose, once. Broadcasts are left to ONNX's own rule where they
/// can be.
final class GraphExporter {
  let graph: Graph
  /// A parameter of the program: its name, and its value when somebody reads it.
  struct State {
    var name: String
    var read: () throws -> NDArray?
    func value() throws -> NDArray {
      guard let array = try read() else {
        throw ONNXError(.unsupported, "the state '\(printable(name))' has no value")
      }
      return array
    }
  }
  private let states: [State]
  private(set) var nodes: [OnnxNodeProto] = []
  private var initializers: [OnnxTensorProto] = []
  /// Names are taken once in a file, bodies included.
  private final class Names {
    var taken: Set<String> = []
  }
  private let names: Names

  /// How a value is spelled so far.
  private struct Form {
    var plain: String?
    var channelsFirst: String?
    /// Parameters and literals: written when somebody reads them.
    var literal: Literal?
    /// A broadcast that nobody has needed at full size: its operand, at unit extents.
    var broadcast: (source: Value, extents: [Int])?
  }
  private enum Literal {
    case array(HostArray)
    case state(State)
  }
  private var forms: [Int: Form] = [:]
  private(set) var uses: [Int]
  let biasCache = BiasCache()
  /// Where nodes are being emitted, for their names.
  var scope = ""

  convenience init(_ graph: Graph, states: [State]) throws {
    try self.init(graph, states: states, names: Names())
  }

  private init(_ graph: Graph, states: [State], names: Names) throws {
    self.graph = graph
    self.names = names
    self.states = states
    guard graph.parameters.filter({ $0.role == .state }).count == states.count else {
      throw ONNXError(.unsupported, "the program's parameters are not known")
    }
    uses = [Int](repeating: 0, count: graph.values.count)
    for node in graph.nodes { for operand in node.operands { uses[operand.id] += 1 } }
    for output in graph.outputs { uses[output.value.id] += 1 }
  }

  // MARK: The graph

  func export(outputs given: [String]) throws -> OnnxGraphProto {
    var result = OnnxGraphProto()
    guard graph.outputs.allSatisfy({ $0.role == .result }), !graph.outputs.isEmpty else {
      throw ONNXError(
        .unsupported, "a program that assigns state has no ONNX form",
        hint: "compile the model for inference")
    }
    var outputNames: [String] = []
    for (index, output) in graph.outputs.enumerated() {
      let wanted = index < given.count ? given[index] : output.name
      outputNames.append(unique(wanted.isEmpty ? "output" : identifier(wanted)))
    }
    var stateCount = 0
    for parameter in graph.parameters {
      switch parameter.role {
      case .state:
        forms[parameter.value.id] = Form(literal: .state(states[stateCount]))
        stateCount += 1
      case .argument where uses[parameter.value.id] == 0: continue
      case .argument:
        let name = unique(identifier(parameter.name))
        forms[parameter.value.id] = Form(plain: name)
        result.input.append(info(name, graph.type(parameter.value)))
      }
    }
    let missing = missingOperations()
    guard missing.isEmpty else {
      let list = missing.sorted { $0.key < $1.key }.map { "\($0.key) × \($0.value)" }
      throw ONNXError(
        .unsupported, "operations without an ONNX form: \(list.joined(separator: ", "))",
        hint: "docs/onnx.md lists what can be written")
    }
    try exportNodes()
    scope = ""
    var taken: Set<String> = []
    for (output, name) in zip(graph.outputs, outputNames) {
      let spelled = try plain(output.value)
      let isNode = nodes.contains { $0.output.contains(spelled) }
      if isNode, taken.insert(spelled).inserted {
        rename(spelled, name)
        taken.insert(name)
        for (id, form) in forms where form.plain == spelled { forms[id]?.plain = name }
      } else {
        emit("Identity", [spelled], outputs: [name])
      }
      result.output.append(info(name, graph.type(output.value)))
    }
    result.node = nodes
    result.initializer = initializers
    return result
  }

  private func exportNodes() throws {
    let outer = scope
    for node in graph.nodes {
      // Before all others: a bias may be written after the product that takes it.
      if let literal = node.op as? MartletOps.Constant { define(node.result, literal.array) }
    }
    for node in graph.nodes where node.results.contains(where: { uses[$0.id] > 0 }) {
      scope = layer(of: node)
      if scope.isEmpty { scope = outer }
      try export(node)
    }
  }

  /// A body as a graph of its own: outputs are nodes of it.
  func body(_ region: Graph, _ inputs: [BodyInput], _ name: String) throws -> OnnxGraphProto {
    let inner = try GraphExporter(region, states: [], names: names)
    inner.scope = name
    var result = OnnxGraphProto()
    result.name = identifier(name)
    for (parameter, input) in zip(region.parameters, inputs) {
      switch input {
      case .outer(let name): inner.forms[parameter.value.id] = Form(plain: name)
      case .input:
        let spelled = unique("\(name)/\(identifier(parameter.name))")
        inner.forms[parameter.value.id] = Form(plain: spelled)
        result.input.append(info(spelled, region.type(parameter.value)))
      }
    }
    try inner.exportNodes()
    inner.scope = name
    for output in region.outputs {
      let spelled = inner.emit("Identity", [try inner.plain(output.value)])
      result.output.append(info(spelled, region.type(output.value)))
    }
    result.node = inner.nodes
    result.initializer = inner.initializers
    return result
  }

  /// The results of a body for values of this graph.
  func inlined(_ region: Graph, _ operands: [String]) throws -> [String] {
    let inner = try GraphExporter(region, states: [], names: names)
    inner.scope = scope
    for (parameter, name) in zip(region.parameters, operands) {
      inner.forms[parameter.value.id] = Form(plain: name)
    }
    try inner.exportNodes()
    let results = try region.outputs.map { try inner.plain($0.value) }
    nodes += inner.nodes
    initializers += inner.initializers
    return results
  }

  /// The path of the layer whose parameters a node reads, else the scope that it was traced in.
  private func layer(of node: Node) -> String {
    for operand in node.operands {
      if case .state(let state)? = forms[operand.id]?.literal,
        let dot = state.name.lastIndex(of: ".")
      {
        return identifier(state.name[..<dot])
      }
    }
    return identifier(node.location.scope)
  }

  /// How often each operation stands there that has no translation, bodies included.
  private func missingOperations() -> [String: Int] {
    var missing: [String: Int] = [:]
    for node in graph.nodes where node.results.contains(where: { uses[$0.id] > 0 }) {
      if !isTranslated(node) { missing[node.op.name, default: 0] += 1 }
      for region in node.regions {
        let inner = try? GraphExporter(region, states: [], names: names)
        missing.merge(inner?.missingOperations() ?? [:], uniquingKeysWith: +)
      }
    }
    return missing
  }

  func info(_ name: String, _ type: TensorType) -> OnnxValueInfoProto {
    var info = OnnxValueInfoProto()
    info.name = name
    info.type.tensorType.elemType = Int32(ElementType(type.dtype).rawValue)
    info.type.tensorType.shape.dim = type.shape.dimensions.map { extent in
      var dimension = OnnxTensorShapeProto.Dimension()
      dimension.dimValue = Int64(extent)
      return dimension
    }
    return info
  }

  private func rename(_ old: String, _ new: String) {
    for index in nodes.indices {
      for place in nodes[index].input.indices where nodes[index].input[place] == old {
        nodes[index].input[place] = new
      }
      for place in nodes[index].output.indices where nodes[index].output[place] == old {
        nodes[index].output[place] = new
      }
    }
  }

  // MARK: Nodes

  func unique(_ name: String) -> String {
    if names.taken.insert(name).inserted { return name }
    var count = 1
    while !names.taken.insert("\(name)_\(count)").inserted { count += 1 }
    return "\(name)_\(count)"
  }

  /// Adds a node; the name of its first output.
  @discardableResult
  func emit(
    _ type: String, _ inputs: [String], _ attributes: [OnnxAttributeProto] = [],
    outputs: [String] = []
  ) -> String {
    var node = OnnxNodeProto()
    node.opType = type
    let isNamed = scope == type || scope.hasSuffix("/\(type)")
    node.name = unique(scope.isEmpty ? type : isNamed ? scope : "\(scope)/\(type)")
    node.input = inputs
    node.output = outputs.isEmpty ? [unique("\(node.name):0")] : outputs
    node.attribute = attributes
    nodes.append(node)
    return node.output[0]
  }

  static func attribute(_ name: String, _ value: Int) -> OnnxAttributeProto {
    var attribute = OnnxAttributeProto()
    attribute.name = name
    attribute.type = .int
    attribute.i = Int64(value)
    return attribute
  }

  static func attribute(_ name: String, _ graph: OnnxGraphProto) -> OnnxAttributeProto {
    var attribute = OnnxAttributeProto()
    attribute.name = name
    attribute.type = .graph
    attribute.g = graph
    return attribute
  }

  static func attribute(_ name: String, _ values: [Int]) -> OnnxAttributeProto {
    var attribute = OnnxAttributeProto()
    attribute.name = name
    attribute.type = .ints
    attribute.ints = values.map(Int64.init)
    return attribute
  }

  /// A tensor of the file.
  func initializer(_ name: String, _ array: NDArray) -> String {
    var tensor = OnnxTensorProto()
    tensor.name = unique(name)
    tensor.dataType = Int32(ElementType(array.dtype).rawValue)
    tensor.dims = array.shape.dimensions.map(Int64.init)
    tensor.rawData = .init(array.withUnsafeBytes { Array($0) })
    initializers.append(tensor)
    return tensor.name
  }

  /// A vector of integers, which operators take for axes and shapes.
  func integers(_ values: [Int]) throws -> String {
    let array = HostArray(TensorType(.int64, [values.count]), values.map(Int64.init))
    return initializer(
      scope.isEmpty ? "shape" : "\(scope)/shape", try NDArray(array))
  }

  func number(_ value: Double, _ dtype: DType) throws -> String {
    initializer(
      scope.isEmpty ? "constant" : "\(scope)/constant",
      try NDArray(HostArray(TensorType(dtype, []), [value])))
  }

  // MARK: Values

  func define(_ value: Value, _ name: String) { forms[value.id, default: Form()].plain = name }
  func define(_ value: Value, channelsFirst name: String) {
    forms[value.id, default: Form()].channelsFirst = name
  }
  func define(_ value: Value, _ array: HostArray) {
    forms[value.id] = Form(literal: .array(array))
  }
  func define(_ value: Value, broadcast source: Value, extents: [Int]) {
    forms[value.id] = Form(broadcast: (source, extents))
  }
  /// One value is another.
  func define(_ value: Value, as other: Value) { forms[value.id] = forms[other.id] }

  func isOnlyChannelsFirst(_ value: Value) -> Bool {
    guard let form = forms[value.id] else { return false }
    return form.plain == nil && form.channelsFirst != nil
  }

  /// The elements of a parameter or literal; nil for anything else.
  func literal(_ value: Value) throws -> (name: String, array: HostArray)? {
    switch forms[value.id]?.literal {
    case .array(let array)?: return (scope.isEmpty ? "constant" : "\(scope)/constant", array)
    case .state(let state)?: return (identifier(state.name), try state.value().hostArray)
    case nil: return nil
    }
  }

  /// Whether the value is a parameter.
  func isState(_ value: Value) -> Bool {
    if case .state? = forms[value.id]?.literal { return true }
    return false
  }

  /// The one number that a literal, or a broadcast of one, holds everywhere.
  func splat(_ value: Value) -> Double? {
    switch forms[value.id] {
    case let form? where form.broadcast != nil: form.broadcast.flatMap { splat($0.source) }
    case let form?:
      if case .array(let array)? = form.literal { array.splatValue?.doubles.first } else { nil }
    case nil: nil
    }
  }

  /// The operand of a broadcast that nobody has needed at full size yet.
  func broadcastSource(_ value: Value) -> (source: Value, extents: [Int])? {
    forms[value.id]?.broadcast
  }

  /// The value in Martlet's order of axes.
  func plain(_ value: Value) throws -> String {
    guard var form = forms[value.id] else {
      throw ONNXError(.unsupported, "a value of the graph is not known")
    }
    if let name = form.plain { return name }
    let name: String
    if let first = form.channelsFirst {
      name = emit("Transpose", [first], [GraphExporter.attribute("perm", [0, 2, 3, 1])])
    } else if let (source, extents) = form.broadcast {
      let small = try reshaped(source, to: extents)
      name = emit("Expand", [small, try integers(graph.type(value).shape.dimensions)])
    } else if case .state(let state)? = form.literal {
      name = initializer(identifier(state.name), try state.value())
    } else if let literal = try literal(value) {
      name = initializer(literal.name, try NDArray(literal.array))
    } else {
      throw ONNXError(.unsupported, "a value of the graph is not known")
    }
    form.plain = name
    forms[value.id] = form
    return name
  }

  /// An image as `[N, C, H, W]`.
  func channelsFirst(_ value: Value) throws -> String {
    if let name = forms[value.id]?.channelsFirst { return name }
    let name = emit(
      "Transpose", [try plain(value)], [GraphExporter.attribute("perm", [0, 3, 1, 2])])
    forms[value.id]?.channelsFirst = name
    return name
  }

  /// A value under another shape of equal count.
  func reshaped(_ value: Value, to extents: [Int]) throws -> String {
    if graph.type(value).shape.dimensions == extents { return try plain(value) }
    if forms[value.id]?.plain == nil, let literal = try literal(value) {
      return initializer(literal.name, try NDArray(literal.array.reshaped(Shape(extents))))
    }
    return emit("Reshape", [try plain(value), try integers(extents)])
  }

  /// An operand of an elementwise operation on arrays of `shape`: at full size, or as small as
  /// ONNX's broadcasting allows.
  private func aligned(_ value: Value, channelsFirst isFirst: Bool) throws -> String {
    guard let (source, extents) = broadcastSource(value), forms[value.id]?.plain == nil else {
      return try isFirst ? channelsFirst(value) : plain(value)
    }
    var wanted = extents
    if isFirst {
      guard extents[3] == 1 || (extents[1] == 1 && extents[2] == 1) else {
        return try channelsFirst(value)
      }
      wanted = [extents[0], extents[3], extents[1], extents[2]]
    }
    return try reshaped(source, to: Array(wanted.drop { $0 == 1 }))
  }

  /// Emits an elementwise operation.
  func elementwise(
    _ type: String, _ node: Node, _ attributes: [OnnxAttributeProto] = []
  ) throws {
    let shape = graph.type(node.result).shape
    let isFirst = shape.rank == 4 && node.operands.contains { isOnlyChannelsFirst($0) }
    // Somebody has to bring each extent.
    var reach = [Int](repeating: 1, count: shape.rank)
    for operand in node.operands {
      let extents = broadcastSource(operand)?.extents ?? graph.type(operand).shape.dimensions
      for (axis, extent) in extents.enumerated() where extent != 1 { reach[axis] = extent }
    }
    var operands = node.operands
    var names: [String] = []
    if reach != shape.dimensions, let first = operands.first {
      names.append(try isFirst ? channelsFirst(first) : plain(first))
      operands.removeFirst()
    }
    names += try operands.map { try aligned($0, channelsFirst: isFirst) }
    let result = emit(type, names, attributes)
    if isFirst { define(node.result, channelsFirst: result) } else { define(node.result, result) }
  }
}
