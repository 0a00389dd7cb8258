// Products, convolutions and pools in ONNX.

import MartletExecution
import MartletIR
import MartletONNXFormat
import MartletOps

extension GraphExporter {
  /// An addition of a bias to the one use of a product or convolution is a part of that; true if the
  /// node is, and was exported with it.
  func exportFused(_ node: Node) throws -> Bool {
    guard node.op is MartletOps.Add,
      let source = node.operands.first(where: { fusedBiases[$0] != nil })
    else { return false }
    define(node.result, as: source)
    return true
  }

  /// For products with one use that adds a vector along the last axis: that vector.
  private var fusedBiases: [Value: Value] { biasCache.value(self) }

  private func bias(of node: Node) -> Value? { fusedBiases[node.result] }

  func exportDot(_ node: Node, _ op: MartletOps.Dot) throws {
    let (x, y) = (graph.type(node.operands[0]), graph.type(node.operands[1]))
    let axes = op.axes
    let (m, n) = (x.shape.rank, y.shape.rank)
    if axes.leftBatch.isEmpty, axes.leftContract == [m - 1], n == 2, axes.rightContract.count == 1 {
      let isTransposed = axes.rightContract == [1]
      let names = [try plain(node.operands[0]), try plain(node.operands[1])]
      if let bias = bias(of: node) {
        return define(
          node.result,
          emit(
            "Gemm", names + [try plain(bias)],
            isTransposed ? [GraphExporter.attribute("transB", 1)] : []))
      }
      if !isTransposed { return define(node.result, emit("MatMul", names)) }
      if m == 2 {
        return define(
          node.result, emit("Gemm", names, [GraphExporter.attribute("transB", 1)]))
      }
    }
    // [batch, rows, k] · [batch, k, columns]
    func side(_ value: Value, _ order: [Int], _ shape: [Int]) throws -> String {
      let type = graph.type(value)
      var name = try plain(value)
      if order != Array(0..<type.shape.rank) {
        name = emit("Transpose", [name], [GraphExporter.attribute("perm", order)])
      }
      let permuted = order.map { type.shape[$0] }
      return permuted == shape ? name : emit("Reshape", [name, try integers(shape)])
    }
    func count(_ type: TensorType, _ axes: [Int]) -> Int { axes.reduce(1) { $0 * type.shape[$1] } }
    let batch = count(x, axes.leftBatch)
    let inner = count(x, axes.leftContract)
    let (rows, columns) = (axes.leftFree(m), axes.rightFree(n))
    let left = try side(
      node.operands[0], axes.leftBatch + rows + axes.leftContract,
      [batch, count(x, rows), inner])
    let right = try side(
      node.operands[1], axes.rightBatch + axes.rightContract + columns,
      [batch, inner, count(y, columns)])
    let product = emit("MatMul", [left, right])
    let wanted = graph.type(node.result).shape.dimensions
    define(
      node.result,
      wanted == [batch, count(x, rows), count(y, columns)]
        ? product : emit("Reshape", [product, try integers(wanted)]))
  }

  /// `[KH, KW, I, O]` as `[O, I, KH, KW]`: parameters are written so.
  private func filter(_ value: Value) throws -> String {
    let shape = graph.type(value).shape
    guard let literal = try literal(value) else {
      return emit(
        "Transpose", [try plain(value)], [GraphExporter.attribute("perm", [3, 2, 0, 1])])
    }
    let (h, w, i, o) = (shape[0], shape[1], shape[2], shape[3])
    var places: [Int] = []
    places.reserveCapacity(shape.count)
    for output in 0..<o {
      for input in 0..<i {
        for row in 0..<h {
          for column in 0..<w { places.append(((row * w + column) * i + input) * o + output) }
        }
      }
    }
    return initializer(
      literal.name, try NDArray(literal.array.gathered(places, [o, i, h, w])))
  }

  private func window(
    kernel: [Int], strides: [Int], padding: [Int], dilations: [Int]
  ) -> [OnnxAttributeProto] {
    [
      GraphExporter.attribute("kernel_shape", kernel),
      GraphExporter.attribute("strides", strides),
      GraphExporter.attribute("pads", [padding[0], padding[2], padding[1], padding[3]]),
      GraphExporter.attribute("dilations", dilations),
    ]
  }

  func exportConvolution(_ node: Node, _ g: Conv2DGeometry) throws {
    guard g.padding.allSatisfy({ $0 >= 0 }) else {
      throw ONNXError(.unsupported, "a convolution with negative pads")
    }
    var inputs = [try channelsFirst(node.operands[0]), try filter(node.operands[1])]
    if let bias = bias(of: node) { inputs.append(try plain(bias)) }
    let attributes = window(
      kernel: [g.kernelHeight, g.kernelWidth], strides: g.strides, padding: g.padding,
      dilations: g.dilations)
    define(
      node.result,
      channelsFirst: emit("Conv", inputs, attributes + [GraphExporter.attribute("group", g.groups)])
    )
  }

  func exportTransposed(_ node: Node, _ g: Conv2DGeometry) throws {
    let small = graph.type(node.operands[0]).shape
    let reach = [
      (small[1] - 1) * g.strides[0] + g.dilations[0] * (g.kernelHeight - 1) + 1 - g.padding[0]
        - g.padding[1],
      (small[2] - 1) * g.strides[1] + g.dilations[1] * (g.kernelWidth - 1) + 1 - g.padding[2]
        - g.padding[3],
    ]
    let rest = [g.inputHeight - reach[0], g.inputWidth - reach[1]]
    guard g.padding.allSatisfy({ $0 >= 0 }), rest.allSatisfy({ $0 >= 0 }) else {
      throw ONNXError(.unsupported, "a transposed convolution with negative pads")
    }
    let attributes = window(
      kernel: [g.kernelHeight, g.kernelWidth], strides: g.strides, padding: g.padding,
      dilations: g.dilations)
    define(
      node.result,
      channelsFirst: emit(
        "ConvTranspose", [try channelsFirst(node.operands[0]), try filter(node.operands[1])],
        attributes + [
          GraphExporter.attribute("group", g.groups),
          GraphExporter.attribute("output_padding", rest),
        ]))
  }

  func exportPool(_ node: Node, _ g: WindowGeometry, _ name: String) throws {
    guard g.padding.allSatisfy({ $0 >= 0 }), g.padding[0] < g.windowHeight,
      g.padding[1] < g.windowHeight, g.padding[2] < g.windowWidth, g.padding[3] < g.windowWidth
    else { throw ONNXError(.unsupported, "a pool with negative pads, or pads beyond its window") }
    let attributes = window(
      kernel: [g.windowHeight, g.windowWidth], strides: g.strides, padding: g.padding,
      dilations: g.dilations)
    let x = try channelsFirst(node.operands[0])
    guard name == "AveragePool" else {
      return define(node.result, channelsFirst: emit(name, [x], attributes))
    }
    // A sum is a mean times the window.
    let mean = emit(name, [x], attributes + [GraphExporter.attribute("count_include_pad", 1)])
    let area = try number(
      Double(g.windowHeight * g.windowWidth), graph.type(node.result).dtype)
    define(node.result, channelsFirst: emit("Mul", [mean, area]))
  }
}

/// Which products take a bias with them; found once.
final class BiasCache {
  private var found: [Value: Value]?

  func value(_ exporter: GraphExporter) -> [Value: Value] {
    if let found { return found }
    var biases: [Value: Value] = [:]
    let graph = exporter.graph
    for node in graph.nodes where node.op is MartletOps.Add {
      for (place, value) in node.operands.enumerated() {
        guard exporter.uses[value.id] == 1, let product = graph.definition(value),
          takesBias(product, graph), let broadcast = graph.definition(node.operands[1 - place]),
          let op = broadcast.op as? MartletOps.Broadcast,
          op.axes == [graph.type(value).shape.rank - 1],
          graph.type(broadcast.operands[0]).shape.dimensions == [op.shape[op.shape.count - 1]],
          // Known before the product is.
          isLeaf(broadcast.operands[0], graph)
        else { continue }
        biases[value] = broadcast.operands[0]
        break
      }
    }
    found = biases
    return biases
  }

  private func takesBias(_ node: Node, _ graph: Graph) -> Bool {
    if node.op is MartletOps.Conv2D { return true }
    guard let op = node.op as? MartletOps.Dot else { return false }
    return op.axes.leftBatch.isEmpty && op.axes.leftContract == [1]
      && op.axes.rightContract.count == 1 && graph.type(node.operands[0]).shape.rank == 2
      && graph.type(node.operands[1]).shape.rank == 2
      && graph.type(node.result).dtype.isFloatingPoint
  }

  private func isLeaf(_ value: Value, _ graph: Graph) -> Bool {
    graph.definition(value).map { $0.op is MartletOps.Constant } ?? true
  }
}
