// Integer inference: the contractions of a frozen program over bytes.
//
//     %3 = conv2d %x, %w            →    %q = convert{u8}(round(%x · 1/s) + z)     bytes, per tensor
//                                        %i = integerConv2d %q, %p                 %p = round(w / t), i8
//                                        %3 = convert{f32} %i · (s · t) + c        s · t per channel
//
// Weights are symmetric with a scale t for each output channel; activations have one scale s and one
// zero point z, from the range that was seen of them. c = −z · s · t · Σ p, and the bias that follows. Runs
// on the optimised graph, where a batch norm is part of its filter; the passes run again behind it, and
// fusion makes the arithmetic around the products their epilogues: bytes are what a chain of layers
// writes and reads. Where a layer's images are pooled, its product gives the largest sums. Krishnamoorthi, Quantizing deep convolutional networks for efficient inference, 2018.

import MartletIR
import MartletLoops
import MartletOps

package struct Quantization {
  /// A contraction that can be over bytes.
  struct Site {
    var activation: Value
    /// `[…, K, N]`, in the order in which the contraction reads them.
    var weights: HostArray
    var geometry: Conv2DGeometry?
    /// The addition of a literal bias, which is its only user.
    var bias: (node: Int, values: [Double])?
  }

  private let graph: Graph
  private let uses: [Int]
  /// By node.
  private let sites: [Int: Site]
  /// What the contractions read, each once, in the order of the nodes.
  package let activations: [Value]

  package init(_ graph: Graph) {
    self.graph = graph
    var sites: [Int: Site] = [:]
    var activations: [Value] = []
    let uses = graph.useCounts()
    for (index, node) in graph.nodes.enumerated() {
      guard var site = Quantization.site(node, graph) else { continue }
      if uses[node.result.id] == 1 { site.bias = Quantization.bias(of: node, index, graph) }
      sites[index] = site
      if !activations.contains(site.activation) { activations.append(site.activation) }
    }
    self.uses = uses
    self.sites = sites
    self.activations = activations
  }

  /// The number of contractions.
  package var count: Int { sites.count }

  private static func site(_ node: Node, _ graph: Graph) -> Site? {
    guard node.operands.count == 2, graph.type(node.operands[0]).dtype == .float32,
      graph.type(node.result).count > 0
    else { return nil }
    if let op = node.op as? Conv2D {
      guard op.geometry.groups == 1, let weights = literal(node.operands[1], graph) else {
        return nil
      }
      return Site(activation: node.operands[0], weights: weights, geometry: op.geometry)
    }
    guard let axes = (node.op as? Dot)?.axes, axes.leftBatch.isEmpty,
      axes.leftContract == [graph.type(node.operands[0]).shape.rank - 1],
      axes.rightContract.count == 1, let right = literal(node.operands[1], graph),
      right.shape.rank == 2
    else { return nil }
    let isPlain = axes.rightContract == [0]
    guard !isPlain else { return Site(activation: node.operands[0], weights: right) }
    let turned = Transpose([1, 0]).evaluate([right], [])[0]
    return Site(activation: node.operands[0], weights: turned)
  }

  /// A literal, or a view of one.
  private static func literal(_ value: Value, _ graph: Graph) -> HostArray? {
    guard let index = graph.values[value.id].node else { return nil }
    let node = graph.nodes[index]
    if let op = node.op as? Constant { return op.array }
    guard node.op is Transpose || node.op is Reshape, let op = node.op as? any Op,
      let inner = literal(node.operands[0], graph)
    else { return nil }
    return try? op.evaluate([inner], [])[0]
  }

  /// The literal of the channels that the one user of a contraction adds.
  private static func bias(
    of node: Node, _ index: Int, _ graph: Graph
  ) -> (node: Int, values: [Double])? {
    guard
      let user = graph.nodes.indices.dropFirst(index + 1).first(where: {
        graph.nodes[$0].operands.contains(node.result)
      }), graph.nodes[user].op is Add
    else { return nil }
    let operands = graph.nodes[user].operands
    let other = operands[0] == node.result ? operands[1] : operands[0]
    guard let definition = graph.values[other.id].node,
      let op = graph.nodes[definition].op as? Broadcast, op.axes == [op.shape.count - 1],
      let array = literal(graph.nodes[definition].operands[0], graph),
      array.count == op.shape.last
    else { return nil }
    return (user, array.doubles)
  }

  // MARK: - Graphs

  /// The graph with the least and the largest element of each activation as its only results.
  package func observing() throws(CompileError) -> Graph {
    try rebuilt(results: { trace, map in
      for (number, activation) in activations.enumerated() {
        guard let x = map[activation.id] else { continue }
        for (name, y) in [("least", x.min()), ("largest", x.max())] {
          if let value = y.value { trace.graph.addOutput(value, name: "\(name)\(number)") }
        }
      }
    })
  }

  /// The graph over bytes. `ranges` are those of the activations, in their order.
  package func quantized(_ ranges: [ClosedRange<Float>]) throws(CompileError) -> Graph {
    guard ranges.count == activations.count else {
      throw CompileError(
        .option,
        "the calibration is of another program: \(ranges.count) activations, not "
          + "\(activations.count)")
    }
    let scales = Dictionary(
      zip(activations, ranges.map(ByteScale.init)), uniquingKeysWith: { a, _ in a })
    var bytes: [Bytes: Tensor] = [:]
    var replaced: [Int: Tensor] = [:]
    return try rebuilt { index, trace, map in
      if let sum = replaced[index] { return sum }
      guard let site = sites[index], let scale = scales[site.activation],
        let quantized = quantized(site.activation, scale, map, scales, &bytes)
      else { return nil }
      let y = Quantization.product(quantized, scale, site, trace)
      if let bias = site.bias { replaced[bias.node] = y }
      return y
    }
  }

  /// A value as bytes of a scale.
  private struct Bytes: Hashable {
    var value: Value
    var scale: ByteScale
  }

  /// Rounding does not change which element is the largest: what was pooled is rounded before it is,
  /// as the epilogue of the layer in front, and bytes are pooled; or sums of the layer in front are.
  private func quantized(
    _ value: Value, _ scale: ByteScale, _ map: [Tensor?], _ scales: [Value: ByteScale],
    _ known: inout [Bytes: Tensor]
  ) -> Tensor? {
    let key = Bytes(value: value, scale: scale)
    if let made = known[key] { return made }
    let node = graph.values[value.id].node.map { graph.nodes[$0] }
    var made: Tensor?
    if let node, node.op is Reshape {
      made = quantized(node.operands[0], scale, map, scales, &known)?
        .reshaped(graph.type(value).shape)
    } else if let node, let op = node.op as? MaxWindow, value == node.results[0] {
      made =
        pooledProduct(node, op.geometry, map, scales, &known).map(scale.quantized)
        ?? quantized(node.operands[0], scale, map, scales, &known)
        .map { record(ByteMaxWindow(op.geometry), $0) }
    }
    made = made ?? map[value.id].map(scale.quantized)
    known[key] = made
    return made
  }

  /// What was pooled is a convolution, its bias and bounds, and nothing else reads any of it: scaling by
  /// positive numbers, adding one number a channel and bounds all keep the order of their elements,
  /// rounding too, so what becomes of the largest sums is, to the bit, the largest of what becomes of
  /// all. A fraction of the sums is scaled, rounded and written.
  private func pooledProduct(
    _ pool: Node, _ window: WindowGeometry, _ map: [Tensor?], _ scales: [Value: ByteScale],
    _ known: inout [Bytes: Tensor]
  ) -> Tensor? {
    let size = [window.windowHeight, window.windowWidth]
    guard window.strides == size, window.padding.allSatisfy({ $0 == 0 }),
      window.dilations == [1, 1], uses[pool.results[0].id] == 1
    else { return nil }
    var value = pool.operands[0]
    var bounds: [(isLeast: Bool, bound: Double)] = []
    while let index = graph.values[value.id].node, uses[value.id] == 1 {
      let node = graph.nodes[index]
      if node.op is Maximum || node.op is Minimum {
        guard let (inner, bound) = bounded(node) else { return nil }
        bounds.append((node.op is Maximum, bound))
        value = inner
        continue
      }
      var product = index
      if node.op is Add {
        guard
          let below = node.operands.compactMap({ graph.values[$0.id].node })
            .first(where: { sites[$0]?.bias?.node == index })
        else { return nil }
        product = below
      }
      guard let site = sites[product], site.geometry != nil,
        site.bias == nil || product != index, let scale = scales[site.activation],
        let bytes = quantized(site.activation, scale, map, scales, &known)
      else { return nil }
      var y = Quantization.product(bytes, scale, site, bytes.trace, windows: size)
      for (isLeast, bound) in bounds.reversed() {
        y = isLeast ? maximum(y, bound) : minimum(y, bound)
      }
      return y
    }
    return nil
  }

  /// The operand of a maximum or minimum with one literal number for all elements, and that number.
  private func bounded(_ node: Node) -> (Value, Double)? {
    for (inner, other) in [
      (node.operands[0], node.operands[1]), (node.operands[1], node.operands[0]),
    ] {
      guard let definition = graph.values[other.id].node,
        graph.nodes[definition].op is Broadcast,
        let array = Quantization.literal(graph.nodes[definition].operands[0], graph),
        array.count == 1, let bound = array.doubles.first, !bound.isNaN
      else { continue }
      return (inner, bound)
    }
    return nil
  }

  private static func product(
    _ x: Tensor, _ scale: ByteScale, _ site: Site, _ trace: Trace, windows: [Int] = [1, 1]
  ) -> Tensor {
    let columns = site.weights.shape.dimensions.last ?? 1
    let w = site.weights.doubles
    var factors = [Double](repeating: 0, count: columns)
    for (index, value) in w.enumerated() {
      factors[index % columns] = max(factors[index % columns], Swift.abs(value))
    }
    factors = factors.map { $0 > 0 && $0.isFinite ? Double(Float($0 / 127)) : 1 }
    var sums = [Double](repeating: 0, count: columns)
    var column = 0
    let integers = w.map { value -> UInt8 in
      let ratio = (value / factors[column]).rounded(.toNearestOrEven)
      let q = ratio.isFinite ? max(-127, min(127, ratio)) : 0
      sums[column] += q
      column = column + 1 == columns ? 0 : column + 1
      return UInt8(bitPattern: Int8(q))
    }
    let filter = trace.constant(
      HostArray(TensorType(.int8, site.weights.shape), bytes: integers))
    let sum =
      site.geometry.map { integerConv2d(x, filter, $0, zero: scale.zero, windows: windows) }
      ?? integerMatmul(x, filter)
    let steps = factors.map { Double(Float($0 * scale.step)) }
    let offsets = (0..<columns).map { c in
      (site.bias?.values[c] ?? 0) - Double(scale.zero) * steps[c] * sums[c]
    }
    func row(_ values: [Double]) -> Tensor {
      trace.constant(HostArray(TensorType(.float32, [columns]), values))
        .broadcasted(to: sum.shape)
    }
    let scaled = sum.converted(to: .float32) * row(steps)
    return offsets.contains { $0 != 0 } ? scaled + row(offsets) : scaled
  }

  /// The graph node by node; `replace` gives another tensor for a node's result, and `results`
  /// other outputs.
  private func rebuilt(
    replacing replace: (Int, Trace, [Tensor?]) -> Tensor? = { _, _, _ in nil },
    results: ((Trace, [Tensor?]) -> Void)? = nil
  ) throws(CompileError) -> Graph {
    let trace = Trace(name: graph.name, isTraining: false)
    var map = [Tensor?](repeating: nil, count: graph.values.count)
    for parameter in graph.parameters {
      let type = graph.type(parameter.value)
      let value = trace.graph.addParameter(type, name: parameter.name, role: parameter.role)
      map[parameter.value.id] = Tensor(trace: trace, value: value, type: type)
    }
    for (index, node) in graph.nodes.enumerated() {
      guard let op = node.op as? any Op else { continue }
      trace.scopes = node.location.scope.isEmpty ? [] : [node.location.scope]
      let made = trace.calling(from: node.location) {
        replace(index, trace, map).map { [$0] }
          ?? trace.record(
            op, node.operands.compactMap { map[$0.id] }, regions: node.regions, at: node.location)
      }
      for (old, new) in zip(node.results, made) { map[old.id] = new }
    }
    if let results {
      results(trace, map)
    } else {
      for output in graph.outputs {
        if let value = map[output.value.id]?.value {
          trace.graph.addOutput(value, name: output.name, role: output.role)
        }
      }
    }
    trace.scopes = []
    try trace.finish()
    var made = trace.graph
    removeDeadNodes(&made)
    return made
  }
}

/// How a tensor of floats is bytes: x ≈ (q − zero) · step.
package struct ByteScale: Hashable, Sendable {
  package var step: Double
  package var zero: Int

  /// The scale of a range, which is made to hold 0: zeros stay exact.
  package init(_ range: ClosedRange<Float>) {
    let (low, high) = (Double(min(0, range.lowerBound)), Double(max(0, range.upperBound)))
    let step = Float((high - low) / 255)
    self.step = step.isNormal && step.isFinite ? Double(step) : 1
    zero = Int(max(0, min(255, (-low / self.step).rounded(.toNearestOrEven))))
  }

  /// The bytes of a tensor; what is out of range takes the last byte.
  func quantized(_ x: Tensor) -> Tensor {
    let whole = round(x * Double(Float(1 / step)))
    return (zero == 0 ? whole : whole + Double(zero)).converted(to: .uint8)
  }
}
