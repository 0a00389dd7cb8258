// What each operation is in ONNX.

import MartletIR
import MartletLoops
import MartletONNXFormat
import MartletOps

extension GraphExporter {
  /// Operations that are one elementwise operator under another name.
  private static let elementwiseNames: [String: String] = [
    "abs": "Abs", "acos": "Acos", "acosh": "Acosh", "asin": "Asin", "asinh": "Asinh",
    "atan": "Atan", "atanh": "Atanh", "ceil": "Ceil", "cos": "Cos", "cosh": "Cosh", "erf": "Erf",
    "gelu": "Gelu",
    "exp": "Exp", "floor": "Floor", "log": "Log", "logistic": "Sigmoid", "negate": "Neg",
    "reciprocal": "Reciprocal", "round": "Round", "sign": "Sign", "sin": "Sin", "sinh": "Sinh",
    "sqrt": "Sqrt", "tan": "Tan", "tanh": "Tanh", "not": "Not", "add": "Add",
    "subtract": "Sub", "multiply": "Mul", "divide": "Div", "minimum": "Min", "power": "Pow",
    "and": "And", "or": "Or", "xor": "Xor", "select": "Where",
  ]
  private static let otherNames: Set<String> = [
    "constant", "iota", "broadcast", "reshape", "transpose", "slice", "concatenate", "reverse",
    "reduceSum", "reduceMax", "reduceMin", "reduceProduct", "argMax", "argMin", "cumulativeSum",
    "gather", "takeAlong", "argSort", "argTop", "dot", "maximum", "remainder", "compare",
    "convert", "stopGradient", "exp2", "expm1", "log1p", "rsqrt", "trunc", "sumWindow", "conv2d",
    "conv2dInputGradient", "scan", "while", "conditional", "addAlong",
  ]

  func isTranslated(_ node: Node) -> Bool {
    switch node.op {
    case let op as MartletOps.Pad: op.interior.allSatisfy { $0 == 0 }
    case let op as MartletOps.ScatterAdd: op.axis == 0
    case let op as MartletOps.ScatterSet: op.axis == 0
    case is MartletOps.MaxWindow: uses[node.results[1].id] == 0
    default:
      GraphExporter.elementwiseNames[node.op.name] != nil
        || GraphExporter.otherNames.contains(node.op.name)
    }
  }

  func export(_ node: Node) throws {
    if let name = GraphExporter.elementwiseNames[node.op.name] {
      if try exportFused(node) { return }
      // On integers these act on bits, which ONNX has operators of their own for.
      let isBitwise =
        ["And", "Or", "Xor"].contains(name) && graph.type(node.result).dtype != .bool
      return try elementwise(isBitwise ? "Bitwise" + name : name, node)
    }
    let result = node.result
    let type = graph.type(result)
    func operand(_ index: Int) throws -> String { try plain(node.operands[index]) }
    func shape(_ index: Int) -> [Int] { graph.type(node.operands[index]).shape.dimensions }
    func attribute(_ name: String, _ value: Int) -> OnnxAttributeProto {
      GraphExporter.attribute(name, value)
    }
    switch node.op {
    case is MartletOps.Constant: break
    case let op as MartletOps.Iota: define(result, op.evaluate([], [])[0])
    case let op as MartletOps.Broadcast:
      var extents = [Int](repeating: 1, count: op.shape.count)
      for (place, axis) in op.axes.enumerated() { extents[axis] = shape(0)[place] }
      guard op.axes == op.axes.sorted() else {
        throw ONNXError(.unsupported, "a broadcast that permutes axes")
      }
      define(result, broadcast: node.operands[0], extents: extents)
    case is MartletOps.StopGradient: define(result, as: node.operands[0])
    case let op as MartletOps.Reshape: define(result, try reshaped(node.operands[0], to: op.shape))
    case let op as MartletOps.Transpose: try exportTranspose(node, op)
    // ONNX Runtime slices no scalars.
    case let op as MartletOps.Slice where op.start.isEmpty: define(result, as: node.operands[0])
    case let op as MartletOps.Reverse where op.axes.isEmpty: define(result, as: node.operands[0])
    case let op as MartletOps.Slice:
      let axes = Array(op.start.indices)
      define(
        result,
        emit(
          "Slice",
          [
            try operand(0), try integers(op.start), try integers(op.limit), try integers(axes),
            try integers(op.stride),
          ]))
    case let op as MartletOps.Reverse:
      define(
        result,
        emit(
          "Slice",
          [
            try operand(0), try integers(op.axes.map { _ in -1 }),
            try integers(op.axes.map { _ in Int.min + 1 }), try integers(op.axes),
            try integers(op.axes.map { _ in -1 }),
          ]))
    case let op as MartletOps.Pad:
      // Negative pads cut first.
      let cut = op.low.indices.map { min(0, op.low[$0]) }
      let end = op.high.indices.map { shape(0)[$0] + min(0, op.high[$0]) }
      var x = try operand(0)
      if cut.contains(where: { $0 < 0 }) || end != shape(0) {
        x = emit(
          "Slice",
          [x, try integers(cut.map { -$0 }), try integers(end), try integers(Array(cut.indices))])
      }
      let pads = (op.low + op.high).map { max(0, $0) }
      if pads.contains(where: { $0 > 0 }) {
        x = emit("Pad", [x, try integers(pads), try operand(1)])
      }
      define(result, x)
    case let op as MartletOps.Concatenate:
      define(
        result,
        emit("Concat", try node.operands.map { try plain($0) }, [attribute("axis", op.axis)]))
    case let op as MartletOps.ReduceSum: try reduce("ReduceSum", node, op.axes)
    case let op as MartletOps.ReduceMax: try reduce("ReduceMax", node, op.axes)
    case let op as MartletOps.ReduceMin: try reduce("ReduceMin", node, op.axes)
    case let op as MartletOps.ReduceProduct: try reduce("ReduceProd", node, op.axes)
    case let op as MartletOps.ArgMax: try arg("ArgMax", node, op.axis)
    case let op as MartletOps.ArgMin: try arg("ArgMin", node, op.axis)
    case let op as MartletOps.CumulativeSum:
      let axis = initializer(
        scope + "/axis", try .init(HostArray(TensorType(.int64, []), [Int64(op.axis)])))
      define(
        result,
        emit(
          "CumSum", [try operand(0), axis],
          [
            attribute("exclusive", op.exclusive ? 1 : 0), attribute("reverse", op.reverse ? 1 : 0),
          ]))
    case let op as MartletOps.Gather:
      define(
        result, emit("Gather", [try operand(0), try operand(1)], [attribute("axis", op.axis)]))
    case let op as MartletOps.TakeAlong:
      define(
        result,
        emit("GatherElements", [try operand(0), try operand(1)], [attribute("axis", op.axis)]))
    case is MartletOps.ScatterAdd, is MartletOps.ScatterSet:
      let places = emit("Reshape", [try operand(1), try integers(shape(1) + [1])])
      let wide =
        graph.type(node.operands[1]).dtype == .int64
        ? places : emit("Cast", [places], [attribute("to", ElementType.int64.rawValue)])
      define(
        result,
        emit(
          "ScatterND", [try operand(0), wide, try operand(2)],
          node.op is MartletOps.ScatterAdd ? [GraphExporter.addition] : []))
    case let op as MartletOps.AddAlong:
      let zeros = emit(
        "Expand",
        [try number(0, type.dtype), try integers(type.shape.dimensions)])
      define(
        result,
        emit(
          "ScatterElements", [zeros, try operand(0), try operand(1)],
          [attribute("axis", op.axis), GraphExporter.addition]))
    case let op as MartletOps.Scan: try exportScan(node, op)
    case let op as MartletOps.While: try exportWhile(node, op)
    case is MartletOps.Conditional: try exportConditional(node)
    case let op as MartletOps.ArgSort:
      try top(node, op.axis, shape(0)[op.axis], largest: op.descending)
    case let op as MartletOps.ArgTop: try top(node, op.axis, op.count, largest: op.largest)
    case let op as MartletOps.Dot: try exportDot(node, op)
    case let op as MartletOps.Conv2D: try exportConvolution(node, op.geometry)
    case let op as MartletOps.Conv2DInputGradient: try exportTransposed(node, op.geometry)
    case let op as MartletOps.MaxWindow: try exportPool(node, op.geometry, "MaxPool")
    case let op as MartletOps.SumWindow: try exportPool(node, op.geometry, "AveragePool")
    case is MartletOps.Maximum:
      // max(x, 0) is what the field calls ReLU.
      if let place = node.operands.indices.first(where: { splat(node.operands[$0]) == 0 }) {
        var relu = node
        relu.operands.remove(at: place)
        return try elementwise("Relu", relu)
      }
      try elementwise("Max", node)
    case is MartletOps.Remainder: try elementwise("Mod", node, [attribute("fmod", 1)])
    case let op as MartletOps.Compare:
      let names: [Comparison: String] = [
        .eq: "Equal", .lt: "Less", .le: "LessOrEqual", .gt: "Greater", .ge: "GreaterOrEqual",
      ]
      guard let name = names[op.direction] else {
        try elementwise("Equal", node)
        let equal = isOnlyChannelsFirst(result) ? try channelsFirst(result) : try plain(result)
        let isFirst = isOnlyChannelsFirst(result)
        let unequal = emit("Not", [equal])
        if isFirst {
          define(result, channelsFirst: unequal)
        } else {
          define(result, unequal)
        }
        return
      }
      try elementwise(name, node)
    case let op as MartletOps.Convert:
      try elementwise("Cast", node, [attribute("to", ElementType(op.dtype).rawValue)])
    case is MartletOps.Exp2:
      define(result, emit("Pow", [try number(2, type.dtype), try operand(0)]))
    case is MartletOps.Expm1:
      define(result, emit("Sub", [emit("Exp", [try operand(0)]), try number(1, type.dtype)]))
    case is MartletOps.Log1p:
      define(result, emit("Log", [emit("Add", [try operand(0), try number(1, type.dtype)])]))
    case is MartletOps.Rsqrt:
      define(result, emit("Reciprocal", [emit("Sqrt", [try operand(0)])]))
    case is MartletOps.Trunc:
      let x = try operand(0)
      define(result, emit("Mul", [emit("Sign", [x]), emit("Floor", [emit("Abs", [x])])]))
    default: throw ONNXError(.unsupported, "the operation \(node.op.name) has no ONNX form")
    }
  }

  private static var addition: OnnxAttributeProto {
    var reduction = OnnxAttributeProto()
    reduction.name = "reduction"
    reduction.type = .string
    reduction.s = .init("add".utf8)
    return reduction
  }

  /// A transposition to or from channels last only says which order a value has.
  private func exportTranspose(_ node: Node, _ op: MartletOps.Transpose) throws {
    let x = node.operands[0]
    if let literal = try literal(x), !isState(x) {
      return define(node.result, op.evaluate([literal.array], [])[0])
    }
    switch op.permutation {
    case [0, 2, 3, 1]: define(node.result, channelsFirst: try plain(x))
    case [0, 3, 1, 2]: define(node.result, try channelsFirst(x))
    default:
      define(
        node.result,
        emit(
          "Transpose", [try plain(x)], [GraphExporter.attribute("perm", op.permutation)]))
    }
  }

  private func reduce(_ name: String, _ node: Node, _ axes: [Int]) throws {
    let x = node.operands[0]
    // No axes would be all of them.
    if axes.isEmpty { return define(node.result, as: x) }
    let keeps = GraphExporter.attribute("keepdims", 0)
    // Bools are reduced as integers.
    if graph.type(x).dtype == .bool {
      let wide = emit(
        "Cast", [try plain(x)], [GraphExporter.attribute("to", ElementType.int32.rawValue)])
      let y = emit(name, [wide, try integers(axes)], [keeps])
      return define(
        node.result,
        emit("Cast", [y], [GraphExporter.attribute("to", ElementType.bool.rawValue)]))
    }
    let order = [0, 2, 3, 1]
    let kept = [0, 1, 2, 3].filter { !axes.contains($0) }.map { order[$0] }
    if isOnlyChannelsFirst(x), kept == kept.sorted() {
      let own = axes.map { order[$0] }.sorted()
      return define(
        node.result, emit(name, [try channelsFirst(x), try integers(own)], [keeps]))
    }
    define(node.result, emit(name, [try plain(x), try integers(axes)], [keeps]))
  }

  private func arg(_ name: String, _ node: Node, _ axis: Int) throws {
    let y = emit(
      name, [try plain(node.operands[0])],
      [GraphExporter.attribute("axis", axis), GraphExporter.attribute("keepdims", 0)])
    define(node.result, narrowed(y, graph.type(node.result).dtype))
  }

  private func narrowed(_ integers: String, _ dtype: DType) -> String {
    dtype == .int64
      ? integers
      : emit("Cast", [integers], [GraphExporter.attribute("to", ElementType(dtype).rawValue)])
  }

  private func top(_ node: Node, _ axis: Int, _ count: Int, largest: Bool) throws {
    let places = unique("\(scope)/TopK:1")
    emit(
      "TopK", [try plain(node.operands[0]), try integers([count])],
      [
        GraphExporter.attribute("axis", axis), GraphExporter.attribute("largest", largest ? 1 : 0),
      ], outputs: [unique("\(scope)/TopK:0"), places])
    define(node.result, narrowed(places, graph.type(node.result).dtype))
  }
}
